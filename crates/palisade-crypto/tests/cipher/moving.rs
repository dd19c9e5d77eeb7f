//! Data that moves over from another program, or from plain text.

use std::sync::atomic::Ordering;

use palisade_core::time::{UnixTime, WallClock};
use palisade_crypto::{
    Context, Encrypted, Error, FieldCipher, Fields, Key, LegacyReader, Reencrypted,
};
use serde_json::json;

use crate::keys::{LEGACY, LEGACY_KEY, PLACE, ring};

#[test]
fn plaintext_passes_until_the_time_set_and_is_counted() {
    let now = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(99));
    let clock = std::sync::Arc::clone(&now);
    let strict = FieldCipher::new(ring((1, &Key::generate().unwrap()), &[]));
    let moving = strict
        .clone()
        .clock(WallClock::from_fn(move || {
            UnixTime::from_secs(clock.load(Ordering::Relaxed))
        }))
        .insecure_allow_plaintext_until(UnixTime::from_secs(100));
    let fields = Fields::paths(["email", "n"]);
    let place = Context::new("users");
    let plain = json!({"email": "https://a:b", "n": 1});

    assert!(matches!(
        strict.decrypt_str("a@b.c", &PLACE),
        Err(Error::NotSealed)
    ));
    assert_eq!(moving.decrypt_str("a@b.c", &PLACE).unwrap(), "a@b.c");
    let mut document = plain.clone();
    assert_eq!(
        moving
            .decrypt_fields(&mut document, &fields, &place)
            .unwrap(),
        0
    );
    assert_eq!(document, plain);
    let text = plain.to_string();
    assert_eq!(
        *moving
            .decrypt_json(text.as_bytes(), &fields, &place)
            .unwrap(),
        *text.as_bytes()
    );
    assert_eq!(moving.plaintext_seen(), 5);
    // What claims to be sealed must open.
    assert!(matches!(
        moving.decrypt_str("pl1.AAAA", &PLACE),
        Err(Error::Malformed | Error::UnknownSuite(0))
    ));

    now.store(100, Ordering::Relaxed);
    assert!(matches!(
        moving.decrypt_str("a@b.c", &PLACE),
        Err(Error::NotSealed)
    ));
    assert!(
        moving
            .decrypt_json(text.as_bytes(), &fields, &place)
            .is_err()
    );
    assert_eq!(moving.plaintext_seen(), 5);
}

#[test]
fn what_another_program_sealed_is_read_and_moved_over() {
    let key = Key::from_text("K", LEGACY_KEY).unwrap();
    let reader = LegacyReader::aes_gcm(key).additional_data(b"users");
    let strict = FieldCipher::new(ring((1, &Key::generate().unwrap()), &[]));
    let moving = strict.clone().legacy(reader);
    assert_eq!(moving.decrypt_str(LEGACY, &PLACE).unwrap(), "a@b.c");
    let Reencrypted::Rotated(moved) = moving.reencrypt(LEGACY, &PLACE).unwrap() else {
        panic!("not moved");
    };
    assert_eq!(strict.decrypt_str(&moved, &PLACE).unwrap(), "a@b.c");
    assert!(matches!(
        strict.decrypt_str(LEGACY, &PLACE),
        Err(Error::NotSealed)
    ));
    let altered = LEGACY.replacen('A', "B", 1);
    assert!(matches!(
        moving.decrypt_str(&altered, &PLACE),
        Err(Error::Refused)
    ));
    // Where plaintext may pass too, what looks sealed the old way must still open.
    let lenient = moving.insecure_allow_plaintext_until(UnixTime::from_secs(u64::MAX));
    assert!(matches!(
        lenient.decrypt_str(&altered, &PLACE),
        Err(Error::Refused)
    ));
    assert_eq!(lenient.decrypt_str("a@b.c", &PLACE).unwrap(), "a@b.c");
}

#[test]
fn a_struct_field_is_never_filled_with_plaintext() {
    let read: Result<Encrypted<String>, _> = serde_json::from_str("\"a@b.c\"");
    assert_eq!(read.unwrap_err().to_string(), "the value is not sealed");
    let cipher = FieldCipher::new(ring((1, &Key::generate().unwrap()), &[]));
    let number = Encrypted::<u32>::seal(&7, &cipher, &PLACE).unwrap();
    assert_eq!(number.open(&cipher, &PLACE).unwrap(), 7);
    assert_eq!(format!("{number:?}"), "Encrypted([redacted])");
    let text = serde_json::to_string(&number).unwrap();
    let as_text: Encrypted<Vec<String>> = serde_json::from_str(&text).unwrap();
    let error = as_text.open(&cipher, &PLACE).unwrap_err();
    assert!(matches!(error, Error::WrongType { .. }));
    assert!(!error.to_string().contains('7'));
}
