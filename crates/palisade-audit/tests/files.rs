//! Rolling files: compression, recovery by the command, failures of the disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use palisade_audit::{Audit, Class, Record, RollingFile, Seal, SigningKey};
use palisade_core::Name;

const SECOND: Duration = Duration::from_secs(1);

fn record(nth: u64) -> Record {
    Record::named(Name::from_static("tick"), Class::Admin).detail("nth", nth)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".log") || name.ends_with(".gz")
        })
        .collect();
    files.sort();
    files
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

fn write(file: RollingFile, records: u64) {
    let (audit, guard) = Audit::builder("svc")
        .file(file)
        .seal(Seal::chain().checkpoint(key(), 10, SECOND * 60))
        .capacity(100_000)
        .open()
        .unwrap();
    (0..records).for_each(|nth| audit.record(record(nth)));
    assert_eq!(guard.shutdown(SECOND * 30).lost, 0);
}

fn verify(files: &[PathBuf], more: &[&str]) -> (Option<i32>, String) {
    let public: String = key()
        .public_key()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let output = Command::new(env!("CARGO_BIN_EXE_palisade-audit"))
        .args(["verify", "--key", &public])
        .args(more)
        .args(files)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[cfg(feature = "gzip")]
#[test]
fn finished_files_are_compressed_and_still_verified() {
    let directory = tempfile::tempdir().unwrap();
    let rolling = || RollingFile::new(directory.path()).max_bytes(20_000).gzip();
    write(rolling(), 500);
    // The last rotation of the first run may have been compressed by nobody; this one's does it.
    write(rolling(), 500);
    let start = palisade_core::time::now();
    let mut before = Vec::new();
    // A thread of the trail compresses beside it, and outlives it; its work alone tells how far it is.
    loop {
        let files = files(directory.path());
        let plain = files
            .iter()
            .filter(|file| file.extension().is_some_and(|kind| kind == "log"))
            .count();
        // A file that is renamed during a listing may be missing from it, but not from the next one as well.
        if plain == 2 && files == before {
            break;
        }
        assert!(
            start.elapsed() < SECOND * 60,
            "{plain} files are not compressed"
        );
        before = files;
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(before.len() > 10);
    let (status, said) = verify(&before, &[]);
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn the_command_names_the_file_and_the_line() {
    let directory = tempfile::tempdir().unwrap();
    write(RollingFile::new(directory.path()).max_bytes(20_000), 500);
    let files = files(directory.path());
    let (status, said) = verify(&files, &["--max-unsigned", "11"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains(" 0 records after the last one"), "{said}");

    let text = std::fs::read_to_string(&files[1]).unwrap();
    let forged = text.replacen("tick", "tock", 1);
    let line = 1 + text.lines().position(|line| line.contains("tick")).unwrap();
    std::fs::write(&files[1], forged).unwrap();
    let (status, said) = verify(&files, &[]);
    assert_eq!(status, Some(1));
    // The line after it carries the hash of what was there.
    assert!(
        said.starts_with(&format!("{}:{}:", files[1].display(), line + 1)),
        "{said}"
    );

    std::fs::write(&files[1], text).unwrap();
    std::fs::remove_file(&files[2]).unwrap();
    let gone = [&files[..2], &files[3..]].concat();
    let (status, said) = verify(&gone, &[]);
    assert_eq!(status, Some(1));
    assert!(
        said.starts_with(&format!("{}:1:", gone[2].display())),
        "{said}"
    );
}
