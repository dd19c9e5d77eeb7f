use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_audit::{Audit, Cleaner, Redactor, RollingFile, Seal, Verifier};
use serde::de::IgnoredAny;

/// Secrets that a text may hold, each of another kind.
const PLANTED: [&str; 5] = [
    "ghp_aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bD1fG3hJ5",
    "4111 1111 1111 1111",
    "https://user:s3cr3t@db.example/x",
    "session=kJ8sLq2mWx7Z",
    "Bearer mF_9.B5f-4.1JqM",
];

/// The secrets in them, which must not be seen.
const CANARIES: [&str; 5] = [
    "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bD1fG3hJ5",
    "4111 1111 1111 1111",
    "s3cr3t",
    "kJ8sLq2mWx7Z",
    "mF_9.B5f-4.1JqM",
];

fn cleaner() -> Cleaner {
    static REDACTOR: OnceLock<Redactor> = OnceLock::new();
    REDACTOR.get_or_init(Redactor::defaults).cleaner()
}

/// Text that is written for JSON is JSON on one line, and whatever stands around a secret does not hide it.
pub(crate) fn redactor(data: &[u8]) {
    let mut cleaner = cleaner();
    let mut out = Vec::new();
    cleaner.form(data, &mut out);
    out.clear();
    if cleaner.json(data, &mut out).is_ok() {
        check(&out);
        assert!(
            serde_json::from_slice::<IgnoredAny>(data).is_ok_or_deep(),
            "redacted what is no JSON"
        );
    }
    let [which, at, text @ ..] = data else { return };
    let which = usize::from(*which) % PLANTED.len();
    let (before, behind) = text.split_at(usize::from(*at).min(text.len()));
    let text = format!(
        "{} {} {}",
        String::from_utf8_lossy(before),
        PLANTED[which],
        String::from_utf8_lossy(behind)
    );
    let Ok(body) = serde_json::to_vec(&text) else {
        return;
    };
    // A canary that the text had before is not the planted one.
    if text.matches(CANARIES[which]).count() > 1 {
        return;
    }
    out.clear();
    cleaner.json(&body, &mut out).expect("a string is JSON");
    check(&out);
    let clean = String::from_utf8_lossy(&out);
    assert!(!clean.contains(CANARIES[which]), "{text:?} became {clean}");
}

fn check(line: &[u8]) {
    assert!(!line.contains(&b'\n'), "more than one line");
    let parsed = serde_json::from_slice::<IgnoredAny>(line);
    assert!(parsed.is_ok_or_deep(), "{parsed:?}");
}

trait OkOrDeep {
    fn is_ok_or_deep(&self) -> bool;
}

impl OkOrDeep for serde_json::Result<IgnoredAny> {
    /// serde_json goes no deeper than 128 levels, and takes no number beyond a float's range.
    fn is_ok_or_deep(&self) -> bool {
        self.as_ref().err().is_none_or(|error| {
            let text = error.to_string();
            text.contains("recursion limit") || text.contains("number out of range")
        })
    }
}

/// Whatever a file holds, reading it as a trail ends, and nothing that was not sealed counts as verified.
pub(crate) fn trail(data: &[u8]) {
    let mut verifier = Verifier::new();
    if verifier.read(data).is_ok()
        && let Ok(report) = verifier.report()
    {
        assert!(report.records <= data.len() as u64, "{report:?}");
    }
}

/// Whatever an interrupted writer left in its file, a trail opens on it: no byte is lost, whole records stay where they
/// are, and what follows is sealed and goes on from the last of them.
pub(crate) fn recovery(data: &[u8]) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("palisade-recovery-{}-{nth}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).expect("a directory");
    let outcome = std::panic::catch_unwind(|| recover(&directory, data));
    // It is in nobody's way where it stays.
    let _ = std::fs::remove_dir_all(&directory);
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn recover(directory: &Path, data: &[u8]) {
    let path = directory.join("svc_audit.log");
    std::fs::write(&path, data).expect("a file");
    let opened = Audit::builder("svc")
        .file(RollingFile::new(directory).reserve(0))
        .seal(Seal::chain())
        .open();
    let (_, guard) = opened.expect("any file can be gone on with");
    let end = guard.shutdown(Duration::from_secs(10));
    assert!(end.complete && end.lost == 0, "{end:?}");

    let after = std::fs::read(&path).expect("the file");
    let torn = std::fs::read_dir(directory)
        .expect("the directory")
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().contains(".torn."));
    let torn = torn.map_or(Vec::new(), |entry| {
        std::fs::read(entry.path()).expect("what was torn off")
    });
    // Nothing is lost: the file begins with what stayed, and the rest is beside it.
    let kept = data.len() - torn.len();
    assert_eq!(after.get(..kept), data.get(..kept));
    assert_eq!(data.get(kept..), Some(&torn[..]));
    assert!(kept == 0 || data[kept - 1] == b'\n', "a line was cut");

    let mut verifier = Verifier::new();
    verifier.read(&after[kept..]).expect("memory can be read");
    let report = verifier.report().expect("what follows is sealed");
    assert!(report.records >= 2, "{report:?}");
}
