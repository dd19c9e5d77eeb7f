//! The order in which a rotation writes to the disk, as the system sees it.
//!
//! The test runs itself under strace: with `PALISADE_TRACED` set it writes records until the file has rotated.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use palisade_audit::{Audit, Class, Record, RollingFile, Seal};
use palisade_core::Name;

const TEST: &str =
    "a_rotation_syncs_the_file_then_renames_it_then_begins_the_next_then_syncs_the_directory";

fn rotate(directory: &Path) {
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory).max_bytes(4_096).reserve(0))
        .seal(Seal::chain())
        // Syncs of their own would hide the rotation's.
        .sync_every(Duration::from_secs(3_600))
        .open()
        .unwrap();
    for _ in 0..40 {
        audit.record(Record::named(Name::from_static("filler"), Class::Admin));
    }
    let end = guard.shutdown(Duration::from_secs(30));
    assert!(end.complete && end.lost == 0, "{end:?}");
}

/// The place of the first call behind `start` that holds every one of `parts`.
fn find(calls: &[&str], start: usize, parts: &[&str]) -> usize {
    let found = calls[start..]
        .iter()
        .position(|call| parts.iter().all(|part| call.contains(part)));
    let Some(found) = found else {
        panic!(
            "no call with {parts:?} behind {start} in:\n{}",
            calls.join("\n")
        );
    };
    start + found
}

#[test]
#[ignore = "needs strace: apt-get install strace"]
fn a_rotation_syncs_the_file_then_renames_it_then_begins_the_next_then_syncs_the_directory() {
    if let Some(directory) = std::env::var_os("PALISADE_TRACED") {
        return rotate(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    let trace = directory.path().join("trace");
    let status = Command::new("strace")
        // `-y` shows the path of each descriptor.
        .args(["-f", "-qq", "-y", "-s", "65536", "-o"])
        .arg(&trace)
        .args([
            "-e",
            "trace=write,fsync,fdatasync,rename,renameat,renameat2,openat,unlink",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--include-ignored"])
        .env("PALISADE_TRACED", &logs)
        .status()
        .expect("apt-get install strace");
    assert!(status.success());

    let text = std::fs::read_to_string(&trace).unwrap();
    let calls: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(logs.to_str().unwrap()))
        .collect();
    let file = logs.join("svc_audit.log");
    let file = file.to_str().unwrap();
    let open = format!("<{file}>");
    let footer = find(&calls, 0, &["write(", &open, "audit_file_end"]);
    let synced = find(&calls, footer, &["sync(", &open]);
    let renamed = find(&calls, footer, &["rename", file]);
    let begun = find(
        &calls,
        renamed,
        &["openat(", &format!("\"{file}\""), "O_CREAT"],
    );
    let directory_synced = find(
        &calls,
        renamed,
        &["fsync(", &format!("<{}>", logs.display())],
    );
    let header = find(&calls, renamed, &["write(", &open, "audit_file_begin"]);
    assert!(
        footer < synced && synced < renamed && renamed < begun,
        "footer {footer}, synced {synced}, renamed {renamed}, begun {begun}"
    );
    assert!(
        begun < directory_synced && directory_synced < header,
        "begun {begun}, directory {directory_synced}, header {header}"
    );
}
