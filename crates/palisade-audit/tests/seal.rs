//! Whatever is done to a sealed trail shows.

use std::path::Path;
use std::time::Duration;

use palisade_audit::{Audit, Class, Fault, Record, RollingFile, Seal, SigningKey, Verifier};
use palisade_core::{EventKind, Name};
use proptest::prelude::*;
use serde_json::Value;

const SECOND: Duration = Duration::from_secs(1);

fn record(nth: u64) -> Record {
    Record::named(Name::from_static("tick"), Class::Admin).detail("nth", nth)
}

/// A trail of so many records with a checkpoint every 10, and its key.
fn trail(directory: &Path, records: u64) -> [u8; 32] {
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let public = key.public_key();
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory))
        .seal(Seal::chain().checkpoint(key, 10, SECOND * 60))
        .capacity(10_000)
        .open()
        .unwrap();
    (0..records).for_each(|nth| audit.record(record(nth)));
    assert_eq!(guard.shutdown(SECOND * 5).lost, 0);
    public
}

fn text_of(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("svc_audit.log")).unwrap()
}

fn verify(key: [u8; 32], text: &[u8]) -> Result<palisade_audit::Report, palisade_audit::BadLine> {
    let mut verifier = Verifier::new().key(key).max_unsigned(11);
    verifier.read(text).unwrap();
    verifier.report()
}

#[test]
fn an_untouched_trail_is_right_and_signed_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let key = trail(directory.path(), 100);
    let report = verify(key, text_of(directory.path()).as_bytes()).unwrap();
    assert_eq!(report.unsigned, 0);
    assert!(report.checkpoints >= 10, "{report:?}");
    assert_eq!((report.first, report.last), (1, report.records));
}

#[test]
fn the_chain_goes_on_over_restarts_and_rotation() {
    let directory = tempfile::tempdir().unwrap();
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    for round in 0..3 {
        let (audit, guard) = Audit::builder("svc")
            .file(RollingFile::new(directory.path()).max_bytes(8_192))
            .seal(Seal::chain().checkpoint(key.clone(), 10, SECOND * 60))
            .open()
            .unwrap();
        (0..100).for_each(|nth| audit.record(record(round * 100 + nth)));
        guard.shutdown(SECOND * 5);
    }
    let mut names: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    names.sort();
    assert!(names.len() > 5);
    let mut verifier = Verifier::new().key(key.public_key());
    for name in names {
        verifier
            .read(std::io::BufReader::new(std::fs::File::open(name).unwrap()))
            .unwrap();
    }
    let report = verifier.report().unwrap();
    assert_eq!((report.first, report.unsigned), (1, 0));
}

#[test]
fn another_key_does_not_prove_it() {
    let directory = tempfile::tempdir().unwrap();
    trail(directory.path(), 20);
    let other = SigningKey::from_seed(&[8; 32]).unwrap().public_key();
    let bad = verify(other, text_of(directory.path()).as_bytes()).unwrap_err();
    assert_eq!(bad.fault, Fault::Signature);
}

#[test]
fn a_trail_written_anew_without_checkpoints_shows() {
    let directory = tempfile::tempdir().unwrap();
    let key = trail(directory.path(), 1);
    let forged = tempfile::tempdir().unwrap();
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(forged.path()))
        .seal(Seal::chain())
        .open()
        .unwrap();
    (0..50).for_each(|nth| audit.record(record(nth)));
    guard.shutdown(SECOND * 5);
    let bad = verify(key, text_of(forged.path()).as_bytes()).unwrap_err();
    assert_eq!(bad.fault, Fault::Unsigned);
}

#[test]
fn a_cut_end_shows_against_a_checkpoint_kept_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let key = trail(directory.path(), 50);
    let text = text_of(directory.path());
    let whole = verify(key, text.as_bytes()).unwrap();
    let cut: String = text.split_inclusive('\n').take(30).collect();
    assert!(
        verify(key, cut.as_bytes()).is_ok(),
        "the end alone cannot be missed"
    );
    let mut verifier = Verifier::new().key(key).anchor(whole.last, whole.head);
    verifier.read(cut.as_bytes()).unwrap();
    assert_eq!(verifier.report().unwrap_err().fault, Fault::Anchor);
}

#[test]
fn a_cut_end_shows_against_copied_checkpoints() {
    let directory = tempfile::tempdir().unwrap();
    let apart = tempfile::NamedTempFile::new().unwrap();
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let public = key.public_key();
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory.path()))
        .seal(
            Seal::chain()
                .checkpoint(key, 10, SECOND * 60)
                .copy_checkpoints(apart.path()),
        )
        .capacity(1_000)
        .open()
        .unwrap();
    (0..50).for_each(|nth| audit.record(record(nth)));
    guard.shutdown(SECOND * 5);
    let copies = std::fs::read(apart.path()).unwrap();
    let text = text_of(directory.path());
    let check = |text: &str| {
        let mut verifier = Verifier::new()
            .key(public)
            .checkpoints(&copies[..])
            .unwrap();
        verifier.read(text.as_bytes()).unwrap();
        verifier.report().map_err(|bad| bad.fault)
    };
    assert!(check(&text).is_ok());
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for kept in 1..lines.len() {
        assert_eq!(
            check(&lines[..kept].concat()),
            Err(Fault::Anchor),
            "{kept} lines"
        );
    }
}

/// A trail of 50 records with a checkpoint every 10, its text, and the checkpoints that were kept elsewhere.
fn with_copies() -> ([u8; 32], String, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let apart = tempfile::NamedTempFile::new().unwrap();
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let public = key.public_key();
    let seal = Seal::chain().checkpoint(key, 10, SECOND * 60);
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory.path()))
        .seal(seal.copy_checkpoints(apart.path()))
        .open()
        .unwrap();
    (0..50).for_each(|nth| audit.record(record(nth)));
    guard.shutdown(SECOND * 5);
    let copies = std::fs::read(apart.path()).unwrap();
    (public, text_of(directory.path()), copies)
}

#[test]
fn a_cut_front_shows_against_copied_checkpoints() {
    let (public, text, copies) = with_copies();
    let verifier = || {
        let verifier = Verifier::new().key(public);
        verifier.checkpoints(&copies[..]).unwrap()
    };
    let check = |mut verifier: Verifier, lines: &[&str]| {
        verifier.read(lines.concat().as_bytes()).unwrap();
        verifier.report().map_err(|bad| bad.fault)
    };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let first_copy = copies
        .split_inclusive(|byte| *byte == b'\n')
        .next()
        .unwrap();
    let first_checkpoint = lines.iter().position(|line| line.as_bytes() == first_copy);
    for cut in first_checkpoint.unwrap() + 1..lines.len() {
        let rest = &lines[cut..];
        assert_eq!(
            check(verifier(), rest),
            Err(Fault::Anchor),
            "{cut} lines cut"
        );
        // Whoever removed old files knows which record is the first one left.
        let first = u64::try_from(cut + 1).unwrap();
        assert!(
            check(verifier().first(first), rest).is_ok(),
            "{cut} lines cut"
        );
        assert_eq!(check(verifier().first(1), rest), Err(Fault::First));
    }
    assert!(check(verifier().first(1), &lines).is_ok());
}

#[test]
fn a_record_that_is_known_must_be_there_also_before_the_first() {
    let (public, text, _) = with_copies();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut front = Verifier::new().key(public);
    front.read(lines[..30].concat().as_bytes()).unwrap();
    let known = front.report().unwrap();
    let check = |verifier: Verifier| {
        let mut verifier = verifier.anchor(known.last, known.head);
        verifier.read(lines[30..].concat().as_bytes()).unwrap();
        verifier.report().map_err(|bad| bad.fault)
    };
    assert_eq!(check(Verifier::new()), Err(Fault::Anchor));
    assert_eq!(check(Verifier::new().first(31)), Err(Fault::Anchor));
}

#[test]
fn a_front_written_anew_does_not_fit_the_checkpoint_before_it() {
    let (public, text, copies) = with_copies();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let copy = copies
        .split_inclusive(|byte| *byte == b'\n')
        .next()
        .unwrap();
    let at = lines
        .iter()
        .position(|line| line.as_bytes() == copy)
        .unwrap();
    // The record behind the first checkpoint, chained to something else.
    let mut forged = lines[at + 1].to_owned();
    let prev = forged.find("\"prev\":\"").unwrap() + 8;
    forged.replace_range(prev..prev + 64, &"0".repeat(64));
    let mut verifier = Verifier::new()
        .key(public)
        .checkpoints(&copies[..])
        .unwrap()
        .first(u64::try_from(at + 2).unwrap());
    verifier.read(forged.as_bytes()).unwrap();
    assert_eq!(verifier.report().unwrap_err().fault, Fault::Chain);
}

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
}

#[test]
fn a_key_that_openssl_wrote_is_read() {
    // The private key of RFC 8410, section 10.3, and its public key from section 10.1 of the same document.
    let pem = "-----BEGIN PRIVATE KEY-----\n\
               MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
               -----END PRIVATE KEY-----\n";
    let public = SigningKey::from_pem(pem).unwrap().public_key();
    let hex: String = public.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
    );
    assert!(
        SigningKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")
            .is_err()
    );
}

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
fn the_seal_survives_what_clients_send() {
    let directory = tempfile::tempdir().unwrap();
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let public = key.public_key();
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory.path()))
        .seal(Seal::chain().checkpoint(key, 10, SECOND * 60))
        .open()
        .unwrap();
    audit.record(
        Record::new(EventKind::AdminAction)
            .resource("x\",\"seal\":{\"seq\":9,\"boot\":\"0000000000000000\",\"prev\":\"\n")
            .detail("y", ",\"signature\":\"AAAA\"}"),
    );
    guard.shutdown(SECOND * 5);
    assert_eq!(
        verify(public, text_of(directory.path()).as_bytes())
            .unwrap()
            .unsigned,
        0
    );
}
