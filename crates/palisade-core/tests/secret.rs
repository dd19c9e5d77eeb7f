//! Placeholders are caught in whatever dress, and random secrets pass.

#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeSet;

use palisade_core::random;
use palisade_core::secret::{Weakness, check};

/// What templates, tutorials and examples write where a secret should stand.
const PLACEHOLDERS: &[&str] = &[
    "change me",
    "change this",
    "change it",
    "change me please",
    "change me now",
    "change me in production",
    "please change me",
    "please change this secret key",
    "must change",
    "your secret key change in production",
    "your secret key here",
    "your secret",
    "your secret key",
    "your jwt secret",
    "your jwt secret key",
    "your api key",
    "your api key here",
    "your password",
    "your password here",
    "your token here",
    "your super secret key",
    "my secret",
    "my secret key",
    "my super secret password",
    "super secret",
    "super secret key",
    "super secret jwt token",
    "secret",
    "secret key",
    "secret password",
    "secret token",
    "top secret key",
    "not a secret",
    "not secret",
    "not so secret",
    "password",
    "default password",
    "default secret key",
    "test",
    "test key",
    "test secret",
    "test secret key",
    "testing only do not use",
    "dev secret",
    "dev secret key",
    "dev only secret",
    "development secret key",
    "local dev key",
    "staging secret",
    "example",
    "example key",
    "example secret key",
    "sample secret",
    "dummy key",
    "dummy secret",
    "fake secret",
    "placeholder",
    "placeholder secret",
    "replace me",
    "replace this",
    "replace with your secret",
    "replace with a random string",
    "insert your key here",
    "enter your secret key",
    "put your secret key here",
    "todo",
    "fixme",
    "admin",
    "root",
    "letmein",
    "qwerty",
    "welcome",
    "jwt secret",
    "jwt secret key",
    "jwt signing key",
    "encryption key",
    "master key",
    "private key",
    "api secret",
    "app secret",
    "client secret",
    "session secret",
    "auth secret",
    "signing secret",
    "insecure key for testing",
    "a very secret key",
    "this is a secret",
    "this is not a secure key",
    "use a long random secret key",
    "some secret value",
    "generate a strong secret",
    "do not use in production",
];

/// A dress for a phrase.
type Dress = fn(&[&str]) -> String;

const DRESSES: &[Dress] = &[
    |words| words.join(" "),
    |words| words.join("-"),
    |words| words.join("_").to_uppercase(),
    |words| words.concat(),
    |words| words.iter().map(|word| capital(word)).collect(),
    |words| {
        words
            .iter()
            .map(|word| capital(word))
            .collect::<Vec<_>>()
            .join(".")
    },
    |words| format!("<{}>", words.join("_")),
    |words| format!("${{{}}}", words.join("_").to_uppercase()),
    |words| format!("{}123", words.join("-")),
    |words| format!("{}!2024", words.join("_")),
    |words| format!("\"{}\" ", words.join(" ")),
    |words| words.join("-").replace('a', "@").replace('o', "0"),
    |words| {
        words
            .concat()
            .replace('e', "3")
            .replace('s', "$")
            .replace('i', "1")
    },
];

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

#[test]
fn every_variant_of_a_placeholder_is_caught() {
    let mut variants = BTreeSet::new();
    for phrase in PLACEHOLDERS {
        let words: Vec<&str> = phrase.split(' ').collect();
        variants.extend(DRESSES.iter().map(|dress| dress(&words)));
    }
    assert!(variants.len() >= 200);
    let missed: Vec<&String> = variants
        .iter()
        .filter(|variant| check(variant.as_bytes(), 0) != Err(Weakness::Placeholder))
        .collect();
    assert!(
        missed.is_empty(),
        "{} of {}: {missed:#?}",
        missed.len(),
        variants.len()
    );
}

/// Placeholders that cannot be dressed up.
#[test]
fn well_known_single_placeholders_are_caught() {
    for placeholder in [
        "your-secret-key-change-in-production",
        "changeme",
        "CHANGE_ME",
        "ChangeMe!",
        "password123",
        "P@ssw0rd",
        "s3cr3t",
        "hunter2",
        "admin123",
        "letmein1",
        "qwerty123",
        "supersecretkey",
        "your-256-bit-secret",
    ] {
        assert_eq!(
            check(placeholder.as_bytes(), 0),
            Err(Weakness::Placeholder),
            "{placeholder}"
        );
    }
}

#[test]
fn regular_texts_are_not_random() {
    for regular in [
        "0000000000000000000000000000000000000000",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "zyxwvutsrqponmlkjihgfedcba9876543210",
        "x7Kx7Kx7Kx7Kx7Kx7Kx7Kx7Kx7Kx7Kx7Kx7K",
        "aB3$aB3$aB3$aB3$aB3$aB3$aB3$aB3$",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
    ] {
        assert_eq!(
            check(regular.as_bytes(), 32),
            Err(Weakness::LowEntropy),
            "{regular}"
        );
    }
    for nothing in ["", "   ", "\n\t"] {
        assert_eq!(check(nothing.as_bytes(), 32), Err(Weakness::Empty));
    }
}

/// As many random secrets of each kind as a run can afford; all must pass.
fn all_pass(kind: &str, generate: impl Fn() -> Vec<u8>) {
    let count = if std::env::var_os("PALISADE_FULL").is_some() {
        1_000_000
    } else {
        20_000
    };
    for _ in 0..count {
        let token = generate();
        let outcome = check(&token, 32);
        assert_eq!(
            outcome,
            Ok(()),
            "{kind}: {:?}",
            String::from_utf8_lossy(&token)
        );
    }
}

/// `len` characters, each from the first `N` that a random byte picks without bias.
fn from_alphabet<const N: usize>(alphabet: &[u8; N], len: usize) -> Vec<u8> {
    let fair = 256 - 256 % N;
    let mut token = Vec::with_capacity(len);
    while token.len() < len {
        let picks = random::bytes::<64>().unwrap();
        token.extend(
            picks
                .iter()
                .map(|pick| usize::from(*pick))
                .filter(|pick| *pick < fair)
                .map(|pick| alphabet[pick % N]),
        );
    }
    token.truncate(len);
    token
}

const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[test]
fn no_url_safe_token_is_a_false_alarm() {
    // 32 bytes, as `secrets.token_urlsafe(32)` of Python writes them.
    all_pass("url safe", || from_alphabet(URL_SAFE, 43));
}

#[test]
fn no_hexadecimal_token_is_a_false_alarm() {
    all_pass("hex", || from_alphabet(b"0123456789abcdef", 64));
    all_pass("short hex", || from_alphabet(b"0123456789abcdef", 32));
}

#[test]
fn no_raw_key_is_a_false_alarm() {
    all_pass("raw", || random::bytes::<32>().unwrap().to_vec());
}

#[test]
fn no_decimal_token_is_a_false_alarm() {
    all_pass("decimal", || from_alphabet(b"0123456789", 39));
    all_pass("short decimal", || from_alphabet(b"0123456789", 32));
}

#[test]
fn no_token_of_small_letters_is_a_false_alarm() {
    all_pass("letters", || {
        from_alphabet(b"abcdefghijklmnopqrstuvwxyz", 32)
    });
}
