//! From the queue to the sinks: order, loss, live tail, shutdown.

mod support;

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use palisade_audit::{
    Audit, AuditError, Batch, Class, MemorySink, Outcome, Record, RollingFile, Tailed,
};
use palisade_core::{EventKind, Name};
use serde_json::Value;
use support::{Trail, answers, fetch, get, hello};

#[tokio::test]
async fn the_sequence_has_no_gaps_and_every_request_is_there() {
    let mut trail = Trail::new();
    let service = trail.service(answers(hello()));
    for _ in 0..1_000 {
        fetch(service.clone(), get("/")).await;
    }
    assert_eq!(trail.records().len(), 1_000);
    for (nth, line) in trail.lines().iter().enumerate() {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["seq"], nth + 1);
    }
}

/// A sink that holds every write until it is opened.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<bool>, Condvar)>);

impl Door {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn sink(&self, memory: &MemorySink) -> impl palisade_audit::Sink + use<> {
        let (door, mut memory) = (self.clone(), memory.clone());
        move |batch: &Batch| {
            let open = door.0.0.lock().unwrap();
            drop(door.0.1.wait_while(open, |open| !*open).unwrap());
            palisade_audit::Sink::write(&mut memory, batch)
        }
    }
}

fn plain(nth: u32) -> Record {
    Record::named(Name::from_static("tick"), Class::Access).detail("nth", nth)
}

#[test]
fn a_full_queue_loses_plain_records_counts_them_and_writes_the_gap() {
    let (door, memory) = (Door::default(), MemorySink::new());
    let (audit, guard) = Audit::builder("svc")
        .sink(door.sink(&memory))
        .capacity(16)
        .open()
        .unwrap();
    for nth in 0..1_000 {
        audit.record(plain(nth));
    }
    door.open();
    let end = guard.shutdown(Duration::from_secs(5));
    let records: Vec<Value> = memory
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let written = records
        .iter()
        .filter(|record| record["event"] == "tick")
        .count() as u64;
    let gaps: u64 = records
        .iter()
        .filter(|record| record["event"] == "audit_gap")
        .map(|record| {
            assert_eq!(record["details"]["of_class"], "access");
            record["details"]["lost"].as_u64().unwrap()
        })
        .sum();
    assert!(gaps > 0);
    assert_eq!(written + gaps, 1_000);
    assert_eq!((end.written, end.lost, end.complete), (written, gaps, true));
}

#[test]
fn records_of_administrators_go_in_when_plain_ones_no_longer_do() {
    let (door, memory) = (Door::default(), MemorySink::new());
    let (audit, guard) = Audit::builder("svc")
        .sink(door.sink(&memory))
        .capacity(16)
        .open()
        .unwrap();
    for nth in 0..100 {
        audit.record(plain(nth));
    }
    for _ in 0..5 {
        audit.record(Record::new(EventKind::AdminAction));
    }
    door.open();
    guard.shutdown(Duration::from_secs(5));
    let kept = memory
        .lines()
        .iter()
        .filter(|line| line.contains("authz_admin"))
        .count();
    assert_eq!(kept, 5);
}

#[test]
fn a_shutdown_that_takes_too_long_says_how_many_were_lost() {
    let (door, memory) = (Door::default(), MemorySink::new());
    let (audit, guard) = Audit::builder("svc")
        .sink(door.sink(&memory))
        .open()
        .unwrap();
    for nth in 0..10 {
        audit.record(plain(nth));
    }
    let end = guard.shutdown(Duration::from_millis(20));
    assert_eq!((end.lost, end.complete), (10, false));
    door.open();
}

#[test]
fn dropping_the_guard_writes_what_is_left_and_later_records_are_counted() {
    let memory = MemorySink::new();
    let (audit, guard) = Audit::builder("svc").sink(memory.clone()).open().unwrap();
    audit.record(plain(1));
    drop(guard);
    assert_eq!(
        memory
            .lines()
            .iter()
            .filter(|line| line.contains("tick"))
            .count(),
        1
    );
    audit.record(plain(2));
    assert_eq!(audit.stats().lost, 1);
}

#[test]
fn a_slow_sink_stops_no_other() {
    let (door, slow, fast) = (Door::default(), MemorySink::new(), MemorySink::new());
    let (audit, guard) = Audit::builder("svc")
        .sink(fast.clone())
        .sink(door.sink(&slow))
        .open()
        .unwrap();
    audit.record(plain(1));
    let start = palisade_core::time::now();
    while !fast.lines().iter().any(|line| line.contains("tick")) {
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "the fast sink waits for the slow one"
        );
        std::thread::yield_now();
    }
    assert!(slow.lines().is_empty());
    door.open();
    guard.shutdown(Duration::from_secs(5));
    assert_eq!(slow.lines(), fast.lines());
}

#[tokio::test]
async fn a_committed_record_is_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let (audit, _guard) = Audit::builder("svc")
        .file(RollingFile::new(directory.path()))
        .open()
        .unwrap();
    audit
        .commit(
            Record::new(EventKind::ConfigurationChange)
                .actor("ada")
                .outcome(Outcome::Success),
        )
        .await
        .unwrap();
    let text = std::fs::read_to_string(directory.path().join("svc_audit.log")).unwrap();
    assert!(text.contains(r#""event":"sys_config_change""#) && text.ends_with('\n'));
}

#[tokio::test]
async fn a_record_that_the_sink_refuses_is_not_committed() {
    let (audit, _guard) = Audit::builder("svc")
        .sink(|_: &Batch| Err(std::io::Error::other("disk on fire")))
        .open()
        .unwrap();
    let refused = audit.commit(Record::new(EventKind::AdminAction)).await;
    assert!(matches!(refused, Err(AuditError::NotKept)));
}

#[tokio::test]
async fn subscribers_see_records_as_they_are_written_and_the_end() {
    let mut trail = Trail::new();
    let mut tail = trail.audit.subscribe();
    trail.audit.record(plain(7));
    let seen = loop {
        match tail.next().await {
            Some(Tailed::Record(line)) if line.contains("tick") => break line,
            Some(_) => {}
            None => panic!("the stream ended"),
        }
    };
    assert!(seen.contains(r#""details":{"nth":7}"#));
    trail.records();
    while tail.next().await.is_some() {}
}

#[tokio::test]
async fn the_latest_records_can_be_read() {
    let trail = Trail::with(|builder| builder.recent(3));
    for nth in 0..10 {
        trail.audit.record(plain(nth));
    }
    trail.audit.flush().await.unwrap();
    let nths = |lines: Vec<String>| -> Vec<u64> {
        let nth =
            |line: &String| serde_json::from_str::<Value>(line).unwrap()["details"]["nth"].as_u64();
        lines.iter().filter_map(nth).collect()
    };
    assert_eq!(nths(trail.audit.recent(2)), [8, 9]);
    assert_eq!(
        nths(trail.audit.recent(50)),
        [7, 8, 9],
        "no more than are kept"
    );
}

#[test]
fn every_wrong_setting_is_named_at_once() {
    let error = Audit::builder("../etc")
        .file(RollingFile::new("").max_bytes(1))
        .capacity(0)
        .headers(["bad name"])
        .open()
        .unwrap_err();
    let text = error.to_string();
    for field in [
        "service",
        "file.directory",
        "file.max_bytes",
        "capacity",
        "headers",
    ] {
        assert!(text.contains(field), "{field} is missing in: {text}");
    }
}

#[test]
fn two_trails_do_not_write_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        Audit::builder("svc")
            .file(RollingFile::new(directory.path()))
            .open()
    };
    let first = open().unwrap();
    assert!(matches!(open(), Err(AuditError::InUse(_))));
    drop(first);
    drop(open().unwrap());
}

#[test]
fn a_file_that_was_renamed_from_outside_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory.path()))
        .open()
        .unwrap();
    let path = directory.path().join("svc_audit.log");
    let start = palisade_core::time::now();
    while std::fs::metadata(&path).map_or(0, |found| found.len()) == 0 {
        assert!(start.elapsed() < Duration::from_secs(5));
        std::thread::yield_now();
    }
    std::fs::rename(&path, directory.path().join("elsewhere")).unwrap();
    audit.record(plain(1));
    guard.shutdown(Duration::from_secs(5));
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("audit_file_replaced") && text.contains("tick"));
}

#[test]
fn rotation_loses_splits_and_doubles_nothing() {
    let directory = tempfile::tempdir().unwrap();
    // Some 160 rotations, or some 1,600.
    let each = if std::env::var_os("PALISADE_FULL").is_some() {
        5_000
    } else {
        500
    };
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory.path()).max_bytes(4_096))
        .capacity(100_000)
        .open()
        .unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let audit = &audit;
            scope.spawn(move || {
                for nth in 0..each {
                    audit.record(plain(thread * each + nth));
                }
            });
        }
    });
    // Each rotation is several syncs, which take long on a disk that others use, too.
    assert_eq!(guard.shutdown(Duration::from_secs(300)).lost, 0);
    let (files, records) = read_all(directory.path());
    println!(
        "8 threads, {files} files: {} records, {} of them of the trail itself",
        records.len(),
        records.len() - usize::try_from(8 * each).unwrap()
    );
    assert!(files > usize::try_from(each).unwrap() / 5, "{files} files");
    let mut seen: Vec<u64> = Vec::new();
    for (nth, record) in records.iter().enumerate() {
        assert_eq!(record["seq"], nth + 1);
        seen.extend(record["details"]["nth"].as_u64());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..u64::from(8 * each)).collect::<Vec<_>>());
}

#[test]
fn only_so_many_finished_files_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory.path()).max_bytes(4_096).keep(2))
        .open()
        .unwrap();
    for nth in 0..200 {
        audit.record(plain(nth));
    }
    guard.shutdown(Duration::from_secs(5));
    let (files, records) = read_all(directory.path());
    assert_eq!(files, 3, "two finished ones and the one in use");
    assert_eq!(records.last().unwrap()["event"], "audit_file_end");
}

/// The number of files, and their records in order.
fn read_all(directory: &std::path::Path) -> (usize, Vec<Value>) {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    // `svc_audit.0...` sorts before `svc_audit.log`.
    names.sort();
    let text: String = names
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            // One small record more than was asked for, at most.
            assert!(text.len() <= 4_096 + 300, "{} bytes", text.len());
            text
        })
        .collect();
    let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (names.len(), records.collect())
}
