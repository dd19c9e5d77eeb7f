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
use support::{SHORT, answers, fetch, get, hello, keep, pass};
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
            .sync_timeout(SHORT)
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
        assert!(self.guard.shutdown(support::PATIENCE).complete);
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
    pass(&service, "/before").await;
    keep(&trail.audit, record).await;
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
    pass(&service, "/after").await;
    keep(&trail.audit, record).await;
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
    pass(&service, "/before").await;
    let file = trail.logs().join("svc_audit.log");
    std::fs::rename(&file, trail.logs().join("taken.log")).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert_eq!(fetch(service.clone(), get("/during")).await.status(), 503);
    let committed = trail.audit.commit(record()).await;
    assert!(matches!(committed, Err(AuditError::NotKept)));
    std::fs::remove_dir(&file).unwrap();
    support::until(|| !trail.audit.stats().failing).await;
    pass(&service, "/after").await;
    assert!(trail.end().iter().any(|record| record["path"] == "/after"));
}

#[tokio::test]
async fn records_that_met_no_file_are_counted_and_the_gap_is_on_record() {
    let trail = Trail::open(OnFailure::Stderr);
    keep(&trail.audit, record).await;
    trail.take_away();
    for _ in 0..300 {
        trail.audit.record(record());
    }
    support::until(|| trail.audit.stats().pending == 0).await;
    assert!(trail.audit.flush().await.is_err());
    assert_eq!(trail.audit.stats().lost, 300);
    trail.bring_back();
    keep(&trail.audit, record).await;
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
        .sync_timeout(SHORT)
        .open()
        .unwrap();
    audit.record(record());
    support::until(|| audit.stats().written == 1).await;
    std::fs::rename(&logs, outer.path().join("elsewhere")).unwrap();
    for _ in 0..100 {
        audit.record(record());
    }
    assert!(audit.flush().await.is_err());
    std::fs::rename(outer.path().join("elsewhere"), &logs).unwrap();
    support::until(|| !audit.stats().failing).await;
    assert_eq!(guard.shutdown(support::PATIENCE).lost, 0);
    let mut found = 0;
    for file in std::fs::read_dir(&logs).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        found += text.matches("\"authz_admin\"").count();
    }
    assert_eq!(found, 101);
}

/// The number of records that the gaps count.
fn gaps(records: &[Value]) -> u64 {
    let gaps = records
        .iter()
        .filter(|record| record["event"] == "audit_gap");
    gaps.filter_map(|gap| gap["details"]["lost"].as_u64()).sum()
}

/// A trail that does not sync by itself.
fn lazy(directory: &std::path::Path) -> (Audit, Guard) {
    Audit::builder("svc")
        .file(RollingFile::new(directory))
        .sync_every(600 * SECOND)
        .open()
        .unwrap()
}

fn records_of(directory: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join("svc_audit.log")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn records_that_go_with_a_removed_file_are_counted() {
    for whole_directory in [false, true] {
        let outer = tempfile::tempdir().unwrap();
        let logs = outer.path().join("logs");
        let (audit, guard) = lazy(&logs);
        audit.commit(record()).await.unwrap();
        for _ in 0..40 {
            audit.record(record());
        }
        support::until(|| audit.stats().pending == 0).await;
        if whole_directory {
            std::fs::remove_dir_all(&logs).unwrap();
            std::fs::create_dir(&logs).unwrap();
        } else {
            std::fs::remove_file(logs.join("svc_audit.log")).unwrap();
        }
        audit.record(record());
        support::until(|| audit.stats().lost == 40).await;
        assert_eq!(guard.shutdown(support::PATIENCE).lost, 40);
        let records = records_of(&logs);
        assert_eq!(gaps(&records), 40);
        assert_eq!(records[0]["event"], "audit_file_replaced");
    }
}

#[tokio::test]
async fn a_file_removed_before_the_end_is_missed_at_the_end() {
    let outer = tempfile::tempdir().unwrap();
    let (audit, guard) = lazy(outer.path());
    audit.flush().await.unwrap();
    for _ in 0..7 {
        audit.record(record());
    }
    support::until(|| audit.stats().pending == 0).await;
    std::fs::remove_file(outer.path().join("svc_audit.log")).unwrap();
    assert_eq!(guard.shutdown(support::PATIENCE).lost, 7);
    assert_eq!(gaps(&records_of(outer.path())), 7);
}

#[tokio::test]
async fn a_renamed_file_keeps_its_records_and_none_is_counted_as_lost() {
    let outer = tempfile::tempdir().unwrap();
    let (audit, guard) = lazy(outer.path());
    audit.record(record());
    support::until(|| audit.stats().pending == 0).await;
    let moved = outer.path().join("moved.log");
    std::fs::rename(outer.path().join("svc_audit.log"), &moved).unwrap();
    audit.commit(record()).await.unwrap();
    assert_eq!(guard.shutdown(support::PATIENCE).lost, 0);
    let moved = std::fs::read_to_string(moved).unwrap();
    assert_eq!(moved.matches("authz_admin").count(), 1);
}

#[tokio::test]
async fn another_file_in_its_place_is_appended_to_and_not_taken_for_it() {
    let outer = tempfile::tempdir().unwrap();
    let (audit, guard) = lazy(outer.path());
    audit.commit(record()).await.unwrap();
    let file = outer.path().join("svc_audit.log");
    std::fs::write(outer.path().join("other"), "{\"event\":\"foreign\"}\n").unwrap();
    std::fs::rename(outer.path().join("other"), &file).unwrap();
    audit.commit(record()).await.unwrap();
    guard.shutdown(support::PATIENCE);
    let records = records_of(outer.path());
    assert_eq!(records[0]["event"], "foreign");
    assert_eq!(records[1]["event"], "audit_file_replaced");
}

#[tokio::test]
async fn a_file_truncated_by_somebody_else_is_noticed_and_the_gap_is_on_record() {
    let outer = tempfile::tempdir().unwrap();
    let (audit, guard) = lazy(outer.path());
    audit.commit(record()).await.unwrap();
    let file = outer.path().join("svc_audit.log");
    // As logrotate's `copytruncate` does.
    let bytes = std::fs::copy(&file, outer.path().join("copy.log")).unwrap();
    std::fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&file)
        .unwrap();
    audit.commit(record()).await.unwrap();
    guard.shutdown(support::PATIENCE);
    let records = records_of(outer.path());
    assert_eq!(records[0]["event"], "audit_gap");
    assert_eq!(records[0]["reason"], "file_truncated");
    assert_eq!(records[0]["details"]["bytes"], bytes);
    assert!(
        records
            .iter()
            .any(|record| record["event"] == "authz_admin")
    );
}

#[tokio::test]
async fn verify_says_that_a_truncated_trail_has_a_gap() {
    use palisade_audit::{Format, Seal, Verifier};
    for format in [Format::Native, Format::Ecs, Format::Ocsf] {
        let outer = tempfile::tempdir().unwrap();
        let (audit, guard) = Audit::builder("svc")
            .file(RollingFile::new(outer.path()).format(format))
            .seal(Seal::chain())
            .open()
            .unwrap();
        let file = outer.path().join("svc_audit.log");
        let report = || {
            let mut verifier = Verifier::new();
            verifier.read(&std::fs::read(&file).unwrap()[..]).unwrap();
            verifier.report().unwrap()
        };
        audit.commit(record().actor("audit_gap")).await.unwrap();
        assert_eq!(report().gaps, 0, "{format:?}");
        let truncated = std::fs::OpenOptions::new().write(true).open(&file);
        truncated.unwrap().set_len(0).unwrap();
        audit.commit(record()).await.unwrap();
        assert_eq!(report().gaps, 1, "{format:?}");
        guard.shutdown(support::PATIENCE);
    }
}

#[tokio::test]
async fn a_service_that_was_down_at_midnight_begins_a_new_file() {
    use palisade_audit::Format;
    use palisade_core::time::{UnixTime, WallClock};
    for format in [Format::Native, Format::Ecs, Format::Ocsf] {
        let outer = tempfile::tempdir().unwrap();
        // 2026-11-20 23:59:59 and 2026-11-21 00:00:01 UTC.
        for second in [1_795_219_199, 1_795_219_201] {
            let (audit, guard) = Audit::builder("svc")
                .file(RollingFile::new(outer.path()).daily().format(format))
                .clock(WallClock::from_fn(move || UnixTime::from_secs(second)))
                .open()
                .unwrap();
            audit.commit(record()).await.unwrap();
            guard.shutdown(support::PATIENCE);
        }
        let finished = std::fs::read_dir(outer.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("20261121T000001Z"))
            .count();
        assert_eq!(finished, 1, "{format:?}");
        let text = std::fs::read_to_string(outer.path().join("svc_audit.log")).unwrap();
        assert!(text.contains("authz_admin"), "{format:?}");
    }
}
