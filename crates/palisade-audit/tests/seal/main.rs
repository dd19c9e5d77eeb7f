//! Whatever is done to a sealed trail shows.

mod cut;
mod recovery;
mod tamper;

use palisade_audit::{Audit, Class, Fault, Record, RollingFile, Seal, SigningKey, Verifier};
use palisade_core::{EventKind, Name};
use std::path::Path;
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn record(nth: u64) -> Record {
    Record::named(Name::from_static("tick"), Class::Admin).detail("nth", nth)
}

/// A trail of so many records with a checkpoint every 10, and its key.
pub(crate) fn trail(directory: &Path, records: u64) -> [u8; 32] {
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

pub(crate) fn text_of(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("svc_audit.log")).unwrap()
}

pub(crate) fn verify(
    key: [u8; 32],
    text: &[u8],
) -> Result<palisade_audit::Report, palisade_audit::BadLine> {
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

#[test]
fn a_file_says_in_its_first_record_by_which_key_it_is_signed() {
    // The first test of RFC 8032, section 7.1: a secret key and its public key.
    let seed = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ];
    let directory = tempfile::tempdir().unwrap();
    let key = SigningKey::from_seed(&seed).unwrap();
    let (_, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory.path()))
        .seal(Seal::chain().checkpoint(key, 10, SECOND * 60))
        .open()
        .unwrap();
    guard.shutdown(SECOND * 5);
    let text = text_of(directory.path());
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "audit_file_begin");
    assert_eq!(
        first["details"]["public"],
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    );
}
