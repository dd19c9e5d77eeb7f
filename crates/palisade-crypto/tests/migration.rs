//! Keys that rotate, and data that moves over.

use std::sync::atomic::{AtomicBool, Ordering};

use palisade_core::time::{UnixTime, WallClock};
use palisade_crypto::{
    BlindIndex, Context, Encrypted, Error, FieldCipher, Fields, Key, KeyId, Keyring, LegacyReader,
    Reencrypted, Suite,
};
use serde_json::json;

fn ring(primary: (u32, &Key), others: &[(u32, &Key)]) -> Keyring {
    let mut builder = Keyring::builder().primary(KeyId(primary.0), primary.1.clone());
    for (id, key) in others {
        builder = builder.decrypt_only(KeyId(*id), (*key).clone());
    }
    builder.build().unwrap()
}

const PLACE: Context<'static> = Context::new("users").path("/email");

#[test]
fn reencrypting_twice_does_nothing_the_second_time() {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let before = FieldCipher::new(ring((1, &old), &[]));
    let after = FieldCipher::new(ring((2, &new), &[(1, &old)]));
    let sealed = before.encrypt_str("a@b.c", &PLACE).unwrap();
    let Reencrypted::Rotated(rotated) = after.reencrypt(&sealed, &PLACE).unwrap() else {
        panic!("not rotated");
    };
    assert_eq!(
        after.reencrypt(&rotated, &PLACE).unwrap(),
        Reencrypted::Unchanged
    );
    let new_alone = FieldCipher::new(ring((2, &new), &[]));
    assert_eq!(new_alone.decrypt_str(&rotated, &PLACE).unwrap(), "a@b.c");
    // Another suite is a reason too.
    let committing = after.clone().suite(Suite::Committing);
    assert!(matches!(
        committing.reencrypt(&rotated, &PLACE),
        Ok(Reencrypted::Rotated(_))
    ));
}

#[test]
fn reencrypting_keeps_the_type_and_refuses_what_does_not_belong() {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let before = FieldCipher::new(ring((1, &old), &[]));
    let after = FieldCipher::new(ring((2, &new), &[(1, &old)]));
    let bytes = before.encrypt_bytes(&[0, 159], &PLACE).unwrap();
    let Reencrypted::Rotated(bytes) = after.reencrypt(&bytes, &PLACE).unwrap() else {
        panic!("not rotated");
    };
    assert_eq!(after.decrypt_bytes(&bytes, &PLACE).unwrap(), [0, 159]);
    let elsewhere = before.encrypt_str("x", &PLACE.path("/phone")).unwrap();
    let mut walk = after.reencryption();
    assert!(matches!(walk.step(&elsewhere, &PLACE), Err(Error::Refused)));
    assert!(walk.step(&bytes, &PLACE).is_ok());
    assert_eq!((walk.progress().failed, walk.progress().unchanged), (1, 1));
    assert_eq!(walk.progress().seen(), 2);
}

#[test]
fn documents_are_reencrypted_whole_or_not_at_all() {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let before = FieldCipher::new(ring((1, &old), &[]));
    let after = FieldCipher::new(ring((2, &new), &[(1, &old)]));
    let fields = Fields::paths(["email"]);
    let place = Context::new("users");
    let mut document = json!([{"email": "a"}, {"email": 1}]);
    before
        .encrypt_fields(&mut document, &fields, &place)
        .unwrap();
    assert_eq!(
        after
            .reencrypt_fields(&mut document, &fields, &place)
            .unwrap(),
        2
    );
    assert_eq!(
        after
            .reencrypt_fields(&mut document, &fields, &place)
            .unwrap(),
        0
    );
    document[1]["email"] = json!("plain");
    let before_error = document.clone();
    let error = after
        .reencrypt_fields(&mut document, &fields, &place)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "field /[]/email: the value is not sealed"
    );
    assert_eq!(document, before_error);
}

#[test]
fn keys_rotate_under_load_without_a_failure() {
    let keys: Vec<Key> = (0..4).map(|_| Key::generate().unwrap()).collect();
    let all: Vec<(u32, &Key)> = keys
        .iter()
        .enumerate()
        .map(|(id, key)| (id as u32, key))
        .collect();
    let ring_of = |primary: usize| {
        let others: Vec<_> = all
            .iter()
            .copied()
            .filter(|(id, _)| *id as usize != primary)
            .collect();
        ring(all[primary], &others)
    };
    let cipher = FieldCipher::new(ring_of(0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut values = 0_u32;
                    while !done.load(Ordering::Relaxed) || values < 1_000 {
                        let sealed = cipher.encrypt_str("a@b.c", &PLACE).unwrap();
                        assert_eq!(cipher.decrypt_str(&sealed, &PLACE).unwrap(), "a@b.c");
                        let _ = cipher.reencrypt(&sealed, &PLACE).unwrap();
                        values += 1;
                    }
                })
            })
            .collect();
        for round in 0..2_000 {
            cipher.swap_keyring(ring_of(round % 4));
        }
        done.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn tokens_of_earlier_keys_are_looked_for_too() {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let cipher = FieldCipher::new(ring((1, &old), &[]));
    let index = BlindIndex::new(&cipher, "users/email");
    let stored = index.token("a@b.c", None).unwrap();
    cipher.swap_keyring(ring((2, &new), &[(1, &old)]));
    let query = index.query("a@b.c", None).unwrap();
    assert_eq!(query.len(), 2);
    assert_eq!(query[1], stored);
    assert_ne!(index.token("a@b.c", None).unwrap(), stored);
}

#[test]
fn an_index_tells_names_tenants_and_values_apart() {
    let cipher = FieldCipher::new(ring((1, &Key::generate().unwrap()), &[]));
    let tokens: std::collections::HashSet<_> = [
        ("users/email", None, "a"),
        ("users/email", Some(""), "a"),
        ("users/email", Some("t"), "a"),
        ("users/emai", None, "a"),
        ("users/email", None, "b"),
        ("", Some("users/email"), "a"),
    ]
    .map(|(name, tenant, value)| BlindIndex::new(&cipher, name).token(value, tenant).unwrap())
    .into();
    assert_eq!(tokens.len(), 6);
    for len in [0, 33] {
        assert!(BlindIndex::new(&cipher, "x").truncate(len).is_err());
    }
}

#[test]
fn a_renamed_path_opens_under_its_alias_and_no_other() {
    let key = Key::generate().unwrap();
    let cipher = FieldCipher::new(ring((1, &key), &[]));
    let old = cipher.encrypt_str("x", &PLACE.path("/mail")).unwrap();
    let renamed = cipher.clone().add_alias("users", "/email", "/mail");
    assert_eq!(renamed.decrypt_str(&old, &PLACE).unwrap(), "x");
    assert!(cipher.decrypt_str(&old, &PLACE).is_err());
    assert!(renamed.decrypt_str(&old, &PLACE.path("/phone")).is_err());
    assert!(
        renamed
            .decrypt_str(&old, &Context::new("orders").path("/email"))
            .is_err()
    );
    assert!(renamed.decrypt_str(&old, &PLACE.tenant("t")).is_err());
    let fresh = renamed.encrypt_str("y", &PLACE).unwrap();
    assert!(
        renamed.decrypt_str(&fresh, &PLACE.path("/mail")).is_err(),
        "one way only"
    );
}

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

// Sealed with Python's `cryptography` package: AESGCM(bytes of KEY).encrypt(nonce, b"a@b.c", b"users") after the nonce.
const LEGACY_KEY: &str = "ax8Mo9lOgnW4DGH9OpfiRRCL1vksf0OuXQaykY41x/Q=";
const LEGACY: &str = "AAAAAAAAAAAAAAAAIn8pMIL95u8LsbhzOlf+y4VGI28L";

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

#[test]
fn the_committing_suite_refuses_what_was_made_to_open_under_two_keys() {
    // In suite 01 nothing ties a ciphertext to one key. In suite 02 the commitment does: exchange it for that of
    // another key and neither key opens the value.
    let (one, two) = (Key::generate().unwrap(), Key::generate().unwrap());
    let seal = |key: &Key| {
        let cipher = FieldCipher::new(ring((1, key), &[])).suite(Suite::Committing);
        cipher.encrypt_str("a@b.c", &PLACE).unwrap()
    };
    let (a, b) = (seal(&one), seal(&two));
    // Bytes 29 to 61 are the commitment; characters 4 + 40 to 4 + 80 lie within it.
    let mixed = format!("{}{}{}", &a[..44], &b[44..84], &a[84..]);
    for key in [&one, &two] {
        let opened = FieldCipher::new(ring((1, key), &[])).decrypt_str(&mixed, &PLACE);
        assert!(matches!(opened, Err(Error::Refused)));
    }
}

mod keyrings {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Result<Keyring, Error> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Keyring::from_vars("ENCRYPTION_KEY", pairs)
    }

    fn problems(keys: Result<Keyring, Error>) -> Vec<String> {
        match keys {
            Err(Error::Configuration(problems)) => {
                problems.iter().map(ToString::to_string).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    const ONE: &str = LEGACY_KEY;
    // Made with `openssl rand -base64 32`.
    const TWO: &str = "d7BEEY6EFdCRT4xWFjmvnqcTJiwbTRhBoWLxFL3xQIo=";

    #[test]
    fn variables_give_one_key_or_several_with_a_primary() {
        assert_eq!(
            vars(&[("ENCRYPTION_KEY", ONE)]).unwrap().primary(),
            KeyId(1)
        );
        assert_eq!(
            vars(&[("ENCRYPTION_KEY_9", ONE)]).unwrap().primary(),
            KeyId(9)
        );
        let several = [
            ("ENCRYPTION_KEY_6", ONE),
            ("ENCRYPTION_KEY_7", TWO),
            ("ENCRYPTION_KEY_PRIMARY", "6"),
        ];
        let keys = vars(&several).unwrap();
        assert_eq!(keys.ids().collect::<Vec<_>>(), [KeyId(6), KeyId(7)]);
        // Other variables of the service are not its business.
        assert!(
            vars(&[
                ("ENCRYPTION_KEY", ONE),
                ("ENCRYPTION_KEYS", "x"),
                ("ENCRYPTION_KEY_FILE", "x")
            ])
            .is_ok()
        );
    }

    #[test]
    fn every_problem_with_the_variables_is_told() {
        assert_eq!(problems(vars(&[])), ["ENCRYPTION_KEY: is not set"]);
        let several = [("ENCRYPTION_KEY_6", ONE), ("ENCRYPTION_KEY_7", "x")];
        assert_eq!(
            problems(vars(&several)),
            [
                "ENCRYPTION_KEY_PRIMARY: must name one of the keys, which then seals",
                "ENCRYPTION_KEY_7: is not base64"
            ]
        );
        let twice = [
            ("ENCRYPTION_KEY", ONE),
            ("ENCRYPTION_KEY_7", TWO),
            ("ENCRYPTION_KEY_4294967296", TWO),
        ];
        let told = problems(vars(&twice));
        assert_eq!(
            told[0],
            "ENCRYPTION_KEY_4294967296: has a number above 4294967295"
        );
        assert_eq!(
            told[1],
            "ENCRYPTION_KEY: is set beside ENCRYPTION_KEY_<id>; give it a number too"
        );
    }

    #[test]
    fn a_keyset_in_json_is_read_and_its_errors_do_not_repeat_it() {
        let set = format!(
            r#"{{"primary":7,"keys":[{{"id":7,"key":"{ONE}"}},{{"id":6,"key":"{TWO}"}}]}}"#
        );
        assert_eq!(Keyring::from_json(&set).unwrap().primary(), KeyId(7));
        for broken in [
            &set.replace("\"id\":6", "\"id\":\"canary\""),
            &set.replace("primary", "canary"),
            &set[..set.len() - 5],
        ] {
            let told = problems(Keyring::from_json(broken));
            assert!(
                told[0].starts_with("keyset: is not a keyset, at line 1"),
                "{told:?}"
            );
            assert!(!told[0].contains("canary"));
        }
        let no_primary = set.replace("\"primary\":7", "\"primary\":5");
        assert_eq!(
            problems(Keyring::from_json(&no_primary)),
            ["primary: is missing"]
        );
    }

    #[test]
    fn a_keyring_has_one_primary_and_no_key_twice() {
        let (one, two) = (
            Key::from_text("K", ONE).unwrap(),
            Key::from_text("K", TWO).unwrap(),
        );
        let keys = Keyring::builder()
            .primary(KeyId(1), one.clone())
            .primary(KeyId(2), two)
            .decrypt_only(KeyId(2), one)
            .build();
        assert_eq!(
            problems(keys),
            [
                "primary: is set twice, to 1 and to 2",
                "key 2: is the same as key 1",
                "key 2: is given twice"
            ]
        );
    }

    #[test]
    fn nothing_shows_a_key() {
        let builder = Keyring::builder().primary(KeyId(1), Key::from_text("K", ONE).unwrap());
        let shown = format!("{builder:?}");
        let cipher = FieldCipher::new(builder.build().unwrap());
        let shown = format!(
            "{shown} {cipher:?} {:?} {:?}",
            cipher.keyring(),
            BlindIndex::new(&cipher, "x")
        );
        // The first bytes of the key, as numbers, in hex and in base64.
        for part in ["107, 31", "6b1f", "ax8M"] {
            assert!(!shown.contains(part), "{shown}");
        }
    }
}
