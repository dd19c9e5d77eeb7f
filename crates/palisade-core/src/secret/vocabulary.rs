//! The words of which placeholders are made.

use std::collections::BTreeSet;

/// Words that say "this is not a secret". Each alone, or joined with others and with [`FILLERS`], is a placeholder.
const TELLING: &[&str] = &[
    "admin",
    "administrator",
    "apikey",
    "asdf",
    "asdfghjkl",
    "bearer",
    "change",
    "changed",
    "changeit",
    "changeme",
    "changethis",
    "client",
    "credential",
    "default",
    "demo",
    "dev",
    "development",
    "dummy",
    "encryption",
    "enter",
    "example",
    "fake",
    "fixme",
    "foobar",
    "generate",
    "guest",
    "hello",
    "here",
    "hunter2",
    "insecure",
    "insert",
    "iloveyou",
    "jwt",
    "key",
    "letmein",
    "local",
    "localhost",
    "master",
    "mock",
    "monkey",
    "notsecret",
    "passphrase",
    "passw0rd",
    "password",
    "passwd",
    "placeholder",
    "please",
    "private",
    "production",
    "qwerty",
    "qwertyuiop",
    "qwertz",
    "replace",
    "replaceme",
    "root",
    "sample",
    "secret",
    "secretkey",
    "secrets",
    "security",
    "signing",
    "some",
    "staging",
    "supersecret",
    "temp",
    "temporary",
    "test",
    "tester",
    "testing",
    "testkey",
    "todo",
    "token",
    "undefined",
    "unsafe",
    "user",
    "welcome",
    "your",
    "zxcvbnm",
];

/// Words and runs that may stand between telling ones, and say nothing alone.
const FILLERS: &[&str] = &[
    "a",
    "abc",
    "abcd",
    "abcdef",
    "access",
    "an",
    "and",
    "api",
    "app",
    "at",
    "auth",
    "be",
    "bit",
    "bits",
    "bytes",
    "char",
    "character",
    "characters",
    "chars",
    "database",
    "db",
    "do",
    "env",
    "url",
    "for",
    "from",
    "hash",
    "hs256",
    "i",
    "in",
    "is",
    "it",
    "least",
    "long",
    "longer",
    "me",
    "min",
    "minimum",
    "more",
    "must",
    "my",
    "need",
    "needs",
    "never",
    "new",
    "not",
    "null",
    "none",
    "now",
    "of",
    "on",
    "only",
    "or",
    "our",
    "own",
    "pass",
    "prod",
    "random",
    "real",
    "refresh",
    "safe",
    "salt",
    "secure",
    "server",
    "service",
    "session",
    "set",
    "should",
    "so",
    "strong",
    "string",
    "super",
    "that",
    "the",
    "this",
    "to",
    "use",
    "value",
    "very",
    "with",
    "x",
    "xx",
    "xxx",
    "xxxx",
    "you",
];

/// Phrases that no random secret contains by accident, wherever they stand.
const PHRASES: &[&str] = &[
    "changeme",
    "changethis",
    "changeit",
    "changeinprod",
    "inproduction",
    "placeholder",
    "replaceme",
    "replacethis",
    "replacewith",
    "opensslrand",
    "devurandom",
    "yoursecret",
    "yourjwt",
    "yourapi",
    "yourkey",
    "yourtoken",
    "yourpassword",
    "secretkey",
    "supersecret",
    "notasecret",
    "donotuse",
    "insertyour",
    "enteryour",
    "putyour",
    "secrethere",
    "keyhere",
    "tokenhere",
    "passwordhere",
];

/// The longest run of digits that may stand between words, as in `password123456`.
const MAX_DIGITS: usize = 10;

pub(super) fn is_placeholder(secret: &[u8]) -> bool {
    if !is_text(secret) {
        return false;
    }
    let plain: Vec<u8> = secret
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase)
        .collect();
    // `P@ssw0rd` and `s3cr3t`: the usual substitutions, read back.
    let read_back: Vec<u8> = secret
        .iter()
        .map(|byte| letter_behind(byte.to_ascii_lowercase()))
        .filter(u8::is_ascii_alphanumeric)
        .collect();
    let is_dressed = is_mostly_marks(secret, plain.len());
    [plain, read_back]
        .iter()
        .any(|text| holds_phrase(text) || (!is_dressed && is_made_of_words(text)))
}

/// The letter that a digit or a sign stands for, where one does.
pub(super) const fn letter_behind(byte: u8) -> u8 {
    match byte {
        b'0' => b'o',
        b'1' | b'!' => b'i',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'7' => b't',
        other => other,
    }
}

/// More marks than letters and digits, of many kinds: the few letters between them spell a short word by chance.
fn is_mostly_marks(secret: &[u8], letters: usize) -> bool {
    let marks: BTreeSet<u8> = secret
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_alphanumeric())
        .collect();
    letters * 2 < secret.len() && marks.len() > 4
}

/// Mostly printable. The few letters in a raw key, read by themselves, spell short words too often.
fn is_text(secret: &[u8]) -> bool {
    let printable = secret
        .iter()
        .filter(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
        .count();
    printable * 4 >= secret.len() * 3
}

fn holds_phrase(text: &[u8]) -> bool {
    PHRASES.iter().any(|phrase| {
        text.windows(phrase.len())
            .any(|window| window == phrase.as_bytes())
    })
}

/// Whether the whole text splits into known words, at least one of them a telling one.
fn is_made_of_words(text: &[u8]) -> bool {
    /// The way to split a prefix of the text.
    #[derive(Clone, Copy, PartialEq, PartialOrd)]
    enum Split {
        Impossible,
        Fillers,
        Telling,
    }
    let mut splits = vec![Split::Impossible; text.len() + 1];
    splits[0] = Split::Fillers;
    for start in 0..text.len() {
        let reached = splits[start];
        if reached == Split::Impossible {
            continue;
        }
        let rest = &text[start..];
        let mut reach = |len: usize, split: Split| {
            if splits[start + len] < split {
                splits[start + len] = split;
            }
        };
        for word in TELLING
            .iter()
            .filter(|word| rest.starts_with(word.as_bytes()))
        {
            reach(word.len(), Split::Telling);
        }
        for word in FILLERS
            .iter()
            .filter(|word| rest.starts_with(word.as_bytes()))
        {
            reach(word.len(), reached);
        }
        let digits = rest
            .iter()
            .take(MAX_DIGITS)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        for len in 1..=digits {
            reach(len, reached);
        }
    }
    splits[text.len()] == Split::Telling
}
