//! A file that is gone: nothing says that a record is kept which nobody will find.

#![cfg(unix)]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use palisade_audit::{
    Audit, AuditError, AuditLayer, Delivery, Guard, Level, OnFailure, Policy, Record, RollingFile,
    any,
};
use palisade_core::EventKind;
use serde_json::Value;
use support::{answers, fetch, get, hello};
use tower::Layer;

const SECOND: Duration = Duration::from_secs(1);

/// A trail whose directory can vanish.
struct Trail {
    /// Holds the directory of the trail.
    outer: tempfile::TempDir,
    audit: Audit,
    guard: Guard,
}

impl Trail {
    fn open(on_failure: OnFailure) -> Self {
        let outer = tempfile::tempdir().unwrap();
        let policy =
            Policy::first_match().rule_delivered(any(), Level::Metadata, Delivery::FailClosed);
        let (audit, guard) = Audit::builder("svc")
            .file(RollingFile::new(outer.path().join("logs")))
            .policy(policy)
            .on_failure(on_failure)
            .open()
            .unwrap();
        Self {
            outer,
            audit,
            guard,
        }
    }

    fn logs(&self) -> PathBuf {
        self.outer.path().join("logs")
    }

    /// Takes the directory away, as an unmounted volume would.
    fn take_away(&self) {
        std::fs::rename(self.logs(), self.outer.path().join("elsewhere")).unwrap();
    }

    fn bring_back(&self) {
        std::fs::create_dir(self.logs()).unwrap();
    }

    /// Shuts the trail down; the records of the file that stands there then.
    fn end(self) -> Vec<Value> {
        assert!(self.guard.shutdown(5 * SECOND).complete);
        let text = std::fs::read_to_string(self.outer.path().join("logs/svc_audit.log")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn record() -> Record {
    Record::new(EventKind::AdminAction)
}

#[tokio::test]
async fn without_its_directory_nothing_is_kept_and_requests_are_refused() {
    let trail = Trail::open(OnFailure::FailClosed);
    let service = AuditLayer::new(trail.audit.clone()).layer(answers(hello()));
    assert_eq!(fetch(service.clone(), get("/before")).await.status(), 200);
    trail.audit.commit(record()).await.unwrap();
    trail.take_away();
    for nth in 0..6 {
        let path = format!("/during/{nth}");
        assert_eq!(fetch(service.clone(), get(&path)).await.status(), 503);
    }
    let committed = trail.audit.commit(record()).await;
    assert!(matches!(committed, Err(AuditError::NotKept)));
    assert!(trail.audit.stats().failing);

    trail.bring_back();
    support::until(|| !trail.audit.stats().failing).await;
    assert_eq!(fetch(service, get("/after")).await.status(), 200);
    trail.audit.commit(record()).await.unwrap();
    let records = trail.end();
    let events: Vec<_> = records.iter().map(|record| &record["event"]).collect();
    assert!(
        events.contains(&&Value::from("audit_file_replaced")),
        "{events:?}"
    );
    assert!(records.iter().any(|record| record["path"] == "/after"));
}

#[tokio::test]
async fn a_directory_in_the_place_of_the_file_is_no_file() {
    let trail = Trail::open(OnFailure::FailClosed);
    let service = AuditLayer::new(trail.audit.clone()).layer(answers(hello()));
    assert_eq!(fetch(service.clone(), get("/before")).await.status(), 200);
    let file = trail.logs().join("svc_audit.log");
    std::fs::rename(&file, trail.logs().join("taken.log")).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert_eq!(fetch(service.clone(), get("/during")).await.status(), 503);
    let committed = trail.audit.commit(record()).await;
    assert!(matches!(committed, Err(AuditError::NotKept)));
    std::fs::remove_dir(&file).unwrap();
    support::until(|| !trail.audit.stats().failing).await;
    assert_eq!(fetch(service, get("/after")).await.status(), 200);
    assert!(trail.end().iter().any(|record| record["path"] == "/after"));
}

#[tokio::test]
async fn records_that_met_no_file_are_counted_and_the_gap_is_on_record() {
    let trail = Trail::open(OnFailure::Stderr);
    trail.audit.commit(record()).await.unwrap();
    trail.take_away();
    for _ in 0..300 {
        trail.audit.record(record());
    }
    support::until(|| trail.audit.stats().pending == 0).await;
    assert!(trail.audit.flush().await.is_err());
    assert_eq!(trail.audit.stats().lost, 300);
    trail.bring_back();
    trail.audit.commit(record()).await.unwrap();
    let records = trail.end();
    let lost: u64 = records
        .iter()
        .filter(|record| record["event"] == "audit_gap")
        .map(|record| record["details"]["lost"].as_u64().unwrap())
        .sum();
    assert_eq!(lost, 300);
}

#[tokio::test]
async fn a_rotation_whose_next_file_cannot_be_made_loses_no_record() {
    let outer = tempfile::tempdir().unwrap();
    let logs = outer.path().join("logs");
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(&logs).max_bytes(4_096))
        .on_failure(OnFailure::FailClosed)
        .open()
        .unwrap();
    audit.commit(record()).await.unwrap();
    std::fs::rename(&logs, outer.path().join("elsewhere")).unwrap();
    for _ in 0..100 {
        audit.record(record());
    }
    assert!(audit.flush().await.is_err());
    std::fs::rename(outer.path().join("elsewhere"), &logs).unwrap();
    support::until(|| !audit.stats().failing).await;
    audit.flush().await.unwrap();
    assert_eq!(guard.shutdown(5 * SECOND).lost, 0);
    let mut found = 0;
    for file in std::fs::read_dir(&logs).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        found += text.matches("\"authz_admin\"").count();
    }
    assert_eq!(found, 101);
}
