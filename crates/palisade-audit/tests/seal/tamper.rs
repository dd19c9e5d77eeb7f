//! Random changes of a trail.

use crate::{text_of, trail, verify};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Tamper {
    Edit(usize, u8),
    Insert(usize, u8),
    Delete(usize),
    Swap(usize, usize),
    RemoveLine(usize),
    RepeatLine(usize),
}

fn tampers() -> impl Strategy<Value = Tamper> {
    let at = any::<usize>();
    prop_oneof![
        (at, 1_u8..).prop_map(|(at, with)| Tamper::Edit(at, with)),
        (at, any::<u8>()).prop_map(|(at, byte)| Tamper::Insert(at, byte)),
        at.prop_map(Tamper::Delete),
        (at, at).prop_map(|(one, other)| Tamper::Swap(one, other)),
        at.prop_map(Tamper::RemoveLine),
        at.prop_map(Tamper::RepeatLine),
    ]
}

/// Does it to a part of the text that ends with its last checkpoint.
fn tamper(text: &[u8], how: &Tamper) -> Vec<u8> {
    let mut bytes = text.to_vec();
    let len = bytes.len();
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let count = lines.len();
    match how {
        Tamper::Edit(at, with) => bytes[at % len] ^= with,
        Tamper::Insert(at, byte) => bytes.insert(at % len, *byte),
        // The line feed at the very end says nothing: a trail is read the same without it.
        Tamper::Delete(at) => drop(bytes.remove(at % (len - 1))),
        Tamper::Swap(one, other) => {
            lines.swap(one % count, other % count);
            return lines.concat();
        }
        // The end alone cannot be missed: not the last line.
        Tamper::RemoveLine(at) => {
            lines.remove(at % (count - 1));
            return lines.concat();
        }
        Tamper::RepeatLine(at) => {
            lines.insert(at % count, lines[at % count]);
            return lines.concat();
        }
    }
    bytes
}

#[test]
fn every_edit_insertion_deletion_swap_and_removal_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let key = trail(directory.path(), 60);
    let text = text_of(directory.path()).into_bytes();
    assert!(
        verify(key, &text).unwrap().unsigned == 0,
        "it ends with a checkpoint"
    );
    let cases = if std::env::var_os("PALISADE_FULL").is_some() {
        10_000
    } else {
        2_000
    };
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(how in tampers())| {
        let forged = tamper(&text, &how);
        // A swap of equal lines, or of a line with itself, changes nothing; removing the first line leaves a
        // right trail that begins later, as it does where old files were removed.
        prop_assume!(forged != text);
        let report = verify(key, &forged);
        if let Ok(report) = report {
            prop_assert!(report.first > 1, "not found: {:?}", how);
        }
    });
    println!("{cases} forged trails: all found");
}
