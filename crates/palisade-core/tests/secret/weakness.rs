//! Placeholders are caught in whatever dress, and random secrets pass.

#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeSet;

use palisade_core::random;
use palisade_core::secret::{Weakness, check};

/// Placeholders that templates, tutorials and examples write in the place of a secret.
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

/// Lines of at least 32 characters from the lists of secrets that are tried first (`jwt-common.txt` of jwt_tool), of
/// each kind that can be told from random.
#[test]
fn a_phrase_with_marks_between_its_words_is_written_however_short() {
    for phrase in [
        "correct-horse",
        "correct-horse-battery-staple-2024",
        "Correct-Horse-Battery-Staple-42",
        "CORRECT_HORSE_BATTERY_STAPLE",
        "bookings_service_internal_2024",
        "winter/is/coming/soon/2024",
        "orange-elephant-dancing",
        "acme-internal-payments-gateway",
        "Monday+Morning+Coffee",
    ] {
        assert!(check(phrase.as_bytes(), 0).is_err(), "{phrase}");
    }
}

#[test]
fn groups_of_random_letters_are_no_false_alarm() {
    // The same in every run: one of 3 * 10^7 is to be expected. Constants of D. Knuth's MMIX.
    let mut state = 1_u64;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        b'a' + (state >> 33) as u8 % 26
    };
    for mark in [b'-', b'_', b'.'] {
        for _ in 0..3_000 {
            let token = [(); 6].map(|()| [(); 6].map(|()| letter())).join(&mark);
            let shown = String::from_utf8_lossy(&token);
            assert_eq!(check(&token, 32), Ok(()), "{shown}");
        }
    }
    all_pass("uuid", || {
        let hex = |len| from_alphabet(b"0123456789abcdef", len);
        [8, 4, 4, 4, 12].map(hex).join(&b'-')
    });
}

#[test]
fn what_is_guessed_first_is_refused() {
    let known = [
        "Talk is cheap, show me the code. Talk is cheap, show me the code",
        "TheSecretStringIsMuchStrongerThanOneMillionOfTanks",
        "this-is-a-brobdinagian-ultra-secure-and-ultra-long-secret-for-pearlsworth",
        "this-is-the-collaborative-project-between-sarthak-and-anand",
        "The JSON Web Token Secret still needs to be configured...",
        "supersecretconstantthatyoucannotbreak",
        "the_very_secure_and_long_secret_for_jwt",
        "thisisjust1tokentovalidateuserfor3600seconds",
        "th1s1s0n3longfuck1ns3cr3tyoush0uldn0tr3v3al",
        "@the-difference-@ll-we-will-do-is-to-standout",
        "correct horse battery staple plugin orange",
        "testing-testing-testing-testing!",
        "test123-test123-test123-test123-test123-test123-test123",
        "012345678901234567890123456789XY",
        "01234567890abcde01234567890abcde01234567890abcde01234567890abcde",
        "qwertyuiopasdfghjklzxcvbnm123456",
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.",
        "!QAZ2wsx#EDC4rfv%TGB6yhn&UJM8ik,",
        "zaq12wsxcde34rfvbgt56yhnmju78ik,",
        "1q2w3e4r5t6y7u8i9o0p1q2w3e4r5t6y",
        "t7w!z%C*F)J@NcRfUjXn2r5u8x/A?D(G",
        "SgVkYp3s6v9y/B?E(H+MbQeThWmZq4t7",
        "5367566B59703373367639792F423F4528482B4D6251655468576D5A71347437",
        "0x7365637265747365637265747365637265747365637265747365637265747365",
        "VGhpc0lzTXlWZXJ5U2VjdXJlQW5kTG9uZ1NlY3JldEZvckp3dA==",
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "GQDstcKsx0NHjPOuXOYg5MbeJ1XT0uFiwDVvVBrk",
    ];
    let weak = [Err(Weakness::Placeholder), Err(Weakness::LowEntropy)];
    let passing = |known: &&&str| !weak.contains(&check(known.as_bytes(), 32));
    let missed: Vec<&&str> = known.iter().filter(passing).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

/// As many random secrets of each kind as a run can afford; all must pass.
fn all_pass(kind: &str, generate: impl Fn() -> Vec<u8>) {
    let count = if std::env::var_os("PALISADE_FULL").is_some() {
        1_000_000
    } else {
        5_000
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

#[test]
fn no_alphanumeric_or_printable_token_is_a_false_alarm() {
    all_pass("alphanumeric", || {
        from_alphabet(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            32,
        )
    });
    all_pass("long alphanumeric", || {
        from_alphabet(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            86,
        )
    });
    // RFC 4648, section 6, and the alphabet of ULIDs.
    all_pass("base32", || {
        from_alphabet(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 52)
    });
    all_pass("crockford", || {
        from_alphabet(b"0123456789abcdefghjkmnpqrstvwxyz", 52)
    });
    all_pass("printable", || {
        let printable: [u8; 94] = std::array::from_fn(|place| b'!' + place as u8);
        from_alphabet(&printable, 32)
    });
}

#[test]
fn what_was_random_before_it_was_encoded_is_no_false_alarm() {
    const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    all_pass("base64", || {
        let mut token = from_alphabet(BASE64, 43);
        token.push(b'=');
        token
    });
    all_pass("long hex", || from_alphabet(b"0123456789ABCDEF", 128));
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
