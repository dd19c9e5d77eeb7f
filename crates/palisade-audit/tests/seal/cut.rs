//! Trails that lack their front or their end, or were written anew.

use crate::{SECOND, record, text_of, trail, verify};
use palisade_audit::{Audit, Fault, RollingFile, Seal, SigningKey, Verifier};

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
