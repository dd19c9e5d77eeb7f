//! The program of the page about Vector, run over every kind of record by Vector's own language.

use std::path::Path;
use std::process::Command;

use crate::records::every_record;
use palisade_audit::Format;
use serde_json::Value;

/// The program of the `remap` transform.
fn program() -> String {
    let page = include_str!("../../docs/shipping/vector.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let config: toml::Table = rest.split_once("\n```").unwrap().0.parse().unwrap();
    let source = config["transforms"]["parsed"]["source"].as_str();
    source.unwrap().to_owned()
}

/// The events that the program makes of these messages; none for those that it reroutes.
fn transform(messages: &[String]) -> Vec<Option<Value>> {
    let directory = tempfile::tempdir().unwrap();
    let (source, lines) = (directory.path().join("a.vrl"), directory.path().join("a"));
    std::fs::write(&source, program()).unwrap();
    std::fs::write(&lines, messages.join("\n")).unwrap();
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(home.join("../../target/vrl/bin/python"))
        .arg(home.join("tests/run_vrl.py"))
        .args([source, lines])
        .output()
        .expect("cargo xtask test --full installs vrl-python into target/vrl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
    events.collect()
}

#[tokio::test]
#[ignore = "needs vrl-python under target/: cargo xtask test --full"]
async fn vectors_language_keeps_every_record_as_it_is_and_knows_its_time() {
    let records = every_record(Format::Native).await;
    assert!(records.len() > 500, "{}", records.len());
    let messages: Vec<String> = records.iter().map(Value::to_string).collect();
    let events = transform(&messages);
    assert_eq!(events.len(), records.len());
    for (mut record, event) in records.into_iter().zip(events) {
        // A point in time, which is printed without milliseconds where there are none.
        let sent = record["timestamp"].as_str().unwrap();
        let time = sent.replace('T', " ").replace('Z', "");
        let time = match time.strip_suffix(".000") {
            Some(whole) => format!("{whole} UTC"),
            None => format!("{time} UTC"),
        };
        record["@timestamp"] = Value::from(time);
        assert_eq!(event, Some(record));
    }
}

#[test]
#[ignore = "needs vrl-python under target/: cargo xtask test --full"]
fn vectors_language_reroutes_what_is_no_record() {
    let time = r#"{"timestamp":"2026-11-20T00:00:00.000Z"}"#;
    let messages = ["{\"torn", "[1]", "", "{}", r#"{"timestamp":"soon"}"#, time];
    let events = transform(&messages.map(str::to_owned));
    let kept: Vec<bool> = events.iter().map(Option::is_some).collect();
    assert_eq!(kept, [false, false, false, false, false, true]);
}
