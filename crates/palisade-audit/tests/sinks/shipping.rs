//! The configurations of the pages about shipping, against the files and lines that a trail writes.
//!
//! rsyslog and syslog-ng are run, here and in `main.rs`, and the program of Vector's transform in `formats/vector.rs`. The other
//! collectors are on no registry that a test may install from: each configuration is parsed, its parts are followed to where
//! they lead, and what it says of files and members is compared with those of a real trail.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::syslog_ng;
use palisade_audit::{Audit, Class, Format, Outcome, Record, RollingFile};
use palisade_core::{EventKind, Name};
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

/// The first block of a page in this language.
fn block(page: &str, language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/shipping/{page}.md"));
    let text = std::fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    let (_, rest) = text.split_once(&fence).unwrap();
    rest.split_once("\n```").unwrap().0.to_owned()
}

fn yaml(page: &str) -> Yaml {
    let documents = YamlLoader::load_from_str(&block(page, "yaml")).unwrap();
    assert_eq!(documents.len(), 1);
    documents.into_iter().next().unwrap()
}

/// A trail with finished, compressed and other files; their names, and the lines of the one in use.
fn trail(format: Format) -> (Vec<String>, Vec<Value>) {
    let directory = tempfile::tempdir().unwrap();
    let file = RollingFile::new(directory.path())
        .max_bytes(4_096)
        .format(format);
    #[cfg(feature = "gzip")]
    let file = file.gzip();
    std::fs::write(
        directory
            .path()
            .join("bookings_audit.torn.20261120T000000Z"),
        "{",
    )
    .unwrap();
    let (audit, guard) = Audit::builder("bookings").file(file).open().unwrap();
    for _ in 0..60 {
        audit.record(Record::named(Name::from_static("filler"), Class::Admin));
    }
    audit.record(
        Record::new(EventKind::AdminAction)
            .actor("ada")
            .action("room.delete")
            .outcome(Outcome::Success),
    );
    assert_eq!(guard.shutdown(Duration::from_secs(20)).lost, 0);
    let names: Vec<String> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let text = std::fs::read_to_string(directory.path().join("bookings_audit.log")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (names, lines.collect())
}

/// Whether a name matches a pattern with at most one `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

/// The pattern matches the file in use and the finished ones, and nothing else.
fn check_pattern(pattern: &str) {
    let pattern = pattern.strip_prefix("/var/log/bookings/").unwrap();
    let (names, _) = trail(Format::Native);
    let finished = |name: &str| name.starts_with("bookings_audit.0") && name.ends_with(".log");
    assert!(names.iter().any(|name| finished(name)), "{names:?}");
    for name in &names {
        let is_trail = name == "bookings_audit.log" || finished(name);
        assert_eq!(matches(pattern, name), is_trail, "{pattern} and {name}");
    }
}

/// The members that a configuration reads are in every record, as texts.
fn check_members(members: &[&str], format: Format) {
    let (_, lines) = trail(format);
    assert!(lines.len() > 1);
    for line in &lines {
        for member in members {
            assert!(line[*member].is_string(), "{member} in {line}");
        }
    }
}

/// Times have the form that `2006-01-02T15:04:05.000Z`, RFC3339Nano, `%+` and `%Y-%m-%dT%H:%M:%S.%fZ` read.
fn check_time(member: &str, format: Format) {
    let (_, lines) = trail(format);
    for line in &lines {
        let time = line[member].as_str().unwrap();
        let form: String = time
            .chars()
            .map(|found| if found.is_ascii_digit() { '9' } else { found })
            .collect();
        assert_eq!(form, "9999-99-99T99:99:99.999Z");
    }
}

#[test]
fn vector_reads_the_files_of_a_trail_and_every_part_leads_somewhere() {
    let config: toml::Table = block("vector", "toml").parse().unwrap();
    let source = &config["sources"]["audit"];
    check_pattern(source["include"][0].as_str().unwrap());
    assert_eq!(
        source["fingerprint"]["strategy"].as_str(),
        Some("device_and_inode")
    );
    let parts = ["audit", "parsed", "parsed.dropped"];
    for group in ["transforms", "sinks"] {
        for (name, part) in config[group].as_table().unwrap() {
            for input in part["inputs"].as_array().unwrap() {
                assert!(
                    parts.contains(&input.as_str().unwrap()),
                    "{name}: {input:?}"
                );
            }
            assert!(part["type"].is_str(), "{name}");
        }
    }
    let parsed = &config["transforms"]["parsed"];
    assert_eq!(parsed["reroute_dropped"].as_bool(), Some(true));
    assert!(parsed["source"].as_str().unwrap().contains(".timestamp"));
    check_time("timestamp", Format::Native);
}

#[test]
fn filebeat_reads_the_files_and_leaves_ecs_as_it_is() {
    let config = yaml("elastic");
    let input = &config["filebeat.inputs"][0];
    assert_eq!(input["type"].as_str(), Some("filestream"));
    check_pattern(input["paths"][0].as_str().unwrap());
    assert_eq!(
        input["prospector.scanner.fingerprint.enabled"].as_bool(),
        Some(false)
    );
    let parser = &input["parsers"][0]["ndjson"];
    assert_eq!(parser["target"].as_str(), Some(""));
    assert_eq!(parser["overwrite_keys"].as_bool(), Some(true));
    let index = config["output.elasticsearch"]["index"].as_str().unwrap();
    let pattern = config["setup.template.pattern"].as_str().unwrap();
    assert!(matches(pattern, index), "{index} and {pattern}");
    check_time("@timestamp", Format::Ecs);
}

#[test]
fn promtail_and_alloy_read_the_files_and_label_by_members_of_every_record() {
    let config = yaml("loki");
    let scrape = &config["scrape_configs"][0];
    check_pattern(
        scrape["static_configs"][0]["labels"]["__path__"]
            .as_str()
            .unwrap(),
    );
    let stages = &scrape["pipeline_stages"];
    let expressions = stages[0]["json"]["expressions"].as_hash().unwrap();
    let members: Vec<&str> = expressions
        .values()
        .map(|name| name.as_str().unwrap())
        .collect();
    check_members(&members, Format::Native);
    for label in stages[1]["labels"].as_hash().unwrap().keys() {
        assert!(expressions.contains_key(label), "{label:?}");
    }
    assert_eq!(stages[2]["timestamp"]["source"].as_str(), Some("timestamp"));
    assert_eq!(
        stages[2]["timestamp"]["format"].as_str(),
        Some("RFC3339Nano")
    );
    check_time("timestamp", Format::Native);

    // Read a second time under another name, an entry must have the same labels.
    let dropped = |label: &Yaml| label.as_str() == Some("filename");
    assert!(stages[3]["labeldrop"].as_vec().unwrap().iter().any(dropped));

    // Alloy's language has no parser here: brackets must close, and what is named must be there.
    let alloy = block("loki", "text");
    for (open, close) in [('{', '}'), ('[', ']'), ('(', ')')] {
        assert_eq!(alloy.matches(open).count(), alloy.matches(close).count());
    }
    assert_eq!(alloy.matches('"').count() % 2, 0);
    for (reference, component) in [
        (
            "local.file_match.audit.targets",
            "local.file_match \"audit\" {",
        ),
        ("loki.process.audit.receiver", "loki.process \"audit\" {"),
        ("loki.write.store.receiver", "loki.write \"store\" {"),
    ] {
        assert!(
            alloy.contains(reference) && alloy.contains(component),
            "{component}"
        );
    }
    assert!(alloy.contains("values = [\"filename\"]"));
    let path = alloy
        .lines()
        .find_map(|line| line.trim().strip_prefix("__path__ = \""));
    check_pattern(path.unwrap().trim_end_matches(['"', ',']));
    for member in members {
        assert!(
            alloy.contains(&format!("{member} = \"{member}\"")),
            "{member}"
        );
    }
}

#[test]
fn the_cloudwatch_agent_reads_the_file_in_use() {
    let config: Value = serde_json::from_str(&block("cloudwatch", "json")).unwrap();
    let file = &config["logs"]["logs_collected"]["files"]["collect_list"][0];
    let path = PathBuf::from(file["file_path"].as_str().unwrap());
    let (names, _) = trail(Format::Native);
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(names.iter().any(|found| found == name), "{names:?}");
    assert_eq!(file["timestamp_format"], "%Y-%m-%dT%H:%M:%S.%fZ");
    assert_eq!(file["timezone"], "UTC");
    check_time("timestamp", Format::Native);
}

#[test]
fn the_opentelemetry_collector_reads_the_files_and_its_pipeline_is_whole() {
    let config = yaml("opentelemetry");
    let receiver = &config["receivers"]["filelog/audit"];
    check_pattern(receiver["include"][0].as_str().unwrap());
    for (kind, list) in [
        (
            "receivers",
            &config["service"]["pipelines"]["logs"]["receivers"],
        ),
        (
            "processors",
            &config["service"]["pipelines"]["logs"]["processors"],
        ),
        (
            "exporters",
            &config["service"]["pipelines"]["logs"]["exporters"],
        ),
        ("extensions", &config["service"]["extensions"]),
    ] {
        for name in list.as_vec().unwrap() {
            assert!(
                config[kind].as_hash().unwrap().contains_key(name),
                "{name:?}"
            );
        }
    }
    let storage = receiver["storage"].as_str().unwrap();
    assert!(!config["extensions"][storage].is_badvalue());
    let parser = &receiver["operators"][0];
    let time = parser["timestamp"]["parse_from"].as_str().unwrap();
    let severity = parser["severity"]["parse_from"].as_str().unwrap();
    let members = [time, severity].map(|path| path.strip_prefix("attributes.").unwrap());
    check_members(&members, Format::Native);
    check_time(members[0], Format::Native);
    // Every severity that a record may have is mapped to one of OpenTelemetry's.
    let mapping = parser["severity"]["mapping"].as_hash().unwrap();
    let mapped: Vec<&str> = mapping
        .values()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(mapped, ["info", "warn", "critical"]);
    check_members(&["service"], Format::Native);
}

#[test]
#[ignore = "needs rsyslogd: apt-get install rsyslog"]
fn rsyslog_takes_its_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rsyslog.conf");
    std::fs::write(&file, block("syslog", "text")).unwrap();
    let output = Command::new("rsyslogd")
        .args(["-N1", "-f"])
        .arg(&file)
        .output()
        .expect("apt-get install rsyslog");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "needs syslog-ng under target/: cargo xtask test --full"]
fn syslog_ng_takes_its_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("syslog-ng.conf");
    std::fs::write(&file, block("syslog-ng", "text")).unwrap();
    let output = syslog_ng::command()
        .arg("--syntax-only")
        .arg("-f")
        .arg(&file)
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
