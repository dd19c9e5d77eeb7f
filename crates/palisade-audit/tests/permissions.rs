//! Rights that are taken away while a trail is open.
//!
//! Nothing is forbidden to root, so that the test runs itself as nobody where root runs it.

#![cfg(unix)]

mod support;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use palisade_audit::{
    Audit, AuditError, AuditLayer, Delivery, Level, OnFailure, Policy, Record, RollingFile, any,
};
use palisade_core::EventKind;
use serde_json::Value;
use support::{SHORT, answers, fetch, get, hello, keep};
use tower::Layer;

/// The user of that name on Linux and the BSDs.
const NOBODY: u32 = 65_534;

const NAME: &str = "a_right_taken_away_later_is_a_failed_write_and_the_gap_is_on_record";

#[test]
fn a_right_taken_away_later_is_a_failed_write_and_the_gap_is_on_record() {
    let directory = tempfile::tempdir().unwrap();
    if std::fs::metadata("/proc/self").map_or(1, |process| process.uid()) != 0 {
        return take_the_right_away(directory.path());
    }
    // Where nobody may read and run it.
    let program = directory.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let own = directory.path().join("own");
    std::fs::create_dir(&own).unwrap();
    chown(&own, Some(NOBODY), Some(NOBODY)).unwrap();
    let output = Command::new(program)
        .args(["--exact", NAME, "--nocapture"])
        .env("TMPDIR", own)
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn record() -> Record {
    Record::new(EventKind::AdminAction)
}

fn take_the_right_away(outer: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for policy in [OnFailure::FailClosed, OnFailure::Stderr] {
        let logs = outer.join(format!("logs-{policy:?}"));
        runtime.block_on(without_the_right(&logs, policy));
    }
}

async fn without_the_right(logs: &Path, on_failure: OnFailure) {
    let policy = Policy::first_match().rule_delivered(any(), Level::Metadata, Delivery::FailClosed);
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(logs))
        .policy(policy)
        .on_failure(on_failure)
        .sync_timeout(SHORT)
        .open()
        .unwrap();
    let service = AuditLayer::new(audit.clone()).layer(answers(hello()));
    keep(&audit, record).await;
    set_permissions(logs, Permissions::from_mode(0o000)).unwrap();
    for _ in 0..3 {
        assert_eq!(fetch(service.clone(), get("/during")).await.status(), 503);
    }
    let committed = audit.commit(record()).await;
    assert!(matches!(committed, Err(AuditError::NotKept)));
    assert!(audit.stats().failing);
    let lost = audit.stats().lost;

    set_permissions(logs, Permissions::from_mode(0o755)).unwrap();
    // A trail that blocks tries again by itself, another with the next record.
    if on_failure == OnFailure::FailClosed {
        support::until(|| !audit.stats().failing).await;
    }
    keep(&audit, record).await;
    assert!(guard.shutdown(support::PATIENCE).complete);
    let text = std::fs::read_to_string(logs.join("svc_audit.log")).unwrap();
    let told: u64 = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|record| record["event"] == "audit_gap")
        .map(|record| record["details"]["lost"].as_u64().unwrap())
        .sum();
    assert_eq!(told, lost, "{text}");
    // Stages of three requests and the record; a trail that blocks loses none of them.
    let is_lost = on_failure == OnFailure::Stderr;
    assert_eq!(lost > 0, is_lost, "{lost}");
}
