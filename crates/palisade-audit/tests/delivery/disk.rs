//! A disk that is full, and files that change under the writer.

use super::*;

/// A file on a disk that is always full, until [`mend`](Self::mend).
#[cfg(target_os = "linux")]
struct FullDisk(
    tempfile::TempDir,
    #[expect(dead_code, reason = "held")] std::sync::MutexGuard<'static, ()>,
);

#[cfg(target_os = "linux")]
impl FullDisk {
    fn new() -> Self {
        // There is one such device, and a trail locks what it writes.
        static ONE: Mutex<()> = Mutex::new(());
        let one = ONE
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", directory.path().join("svc_audit.log")).unwrap();
        Self(directory, one)
    }

    fn audit(&self, policy: OnFailure) -> (Audit, Guard) {
        self.audit_with(policy, |builder| builder)
    }

    fn audit_with(
        &self,
        policy: OnFailure,
        configure: impl FnOnce(AuditBuilder) -> AuditBuilder,
    ) -> (Audit, Guard) {
        let builder = Audit::builder("svc")
            .file(RollingFile::new(self.0.path()))
            .on_failure(policy)
            .seal(Seal::chain())
            .capacity(64);
        configure(builder).open().unwrap()
    }

    fn mend(&self) {
        std::fs::remove_file(self.0.path().join("svc_audit.log")).unwrap();
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.0.path().join("svc_audit.log")).unwrap()
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_releases_the_reserve_and_blocks_until_there_is_room() {
    let disk = FullDisk::new();
    let (audit, guard) = disk.audit(OnFailure::Block);
    wait_until(|| audit.stats().failing);
    assert!(
        !disk.0.path().join("svc_audit.reserve").exists(),
        "the reserve is released"
    );
    let service = AuditLayer::new(audit.clone()).layer(answers(hello()));
    assert_eq!(
        fetch(service, get("/rooms")).await.status(),
        200,
        "the service goes on"
    );
    audit.record(plain());
    disk.mend();
    audit.commit(plain()).await.unwrap();
    assert!(!audit.stats().failing);
    assert_eq!(guard.shutdown(5 * SECOND).lost, 0);
    assert_eq!(disk.text().matches("\"tick\"").count(), 2);
    assert!(disk.text().contains("/rooms"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_trail_no_service_where_that_is_asked_for() {
    let disk = FullDisk::new();
    let (audit, guard) = disk.audit(OnFailure::FailClosed);
    wait_until(|| audit.stats().failing);
    let service = AuditLayer::new(audit.clone()).layer(answers(hello()));
    assert_eq!(fetch(service.clone(), get("/rooms")).await.status(), 503);
    disk.mend();
    wait_until(|| !audit.stats().failing);
    assert_eq!(fetch(service, get("/rooms")).await.status(), 200);
    drop(guard);
}

#[cfg(target_os = "linux")]
#[test]
fn lines_go_to_standard_error_and_the_file_says_that_they_are_missing() {
    let disk = FullDisk::new();
    let (audit, guard) = disk.audit(OnFailure::Stderr);
    audit.record(plain());
    wait_until(|| audit.stats().lost == 1);
    disk.mend();
    audit.record(plain());
    guard.shutdown(5 * SECOND);
    let records: Vec<Value> = disk
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let gap = records
        .iter()
        .find(|record| record["event"] == "audit_gap")
        .unwrap();
    assert_eq!(gap["details"]["lost"], 1);
    assert_eq!(gap["reason"], "not_written");
    let mut verifier = Verifier::new();
    verifier.read(disk.text().as_bytes()).unwrap();
    assert_eq!(
        verifier.report().unwrap().records,
        records.len() as u64,
        "the chain holds"
    );
    // The numbers of the lines that are missing are not used again.
    let (first, last) = (&gap["details"]["first_seq"], &gap["details"]["last_seq"]);
    let mut expected = 1;
    for record in &records {
        if record["event"] == "audit_gap" {
            assert_eq!(first, expected);
            expected = last.as_u64().unwrap() + 1;
        }
        assert_eq!(record["seq"], expected);
        expected += 1;
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_number_is_seen_twice_by_other_sinks_when_the_file_fails() {
    let disk = FullDisk::new();
    let memory = MemorySink::new();
    let (audit, guard) = disk.audit_with(OnFailure::Stderr, |builder| builder.sink(memory.clone()));
    for _ in 0..50 {
        audit.record(plain());
        wait_until(|| audit.stats().pending == 0);
    }
    wait_until(|| audit.stats().lost == 50);
    disk.mend();
    audit.record(plain());
    guard.shutdown(5 * SECOND);
    let numbers: Vec<u64> = memory
        .lines()
        .iter()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["seq"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert!(numbers.len() > 51, "{numbers:?}");
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "{numbers:?}"
    );
}

/// Needs leave to mount: a small file system that really runs full.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "needs root, to mount a small tmpfs"]
async fn a_small_file_system_that_runs_full_loses_nothing_that_was_let_in() {
    struct Mounted(tempfile::TempDir);
    impl Drop for Mounted {
        fn drop(&mut self) {
            std::process::Command::new("umount")
                .arg(self.0.path())
                .status()
                .unwrap();
        }
    }
    let mount = Mounted(tempfile::tempdir().unwrap());
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
        .arg(mount.0.path())
        .status()
        .unwrap();
    assert!(mounted.success(), "run this as root");
    let ballast = mount.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 15 << 20]).unwrap();
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(mount.0.path()).reserve(64 << 10))
        .capacity(5_000)
        .open()
        .unwrap();
    while !audit.stats().failing {
        for _ in 0..100 {
            audit.record(Record::new(EventKind::AdminAction).detail("text", "x".repeat(500)));
        }
        tokio::task::yield_now().await;
    }
    assert!(!mount.0.path().join("svc_audit.reserve").exists());
    std::fs::remove_file(&ballast).unwrap();
    audit.flush().await.unwrap();
    assert!(!audit.stats().failing);
    let end = guard.shutdown(10 * SECOND);
    assert!(end.complete);
    let text = std::fs::read_to_string(mount.0.path().join("svc_audit.log")).unwrap();
    assert_eq!(text.matches("authz_admin").count() as u64, end.written);
    for (nth, line) in text.lines().enumerate() {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["seq"], nth + 1, "none is torn, doubled or missing");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_is_removed_from_outside_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("svc_audit.log");
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory.path()))
        .open()
        .unwrap();
    wait_until(|| std::fs::metadata(&path).is_ok_and(|found| found.len() > 0));
    std::fs::remove_file(&path).unwrap();
    audit.record(plain());
    guard.shutdown(5 * SECOND);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("audit_file_replaced") && text.contains("tick"));
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_written_is_an_error_when_opening() {
    // A file where the directory should be fails for every user, also for those whom permissions do not stop.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("occupied");
    std::fs::write(&file, "").unwrap();
    let error = Audit::builder("svc")
        .file(RollingFile::new(&file))
        .open()
        .unwrap_err();
    assert!(
        matches!(error, palisade_audit::AuditError::Io { .. }),
        "{error}"
    );
}
