//! A trail after a crash.

use crate::{SECOND, record, text_of, trail, verify};
use palisade_audit::{Audit, Format, RollingFile};
use serde_json::Value;

#[test]
fn a_torn_line_is_set_aside_and_the_chain_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let key = trail(directory.path(), 5);
    let path = directory.path().join("svc_audit.log");
    let whole = std::fs::read(&path).unwrap();
    // Without its end, as after a crash, and with half a line.
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let mut crashed = lines[..lines.len() - 1].concat();
    crashed.extend_from_slice(&lines[lines.len() - 1][..40]);
    std::fs::write(&path, &crashed).unwrap();

    trail(directory.path(), 5);

    let text = text_of(directory.path());
    let report = verify(key, text.as_bytes()).unwrap();
    assert_eq!((report.first, report.unsigned), (1, 0));
    let recovered = text
        .lines()
        .find(|line| line.contains("audit_recovered"))
        .unwrap();
    let recovered: Value = serde_json::from_str(recovered).unwrap();
    assert_eq!(recovered["details"]["torn_bytes"], 40);
    assert_eq!(recovered["reason"], "torn_line");
    let aside: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("torn"))
        .collect();
    assert_eq!(
        std::fs::read(&aside[0]).unwrap(),
        &lines[lines.len() - 1][..40]
    );
}

#[test]
fn a_trail_that_ended_in_order_is_not_recovered() {
    let directory = tempfile::tempdir().unwrap();
    trail(directory.path(), 1);
    trail(directory.path(), 1);
    assert!(!text_of(directory.path()).contains("audit_recovered"));
}

#[test]
fn a_trail_of_any_format_goes_on_behind_the_number_of_its_last_record() {
    for (format, number) in [
        (Format::Native, "/seq"),
        (Format::Ecs, "/event/sequence"),
        (Format::Ocsf, "/metadata/sequence"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = || RollingFile::new(directory.path()).format(format);
        let write = || {
            let (audit, guard) = Audit::builder("svc").file(file()).open().unwrap();
            // Numbers and names that somebody else chose.
            audit.record(
                record(1)
                    .detail("seq", 900)
                    .detail("sequence", 901)
                    .detail("event", "audit_file_end"),
            );
            guard.shutdown(SECOND * 5);
        };
        write();
        // As after a crash: without the end of the file.
        let text = text_of(directory.path());
        let end = text.trim_end().rfind('\n').unwrap() + 1;
        std::fs::write(directory.path().join("svc_audit.log"), &text[..end]).unwrap();
        write();

        let text = text_of(directory.path());
        assert!(text.contains("audit_recovered"), "{format:?}: {text}");
        for (nth, line) in (1_u64..).zip(text.lines()) {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                line.pointer(number),
                Some(&nth.into()),
                "{format:?}: {line}"
            );
        }
    }
}
