//! A writer that is killed at any moment leaves a trail that can be read and goes on.
//!
//! The test runs itself as the victim: with `PALISADE_VICTIM` set it writes until it is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use palisade_audit::{Audit, Class, Record, RollingFile, Seal, SigningKey, Verifier};
use palisade_core::Name;
use serde_json::Value;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

fn open(directory: &Path) -> (Audit, palisade_audit::Guard) {
    Audit::builder("svc")
        .file(RollingFile::new(directory))
        .seal(Seal::chain().checkpoint(key(), 50, Duration::from_secs(1)))
        .open()
        .unwrap()
}

/// Says on standard output which records are on the disk.
async fn be_the_victim(directory: &Path, first: u64) {
    let (audit, _guard) = open(directory);
    let mut nth = first;
    loop {
        for _ in 0..20 {
            audit.record(Record::named(Name::from_static("noise"), Class::Admin));
        }
        let record = Record::named(Name::from_static("promise"), Class::Admin).detail("nth", nth);
        audit.commit(record).await.unwrap();
        println!("kept {nth}");
        nth += 1;
    }
}

#[tokio::test]
async fn a_killed_writer_tears_at_most_one_line_and_loses_no_durable_record() {
    if let (Some(directory), Ok(first)) = (
        std::env::var_os("PALISADE_VICTIM"),
        std::env::var("PALISADE_FIRST"),
    ) {
        return be_the_victim(Path::new(&directory), first.parse().unwrap()).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let rounds = if std::env::var_os("PALISADE_FULL").is_some() {
        200
    } else {
        12
    };
    let mut promised = 0;
    for round in 0..rounds {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_killed_writer_tears_at_most_one_line_and_loses_no_durable_record",
                "--nocapture",
            ])
            .env("PALISADE_VICTIM", directory.path())
            .env("PALISADE_FIRST", promised.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(victim.stdout.take().unwrap());
        // Each round dies at another moment.
        let wanted = 1 + round % 7;
        let mut kept = 0;
        for line in said.lines().map_while(Result::ok) {
            if let Some(nth) = line.strip_prefix("kept ") {
                promised = nth.parse::<u64>().unwrap() + 1;
                kept += 1;
                if kept == wanted {
                    victim.kill().unwrap();
                }
            }
        }
        victim.wait().unwrap();
    }
    let (_, guard) = open(directory.path());
    drop(guard);

    let text = std::fs::read(directory.path().join("svc_audit.log")).unwrap();
    let mut verifier = Verifier::new().key(key().public_key()).max_unsigned(1_000);
    verifier.read(&text[..]).unwrap();
    let report = verifier.report().unwrap();
    assert_eq!((report.first, report.unsigned), (1, 0));

    let records: Vec<Value> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let mut kept: Vec<u64> = records
        .iter()
        .filter(|record| record["event"] == "promise")
        .map(|record| record["details"]["nth"].as_u64().unwrap())
        .collect();
    kept.dedup();
    assert!(promised >= rounds);
    for nth in 0..promised {
        assert!(
            kept.contains(&nth),
            "record {nth} was promised and is not there"
        );
    }
    let recovered = records
        .iter()
        .filter(|record| record["event"] == "audit_recovered")
        .count();
    assert_eq!(recovered as u64, rounds, "each crash is on record");
    // What was torn off lies aside: one piece a crash at most, none of it a whole line.
    let mut torn = 0;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains(".torn.") {
            torn += 1;
            assert!(
                !std::fs::read(&path).unwrap().contains(&b'\n'),
                "more than a line was torn"
            );
        }
    }
    println!("{rounds} kills: {promised} records promised and kept, {torn} torn lines");
}
