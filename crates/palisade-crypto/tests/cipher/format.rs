//! The format, byte for byte. The values were made by a program of its own from the description in the crate's
//! documentation, with Python's `cryptography` package.

use palisade_crypto::{
    BlindIndex, Context, Error, FieldCipher, Key, KeyId, Keyring, Normaliser, Suite, format,
};
use serde_json::json;

const KEY: &str = "ax8Mo9lOgnW4DGH9OpfiRRCL1vksf0OuXQaykY41x/Q=";
const TEXT: &str = "pl1.AQAAAAdAQUJDREVGR0hJSktMTU5PUFFSU1RVVleRcMk7q_iUKJnPRFK5ChckUfpo0O6r";
const JSON: &str = "pl1.AQAAAAdAQUJDREVGR0hJSktMTU5PUFFSU1RVVleTIKdstf7bKuhTfZeIRR-wrurdXYkxCYE";
const BYTES: &str = "pl1.AQAAAAdAQUJDREVGR0hJSktMTU5PUFFSU1RVVleSEXZJqHViqKtOQ1dh46wpvH0Wjg";
const COMMITTING: &str = "pl1.AgAAAAdAQUJDREVGR0hJSktMTU5PUFFSU1RVVlfjNEehY99GYgGBGBi6LAzLHoQnBfIVGbyZqwpvNmE3q2qVdUUFuZmcUmOiuiPO2sASK9fMveI";
const TOKEN: &str = "LryMTZSOGxd3FBnatsH43A";
const WHOLE_TOKEN: &str = "4YUvvlx7MMkwotpxpVklWmqtRIWi0CCJ3vVc9MmS2Ig";

fn cipher() -> FieldCipher {
    let key = Key::from_text("KEY", KEY).unwrap();
    FieldCipher::new(Keyring::builder().primary(KeyId(7), key).build().unwrap())
}

fn email() -> Context<'static> {
    Context::new("users")
        .path("/email")
        .tenant("t1")
        .record_id("42")
}

#[test]
fn values_made_elsewhere_from_the_description_open() {
    let cipher = cipher();
    assert_eq!(cipher.decrypt_str(TEXT, &email()).unwrap(), "a@b.c");
    assert_eq!(cipher.decrypt_str(COMMITTING, &email()).unwrap(), "a@b.c");
    let photo = Context::new("users").path("/photo");
    assert_eq!(
        cipher.decrypt_bytes(BYTES, &photo).unwrap(),
        [0x00, 0xff, 0x10]
    );
    let price = Context::new("orders").path("/items/[]/price");
    assert_eq!(cipher.decrypt_value(JSON, &price).unwrap(), json!(150.0));
}

#[test]
fn numbers_come_back_as_they_were_written() {
    let document = format!(r#"{{"items":[{{"price":"{JSON}"}}]}}"#);
    let fields = palisade_crypto::Fields::paths(["/items/[]/price"]);
    let opened = cipher().decrypt_json(document.as_bytes(), &fields, &Context::new("orders"));
    assert_eq!(*opened.unwrap(), *br#"{"items":[{"price":1.50e+2}]}"#);
}

#[test]
fn index_tokens_made_elsewhere_from_the_description_are_found() {
    let index = BlindIndex::new(&cipher(), "users/email").normaliser(Normaliser::Email);
    assert_eq!(index.token(" A@B.c", Some("t1")).unwrap().as_str(), TOKEN);
    let whole = index.truncate(32).unwrap();
    assert_eq!(whole.token("a@b.c", None).unwrap().as_str(), WHOLE_TOKEN);
}

#[test]
fn a_value_says_its_suite_and_key() {
    assert_eq!(format::inspect(TEXT).unwrap(), (Suite::Xaes, KeyId(7)));
    assert_eq!(
        format::inspect(COMMITTING).unwrap(),
        (Suite::Committing, KeyId(7))
    );
}

#[test]
fn malformed_values_are_told_apart() {
    let open = |text: &str| cipher().decrypt_str(text, &email()).unwrap_err();
    assert!(matches!(open("a@b.c"), Error::NotSealed));
    assert!(matches!(open(""), Error::NotSealed));
    assert!(matches!(open("pl2.AAAA"), Error::NotSealed));
    for text in [
        "pl1.",
        "pl1.A",
        "pl1.!!!!",
        "pl1.AQAAAAc",
        &format!("{TEXT}="),
        &format!("{TEXT}\n"),
    ] {
        assert!(matches!(open(text), Error::Malformed), "{text}");
    }
    // Suite 0x03.
    assert!(matches!(
        open(&format!("pl1.Aw{}", &TEXT[6..])),
        Error::UnknownSuite(3)
    ));
}

#[test]
fn the_bits_that_base64_leaves_over_must_be_zero() {
    // 5 + 24 + 1 + 6 + 16 = 52 bytes: the last of two characters has four spare bits.
    let cipher = cipher();
    let place = Context::new("t");
    let sealed = cipher.encrypt_str("abcdef", &place).unwrap();
    assert_eq!((sealed.len() - 4) % 4, 2);
    let (head, last) = sealed.split_at(sealed.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let opened = alphabet
        .chars()
        .filter(|last| cipher.decrypt_str(&format!("{head}{last}"), &place).is_ok())
        .collect::<String>();
    assert_eq!(opened, last, "one text alone opens");
}

#[test]
fn the_values_of_one_document_share_the_start_of_their_nonces_and_no_nonce() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let nonce = |sealed: &serde_json::Value| -> [u8; 24] {
        let raw = URL_SAFE_NO_PAD.decode(&sealed.as_str().unwrap()[4..]);
        raw.unwrap()[5..29].try_into().unwrap()
    };
    let cipher = cipher();
    let fields = palisade_crypto::Fields::paths(["/a", "/b", "/c"]);
    let mut seen = std::collections::HashSet::new();
    let mut starts = std::collections::HashSet::new();
    for _ in 0..50 {
        let mut as_value = json!({"a": 1, "b": "x", "c": [true]});
        let text = as_value.to_string();
        cipher
            .encrypt_fields(&mut as_value, &fields, &Context::new("t"))
            .unwrap();
        let as_text = cipher.encrypt_json(text.as_bytes(), &fields, &Context::new("t"));
        let as_text: serde_json::Value = serde_json::from_slice(&as_text.unwrap()).unwrap();
        for document in [as_value, as_text] {
            let nonces = ["a", "b", "c"].map(|name| nonce(&document[name]));
            assert!(nonces.iter().all(|nonce| nonce[..12] == nonces[0][..12]));
            assert!(
                starts.insert(nonces[0][..12].to_vec()),
                "a start came twice"
            );
            for nonce in nonces {
                assert!(seen.insert(nonce), "a nonce came twice");
            }
        }
    }
}
