//! Properties of every document and every sealed value. `PALISADE_FULL=1` takes a million documents.

use palisade_crypto::{Context, Error, FieldCipher, Fields, Key, KeyId, Keyring, Suite};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

const SUITES: [Suite; 2] = [Suite::Xaes, Suite::Committing];

fn cipher() -> FieldCipher {
    FieldCipher::new(Keyring::single(Key::generate().unwrap()).unwrap())
}

fn runner(usual: u32, full: u32) -> TestRunner {
    let full_suite = std::env::var_os("PALISADE_FULL").is_some();
    TestRunner::new(Config {
        cases: if full_suite { full } else { usual },
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn no_sealed_value_opens_with_a_bit_flipped() {
    let place = Context::new("users").path("/email").tenant("t1");
    for suite in SUITES {
        let cipher = cipher().suite(suite);
        let sealed = cipher.encrypt_str("a@b.c", &place).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(flipped) = String::from_utf8(flipped) else {
                continue;
            };
            assert!(cipher.decrypt_str(&flipped, &place).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn no_sealed_value_opens_cut_short_or_drawn_out() {
    let place = Context::new("users");
    for suite in SUITES {
        let cipher = cipher().suite(suite);
        let sealed = cipher.encrypt_str("", &place).unwrap();
        for len in 0..sealed.len() {
            assert!(cipher.decrypt_str(&sealed[..len], &place).is_err(), "{len}");
        }
        for more in ["A", "AA", "AAAA", "=", ".", "\0"] {
            assert!(
                cipher
                    .decrypt_str(&format!("{sealed}{more}"), &place)
                    .is_err()
            );
        }
    }
}

#[test]
fn no_sealed_value_opens_anywhere_else() {
    let texts = [None, Some(""), Some("a"), Some("b"), Some("ab")];
    let mut places = Vec::new();
    for tenant in texts {
        for record_id in texts {
            for record_type in ["", "a", "ab"] {
                for path in ["", "/a", "/b", "/a/b", "/[]/a"] {
                    let mut place = Context::new(record_type).path(path);
                    if let Some(tenant) = tenant {
                        place = place.tenant(tenant);
                    }
                    if let Some(id) = record_id {
                        place = place.record_id(id);
                    }
                    places.push(place);
                }
            }
        }
    }
    let cipher = cipher();
    for (position, place) in places.iter().enumerate() {
        let sealed = cipher.encrypt_str("x", place).unwrap();
        for (other_position, other) in places.iter().enumerate() {
            let opened = cipher.decrypt_str(&sealed, other);
            if position == other_position {
                assert_eq!(opened.unwrap(), "x");
            } else {
                assert!(
                    matches!(opened, Err(Error::Refused)),
                    "{place:?} in {other:?}"
                );
            }
        }
    }
}

#[test]
fn a_key_opens_what_it_sealed_and_an_unknown_one_is_named() {
    let (one, two) = (Key::generate().unwrap(), Key::generate().unwrap());
    let ring = |id, key: &Key| {
        let keys = Keyring::builder().primary(KeyId(id), key.clone());
        FieldCipher::new(keys.build().unwrap())
    };
    let place = Context::new("t");
    for suite in SUITES {
        let sealed = ring(1, &one).suite(suite).encrypt_str("x", &place).unwrap();
        assert_eq!(ring(1, &one).decrypt_str(&sealed, &place).unwrap(), "x");
        let under_another = ring(1, &two).decrypt_str(&sealed, &place);
        assert!(matches!(under_another, Err(Error::Refused)));
        // The right key under another number is never tried.
        let error = ring(2, &one).decrypt_str(&sealed, &place).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the sealed value needs key 1, which is not in the keyring"
        );
    }
}

#[test]
fn two_values_never_share_a_nonce() {
    let (cipher, place) = (cipher(), Context::new("t"));
    let seen: std::collections::HashSet<String> = (0..10_000)
        .map(|_| cipher.encrypt_str("x", &place).unwrap())
        // Suite and key id take 5 of 29 bytes, which is 7 characters of 39.
        .map(|sealed| sealed[4 + 7..4 + 38].to_owned())
        .collect();
    assert_eq!(seen.len(), 10_000);
}

#[test]
fn every_value_comes_back_with_its_type() {
    let cipher = cipher();
    let place = Context::new("t").path("/x");
    let check = |value: Value| {
        let sealed = cipher.encrypt_value(&value, &place).unwrap();
        assert_eq!(cipher.decrypt_value(&sealed, &place).unwrap(), value);
        let is_text = cipher.decrypt_str(&sealed, &place);
        assert_eq!(is_text.ok().as_deref(), value.as_str());
    };
    for text in [
        "\"123\"",
        "123",
        "123.0",
        "1.5e300",
        "-0.0",
        "18446744073709551615",
        "-9223372036854775808",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        "[1,\"1\",null]",
        "{\"a\":{\"b\":[]}}",
    ] {
        check(serde_json::from_str(text).unwrap());
    }
}

#[test]
fn documents_come_back_whole_and_nothing_but_the_fields_changes() {
    let cipher = cipher();
    let place = Context::new("t").tenant("x");
    let strategy = (crate::model::document(), crate::model::patterns());
    runner(3_000, 1_000_000)
        .run(&strategy, |(text, patterns)| {
            let fields = Fields::paths(&patterns);
            let spans = crate::model::field_spans(&text, &patterns);
            let sealed = cipher
                .encrypt_json(text.as_bytes(), &fields, &place)
                .unwrap();
            let sealed = std::str::from_utf8(&sealed).unwrap();

            // Walk both texts: what is between the fields is the same, and a field is a quoted token.
            let (mut original, mut rest) = (0, sealed);
            for span in &spans {
                let between = &text[original..span.start];
                prop_assert!(rest.starts_with(between), "{between:?} is not at {rest:?}");
                rest = &rest[between.len()..];
                prop_assert!(rest.starts_with("\"pl1."));
                let end = 1 + rest[1..].find('"').unwrap();
                let opened = cipher.decrypt_value(&rest[1..end], &place.path(&span.path));
                let expected: Value = serde_json::from_str(&text[span.start..span.end]).unwrap();
                prop_assert_eq!(opened.unwrap(), expected);
                rest = &rest[end + 1..];
                original = span.end;
            }
            prop_assert_eq!(rest, &text[original..]);

            // And back: every byte, except that strings in fields may be escaped in another way.
            let opened = cipher
                .decrypt_json(sealed.as_bytes(), &fields, &place)
                .unwrap();
            let opened = std::str::from_utf8(&opened).unwrap();
            prop_assert_eq!(
                crate::model::with_strings_normalised(
                    opened,
                    &crate::model::field_spans(opened, &patterns)
                ),
                crate::model::with_strings_normalised(&text, &spans)
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_text_is_taken_for_json_exactly_if_serde_json_takes_it() {
    let (cipher, place, fields) = (cipher(), Context::new("t"), Fields::paths(["a", "/[]/b"]));
    runner(20_000, 1_000_000)
        .run(&crate::model::almost_json(), |text| {
            let ours = cipher.encrypt_json(&text, &fields, &place).is_ok();
            // `RawValue` checks the syntax and keeps numbers as they are, however large.
            let theirs = std::str::from_utf8(&text).is_ok_and(|text| {
                serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
            });
            prop_assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(&text));
            Ok(())
        })
        .unwrap();
}

#[test]
fn documents_nest_as_deep_as_serde_json_reads() {
    let (cipher, place, fields) = (cipher(), Context::new("t"), Fields::paths(["a"]));
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"{"b":"#, "}")] {
        for (levels, good) in [(127, true), (128, false)] {
            let text = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            let sealed = cipher.encrypt_json(text.as_bytes(), &fields, &place);
            assert_eq!(sealed.is_ok(), good, "{levels} of {open}");
            assert_eq!(serde_json::from_str::<Value>(&text).is_ok(), good);
        }
    }
}

#[test]
fn values_and_bytes_are_sealed_at_the_same_paths() {
    let cipher = cipher();
    let place = Context::new("t").path("/body");
    runner(1_000, 100_000)
        .run(
            &(crate::model::document(), crate::model::patterns()),
            |(text, patterns)| {
                let fields = Fields::paths(&patterns);
                let mut value: Value = serde_json::from_str(&text).unwrap();
                let original = value.clone();
                cipher.encrypt_fields(&mut value, &fields, &place).unwrap();
                let sealed = value.to_string();
                let opened = cipher
                    .decrypt_json(sealed.as_bytes(), &fields, &place)
                    .unwrap();
                prop_assert_eq!(
                    serde_json::from_slice::<Value>(&opened).unwrap(),
                    original.clone()
                );

                cipher.decrypt_fields(&mut value, &fields, &place).unwrap();
                prop_assert_eq!(value, original);
                Ok(())
            },
        )
        .unwrap();
}

#[test]
fn no_bytes_make_the_format_panic() {
    let (cipher, place) = (cipher(), Context::new("t"));
    let near = "pl1\\.[A-Za-z0-9_-]{0,90}";
    runner(5_000, 1_000_000)
        .run(&prop_oneof![near, ".*"], |text| {
            prop_assert!(cipher.decrypt_str(&text, &place).is_err());
            let _ = palisade_crypto::format::inspect(&text);
            Ok(())
        })
        .unwrap();
}
