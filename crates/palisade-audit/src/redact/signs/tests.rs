use proptest::prelude::*;

use super::*;
use crate::redact::{Redactor, values};

fn finds(text: &[u8], signs: Signs, is_cut: bool) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    values::find(text, signs, is_cut, |place| found.push(place));
    found
}

#[test]
fn fields_do_not_run_over_however_long_the_text() {
    for len in [0, 1, 254, 255, 256, 510, 511, 100_000] {
        let text = vec![b'7'; len];
        let signs = Signs::of(&text);
        assert_eq!((signs.digits, signs.gaps), (len, 0));
        assert!(signs.is_plain() && !signs.has_controls(), "{len}");
        assert!(!signs.may_have_pairs() && !signs.may_be_encoded(), "{len}");
    }
    assert_eq!(Signs::of(&[b'-'; 1_000]).gaps, 1_000);
}

#[test]
fn one_byte_is_seen_wherever_it_stands() {
    for at in [0, 1, 13, 254, 255, 256, 599] {
        let mut text = vec![b'x'; 600];
        text[at] = b'\n';
        assert!(Signs::of(&text).has_controls(), "{at}");
        text[at] = 0xe2;
        assert!(!Signs::of(&text).is_plain(), "{at}");
        text[at] = b'\'';
        assert!(Signs::of(&text).may_have_pairs(), "{at}");
        text[at] = b'%';
        assert!(Signs::of(&text).may_be_encoded(), "{at}");
    }
}

#[test]
fn a_word_is_long_from_the_shortest_token_on() {
    // `xoxb-` and ten characters.
    assert_eq!(SHORTEST_TOKEN, 15);
    for before in 0..40 {
        let text = |len: usize| [" ".repeat(before), "x".repeat(len), " y".into()].concat();
        assert!(!has_long_word(text(14).as_bytes()), "{before}");
        assert!(has_long_word(text(15).as_bytes()), "{before}");
    }
}

#[test]
fn ordinary_texts_are_clean() {
    for text in [
        "",
        "a",
        "tea at four, for the lady in the library by the back door",
        "2026-11-20",
        "+44 20 7946 0321",
        "/v1/ping",
        "bench/1.0",
        "north-2",
    ] {
        let signs = Signs::of(text.as_bytes());
        assert!(signs.is_clean(text.as_bytes()), "{text}");
    }
}

#[test]
fn the_least_that_a_detector_finds_has_its_sign() {
    for text in [
        // A card of 13 digits, among the test numbers that payment providers publish.
        "4222 222 222 222",
        "//u:p@h",
        // No more dashes than these, and no long word.
        "-----BEGIN PRIVATE KEY",
        "xoxb-1234567890",
        "eyJhbGci.12345678",
        "Bearer a",
        "basic dTpw",
    ] {
        let text = text.as_bytes();
        let found = finds(text, Signs::of(text), false);
        assert_eq!(found.len(), 1, "{}", String::from_utf8_lossy(text));
        assert_eq!(found, finds(text, Signs::ALL, false));
    }
}

/// Pieces of what the detectors look for, and of what stands beside it.
fn pieces() -> impl Strategy<Value = String> {
    let mut known: Vec<String> = [
        "bearer",
        "Bearer",
        "BASIC",
        "basic ",
        "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "mF_9.B5f-4.1JqM",
        " ",
        "\t",
        "+",
        "eyJhbGciOiJIUzI1NiJ9",
        "ewo",
        ".",
        "..",
        "//",
        "u:p@h",
        "@",
        ":",
        "https:",
        "4111111111111111",
        "4111 1111",
        "1111-1111",
        "378282246310005",
        "12/26",
        "7",
        "-----BEGIN PRIVATE KEY-----",
        "-----END",
        "-----B",
        "=",
        "\"",
        "'",
        "&",
        "?",
        "#",
        "%",
        "%3D",
        "%2F",
        "\\u0065",
        "\\",
        "password",
        "token",
        ":",
        "é",
        "\u{a0}",
        "\n",
        "x",
        "tea at four",
        "sk-",
        "AKIA",
    ]
    .into_iter()
    .map(Into::into)
    .collect();
    known.extend(MARKS.iter().map(|(mark, least)| {
        let mark = String::from_utf8_lossy(mark);
        format!("{mark}{}", "a1".repeat(*least / 2))
    }));
    let piece = prop_oneof![
        8 => proptest::sample::select(known),
        2 => "[ -~]{0,6}",
        1 => "[a-z0-9A-Z_.-]{8,24}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 4_000 }))]

    #[test]
    fn no_find_is_missed_for_want_of_a_sign(text in pieces(), is_cut in any::<bool>()) {
        let text = text.as_bytes();
        let signs = Signs::of(text);
        let all = finds(text, Signs::ALL, is_cut);
        prop_assert_eq!(&finds(text, signs, is_cut), &all);

        let mut cleaner = Redactor::defaults().cleaner();
        let (mut gated, mut complete) = (Vec::new(), Vec::new());
        cleaner.inside_of(&mut gated, text, signs);
        cleaner.inside_of(&mut complete, text, Signs::ALL);
        prop_assert_eq!(&gated, &complete);
        if signs.is_clean(text) {
            prop_assert_eq!(&gated[..], text);
        }
    }
}

#[test]
fn a_text_with_pairs_escapes_or_encodings_is_not_clean() {
    for text in [
        "password=x",
        "it's",
        "\"quoted\"",
        "a%20b",
        "a\\b",
        "tea\nat four",
        "caf\u{e9}",
        "\u{7f}",
    ] {
        let signs = Signs::of(text.as_bytes());
        assert!(!signs.is_clean(text.as_bytes()), "{text:?}");
    }
}
