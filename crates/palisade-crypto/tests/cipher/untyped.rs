//! Values that carry no type: what another program sealed, and plaintext while it may pass.

use palisade_core::time::UnixTime;
use palisade_crypto::{
    Context, Encrypted, Error, FieldCipher, Fields, Key, Keyring, LegacyReader, Reencrypted,
    Untyped,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const PLACE: Context<'static> = Context::new("users").path("/email");

// Sealed with Python's `cryptography` package: AESGCM(bytes of KEY).encrypt(nonce, plaintext, b"users") after the nonce.
const KEY: &str = "ax8Mo9lOgnW4DGH9OpfiRRCL1vksf0OuXQaykY41x/Q=";
const EMPTY: &str = "AAAAAAAAAAAAAAAB+kw2eXAKlXRR2JpLmGaTLA==";
const HELLO: &str = "AAAAAAAAAAAAAAACMOFn9KW8sPvKv2LK9dpqyYDXnom2";
/// The bytes 0 and 159, which are not UTF-8.
const BINARY: &str = "AAAAAAAAAAAAAAADbKacpMLisReK5st3Lkcr87NE";
/// `{"n":1.50}`
const OBJECT: &str = "AAAAAAAAAAAAAAAE8eUz2RF672bJNjv49ot5UYXc4PO7mkccQwU=";
/// `"a@b.c"` with its quotes.
const QUOTED: &str = "AAAAAAAAAAAAAAAFfQ0IgYwd2DFfOrMSp7+/iWld4MZg8ZQ=";
/// `17`
const NUMBER: &str = "AAAAAAAAAAAAAAAGlMgF37EssJjAwsPzd81YKOSu";

fn strict() -> FieldCipher {
    FieldCipher::new(Keyring::single(Key::generate().unwrap()).unwrap())
}

fn with_legacy(cipher: &FieldCipher) -> FieldCipher {
    let key = Key::from_text("K", KEY).unwrap();
    cipher
        .clone()
        .legacy(LegacyReader::aes_gcm(key).additional_data(b"users"))
}

fn with_plaintext(cipher: &FieldCipher) -> FieldCipher {
    cipher
        .clone()
        .insecure_allow_plaintext_until(UnixTime::from_secs(u64::MAX))
}

fn moved(cipher: &FieldCipher, stored: &str) -> Result<String, Error> {
    match cipher.reencrypt(stored, &PLACE)? {
        Reencrypted::Rotated(sealed) => Ok(sealed),
        Reencrypted::Unchanged => panic!("unchanged"),
    }
}

#[test]
fn the_type_of_a_legacy_value_is_what_the_caller_says_and_not_what_its_bytes_look_like() {
    let strict = strict();
    let cipher = with_legacy(&strict);
    for (stored, plain) in [(EMPTY, &b""[..]), (HELLO, b"hello"), (BINARY, &[0, 159])] {
        assert_eq!(cipher.decrypt_bytes(stored, &PLACE).unwrap(), plain);
        let sealed = moved(&cipher.clone().untyped(Untyped::Bytes), stored).unwrap();
        assert_eq!(strict.decrypt_bytes(&sealed, &PLACE).unwrap(), plain);
    }
    for (stored, plain) in [(EMPTY, ""), (HELLO, "hello")] {
        assert_eq!(cipher.decrypt_str(stored, &PLACE).unwrap(), plain);
        let sealed = moved(&cipher, stored).unwrap();
        assert_eq!(strict.decrypt_str(&sealed, &PLACE).unwrap(), plain);
        assert!(strict.decrypt_bytes(&sealed, &PLACE).is_err());
    }
    // A wrong type is an error before anything is stored.
    for refused in [
        moved(&cipher, BINARY),
        cipher.decrypt_str(BINARY, &PLACE),
        moved(&cipher.clone().untyped(Untyped::Json), HELLO),
        moved(&cipher.clone().untyped(Untyped::Json), EMPTY),
    ] {
        assert!(
            matches!(refused, Err(Error::WrongType { .. })),
            "{refused:?}"
        );
    }
    let message = |stored: &str| cipher.decrypt_str(stored, &PLACE).unwrap_err().to_string();
    assert_eq!(message(BINARY), "the sealed value is bytes, not text");
    let number = strict.encrypt_value(&json!(7), &PLACE).unwrap();
    assert_eq!(
        message(&number),
        "the sealed value is a JSON value that is not text, not text"
    );
}

#[test]
fn legacy_json_keeps_its_types_and_its_numbers() {
    let strict = strict();
    let cipher = with_legacy(&strict).untyped(Untyped::Json);
    let read = |stored| cipher.decrypt_value(stored, &PLACE).unwrap();
    assert_eq!(read(OBJECT), json!({"n": 1.5}));
    assert_eq!(read(QUOTED), json!("a@b.c"));
    assert_eq!(read(NUMBER), json!(17));
    let body = format!(r#"{{"email": "{OBJECT}" }}"#);
    let (fields, place) = (Fields::paths(["email"]), Context::new("users"));
    assert_eq!(
        *cipher
            .decrypt_json(body.as_bytes(), &fields, &place)
            .unwrap(),
        *br#"{"email": {"n":1.50} }"#
    );
    // A string becomes a text.
    let sealed = moved(&cipher, QUOTED).unwrap();
    assert_eq!(strict.decrypt_str(&sealed, &PLACE).unwrap(), "a@b.c");
    let sealed = moved(&cipher, NUMBER).unwrap();
    assert_eq!(strict.decrypt_value(&sealed, &PLACE).unwrap(), json!(17));
}

#[test]
fn permitted_plaintext_is_opened_as_bytes_and_moved_over() {
    let strict = strict();
    let cipher = with_plaintext(&strict);
    assert_eq!(cipher.decrypt_bytes("a@b.c", &PLACE).unwrap(), b"a@b.c");
    assert_eq!(cipher.plaintext_seen(), 1);
    let sealed = moved(&cipher, "a@b.c").unwrap();
    assert_eq!(strict.decrypt_str(&sealed, &PLACE).unwrap(), "a@b.c");
    let sealed = moved(&cipher.clone().untyped(Untyped::Bytes), "a@b.c").unwrap();
    assert_eq!(strict.decrypt_bytes(&sealed, &PLACE).unwrap(), b"a@b.c");
    let sealed = moved(&cipher.clone().untyped(Untyped::Json), "[1]").unwrap();
    assert_eq!(strict.decrypt_value(&sealed, &PLACE).unwrap(), json!([1]));
    assert_eq!(cipher.plaintext_seen(), 4);
    // Without the permission, or once it has ended, nothing moves.
    let ended = strict
        .clone()
        .insecure_allow_plaintext_until(UnixTime::from_secs(1));
    for cipher in [&strict, &ended] {
        assert!(matches!(moved(cipher, "a@b.c"), Err(Error::NotSealed)));
        let opened = cipher.decrypt_bytes("a@b.c", &PLACE);
        assert!(matches!(opened, Err(Error::NotSealed)));
    }
    // What claims to be sealed is never plaintext.
    assert!(matches!(moved(&cipher, "pl1.x"), Err(Error::Malformed)));
}

#[test]
fn a_document_of_plaintext_legacy_and_sealed_values_moves_over_whole() {
    let strict = strict();
    let cipher = with_plaintext(&with_legacy(&strict));
    let (fields, place) = (Fields::paths(["email"]), Context::new("users"));
    let at = Context::new("users").path("/[]/email");
    let sealed = strict.encrypt_str("sealed", &at).unwrap();
    let mut document = json!([
        {"email": sealed}, {"email": HELLO}, {"email": "plain"}, {"email": 7}, {"email": null}
    ]);
    let count = cipher.reencrypt_fields(&mut document, &fields, &place);
    assert_eq!(count.unwrap(), 4);
    strict
        .decrypt_fields(&mut document, &fields, &place)
        .unwrap();
    let emails: Vec<&Value> = document
        .as_array()
        .unwrap()
        .iter()
        .map(|user| &user["email"])
        .collect();
    assert_eq!(json!(emails), json!(["sealed", "hello", "plain", 7, null]));
    assert_eq!(cipher.plaintext_seen(), 3);
}

#[derive(Serialize, Deserialize)]
struct User {
    #[serde(deserialize_with = "Encrypted::deserialize_unsealed")]
    email: Encrypted<String>,
    #[serde(deserialize_with = "Encrypted::deserialize_unsealed")]
    age: Encrypted<u32>,
}

#[test]
fn struct_fields_that_are_not_sealed_yet_open_by_permission_and_move_over() {
    let strict = strict();
    let at = |path| Context::new("users").path(path);
    let stored = json!({"email": HELLO, "age": 41});
    let mut user: User = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&user).unwrap(), stored);
    assert!(matches!(
        user.email.open(&strict, &at("/email")),
        Err(Error::NotSealed)
    ));
    assert!(matches!(
        user.age.open(&strict, &at("/age")),
        Err(Error::NotSealed)
    ));
    assert!(matches!(
        user.age.reencrypt(&strict, &at("/age")),
        Err(Error::NotSealed)
    ));

    let moving = with_plaintext(&with_legacy(&strict));
    assert_eq!(user.email.open(&moving, &at("/email")).unwrap(), "hello");
    assert_eq!(user.age.open(&moving, &at("/age")).unwrap(), 41);
    assert!(user.email.reencrypt(&moving, &at("/email")).unwrap());
    assert!(user.age.reencrypt(&moving, &at("/age")).unwrap());
    assert!(!user.age.reencrypt(&moving, &at("/age")).unwrap());
    assert_eq!(user.email.open(&strict, &at("/email")).unwrap(), "hello");
    assert_eq!(user.age.open(&strict, &at("/age")).unwrap(), 41);
    let shown = serde_json::to_string(&user).unwrap();
    assert!(
        !shown.contains("hello") && !shown.contains("41}"),
        "{shown}"
    );
}
