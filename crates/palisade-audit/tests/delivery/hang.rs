//! A trail whose file does not answer, and other sinks that go on.

use super::*;

/// A sink that keeps lines as soon as the door is open.
fn behind(door: &Door, memory: &MemorySink) -> impl Sink + use<> {
    let (door, mut memory) = (door.sink(), memory.clone());
    let mut door = door;
    move |batch: &Batch| {
        door.write(batch)?;
        memory.write(batch)
    }
}

fn numbers(lines: &[String]) -> Vec<u64> {
    let number = |line: &String| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64();
    lines.iter().map(|line| number(line).unwrap()).collect()
}

/// The number of lines, whose chain holds.
fn verified(lines: &[String]) -> u64 {
    let mut verifier = Verifier::new();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    verifier.read(text.as_bytes()).unwrap();
    verifier.report().unwrap().records
}

fn count(memory: &MemorySink, text: &str) -> usize {
    let lines = memory.lines();
    lines.iter().filter(|line| line.contains(text)).count()
}

#[test]
fn a_trail_that_hangs_stops_no_other_sink_and_goes_on_where_it_was() {
    let (door, kept, other) = (Door::default(), MemorySink::new(), MemorySink::new());
    let (audit, guard) = Audit::builder("svc")
        .sink(behind(&door, &kept))
        .sink(other.clone())
        .seal(Seal::chain())
        .open()
        .unwrap();
    for nth in 1..=5 {
        audit.record(plain());
        wait_until(|| count(&other, "tick") == nth);
    }
    assert!(kept.lines().is_empty());
    assert_eq!(audit.stats().pending, 5);
    door.open();
    let end = guard.shutdown(5 * SECOND);
    assert_eq!((end.written, end.lost, end.complete), (5, 0, true));
    assert_eq!(
        kept.lines(),
        other.lines(),
        "in the same order, with the same seals"
    );
    assert_eq!(verified(&kept.lines()), 7, "with begin and end");
}

/// The next record of a subscription, which does not wait for what hangs.
async fn seen(subscription: &mut palisade_audit::Subscription) -> String {
    let next = tokio::time::timeout(60 * SECOND, subscription.next()).await;
    match next.expect("it waits for the trail that hangs") {
        Some(palisade_audit::Tailed::Record(line)) => line,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_subscriber_does_not_wait_for_a_trail_that_hangs() {
    let (door, kept) = (Door::default(), MemorySink::new());
    let (audit, guard) = Audit::builder("svc")
        .sink(behind(&door, &kept))
        .seal(Seal::chain())
        .open()
        .unwrap();
    // The writer waits for the only sink, until somebody watches.
    audit.record(plain());
    let mut subscription = audit.subscribe();
    let mut lines = Vec::new();
    for _ in 0..5 {
        audit.record(plain());
        loop {
            lines.push(seen(&mut subscription).await);
            if lines.last().is_some_and(|line| line.contains("tick")) {
                break;
            }
        }
    }
    assert!(kept.lines().is_empty());
    assert!(audit.recent(10).iter().any(|line| line.contains("tick")));
    door.open();
    let end = guard.shutdown(60 * SECOND);
    assert_eq!((end.written, end.lost, end.complete), (6, 0, true));
    while let Some(palisade_audit::Tailed::Record(line)) = subscription.next().await {
        lines.push(line);
    }
    assert_eq!(verified(&kept.lines()), 8, "with begin and end");
    assert!(kept.lines().ends_with(&lines), "{lines:#?}");
}

#[tokio::test]
async fn the_end_of_a_trail_that_hangs_is_told_to_subscribers_and_waited_for() {
    let (door, kept) = (Door::default(), MemorySink::new());
    let (audit, guard) = Audit::builder("svc")
        .sink(behind(&door, &kept))
        .open()
        .unwrap();
    let mut subscription = audit.subscribe();
    audit.record(plain());
    while !seen(&mut subscription).await.contains("tick") {}
    let ending = std::thread::spawn(move || guard.shutdown(60 * SECOND));
    assert!(seen(&mut subscription).await.contains("audit_file_end"));
    let end = tokio::time::timeout(60 * SECOND, subscription.next()).await;
    assert_eq!(end, Ok(None));
    assert!(!ending.is_finished(), "the trail is not kept yet");
    door.open();
    let end = ending.join().unwrap();
    assert_eq!((end.written, end.lost, end.complete), (1, 0, true));
    assert_eq!(count(&kept, "audit_file_end"), 1);
}

#[test]
fn a_hang_that_outlasts_the_queue_keeps_what_matters_and_the_gap_has_the_numbers() {
    let (door, kept, other) = (Door::default(), MemorySink::new(), MemorySink::new());
    let (audit, guard) = Audit::builder("svc")
        .sink(behind(&door, &kept))
        .sink(other.clone())
        .seal(Seal::chain())
        .capacity(16)
        .open()
        .unwrap();
    let admin = || Record::new(EventKind::AdminAction);
    // 40 records of little weight, 10 of weight between them, then more of these than there is room for.
    for nth in 0..90 {
        audit.record(if (20..30).contains(&nth) || nth >= 50 {
            admin()
        } else {
            plain()
        });
        wait_until(|| count(&other, "tick") + count(&other, "authz_admin") > nth);
    }
    let waiting = audit.stats().pending;
    assert!(
        waiting <= 2 * 16,
        "{waiting} wait: more than there is room for"
    );
    door.open();
    let end = guard.shutdown(5 * SECOND);
    assert!(end.complete);
    assert_eq!(end.written + end.lost, 90);
    let lines = kept.lines();
    assert_eq!(
        end.written as usize,
        count(&kept, "tick") + count(&kept, "authz_admin")
    );
    // Begin, and so many records as three quarters of 16 have room for.
    assert!(count(&kept, "tick") >= 11, "{lines:#?}");
    let first_ten = lines.iter().filter(|line| line.contains("authz_admin"));
    assert!(first_ten.count() >= 10, "those between plain ones had room");
    assert!(end.lost >= 40, "{end:?}");

    assert_eq!(verified(&lines), lines.len() as u64);
    let mut expected = 1;
    for line in &lines {
        let record: Value = serde_json::from_str(line).unwrap();
        if record["reason"] == "not_written" {
            assert_eq!(record["details"]["first_seq"], expected, "{line}");
            expected = record["details"]["last_seq"].as_u64().unwrap() + 1;
        }
        assert_eq!(record["seq"], expected, "{line}");
        expected += 1;
    }
    let numbers = numbers(&other.lines());
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "{numbers:?}"
    );
}

#[test]
fn lines_behind_one_that_is_refused_in_the_end_are_counted_with_it() {
    let (door, kept, other) = (Door::default(), Moody::default(), MemorySink::new());
    let (mut gate, mut moody) = (door.sink(), kept.clone());
    let (audit, guard) = Audit::builder("svc")
        .sink(move |batch: &Batch| {
            gate.write(batch)?;
            moody.write(batch)
        })
        .sink(other.clone())
        .seal(Seal::chain())
        .open()
        .unwrap();
    kept.fails.store(true, Ordering::SeqCst);
    for nth in 1..=3 {
        audit.record(plain());
        wait_until(|| count(&other, "tick") == nth);
    }
    door.open();
    wait_until(|| audit.stats().lost == 3);
    kept.fails.store(false, Ordering::SeqCst);
    audit.record(plain());
    let end = guard.shutdown(5 * SECOND);
    assert_eq!((end.written, end.lost), (1, 3));
    let lines = kept.memory.lines();
    assert_eq!(verified(&lines), lines.len() as u64);
    let first: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(
        (&first["reason"], &first["details"]["first_seq"]),
        (&"not_written".into(), &1.into())
    );
}

#[test]
fn a_shutdown_of_a_trail_that_hangs_gives_the_other_sinks_all_of_it() {
    let (door, kept, other) = (Door::default(), MemorySink::new(), MemorySink::new());
    let (audit, guard) = Audit::builder("svc")
        .sink(behind(&door, &kept))
        .sink(other.clone())
        .open()
        .unwrap();
    audit.record(plain());
    let end = guard.shutdown(SECOND);
    assert_eq!((end.lost, end.complete), (1, false));
    assert_eq!(count(&other, "tick"), 1);
    assert_eq!(count(&other, "audit_file_end"), 1);
    door.open();
}

/// A pipe that nobody reads takes 64 KiB, and then no write to it returns.
#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_writes_hang_stops_no_other_sink() {
    use std::io::BufRead;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("svc_audit.log");
    let other = MemorySink::new();
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory.path()))
        .sink(other.clone())
        .open()
        .unwrap();
    wait_until(|| count(&other, "audit_file_begin") == 1);
    let pipe = directory.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    // In one step: a name that stood for nothing would be given to a new file.
    std::fs::rename(&pipe, &path).unwrap();
    let long = "x".repeat(4_000);
    for nth in 1..=100 {
        audit.record(Record::new(EventKind::AdminAction).detail("text", long.as_str()));
        wait_until(|| count(&other, "authz_admin") == nth);
    }
    assert!(audit.stats().pending > 50, "400 KB do not fit into a pipe");

    let pipe = std::fs::File::open(&path).unwrap();
    let reader = std::thread::spawn(move || {
        let lines = std::io::BufReader::new(pipe).lines();
        lines
            .map(Result::unwrap)
            .filter(|line| line.contains("authz_admin"))
            .collect::<Vec<_>>()
    });
    assert!(guard.shutdown(5 * SECOND).complete);
    let read = reader.join().unwrap();
    let expected: Vec<_> = other
        .lines()
        .into_iter()
        .filter(|line| line.contains("authz_admin"))
        .collect();
    assert_eq!(read.len(), 100);
    assert!(read == expected, "in order, and whole");
}
