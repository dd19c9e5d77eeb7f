//! Placeholders by their form: instructions, names of values to be filled in, and text in brackets.
//!
//! Such a text names what belongs there, often with words that no list holds, as in `INSERT_ETHERSCAN_API_KEY`. So it is
//! known by its build: nothing but words, of which certain ones stand in certain places. A random secret is not made of
//! words; one of words, such as a passphrase, does not have these at these places.

/// Words that begin an instruction.
const LEADS: &[&str] = &[
    "add", "change", "choose", "copy", "create", "enter", "fill", "generate", "get", "insert",
    "my", "paste", "place", "please", "put", "replace", "set", "some", "the", "type", "update",
    "use", "your",
];

/// Words that an instruction asks for.
const NOUNS: &[&str] = &[
    "credential",
    "credentials",
    "dsn",
    "here",
    "hash",
    "id",
    "key",
    "keys",
    "passphrase",
    "password",
    "pass",
    "passwd",
    "pwd",
    "salt",
    "secret",
    "secrets",
    "string",
    "token",
    "tokens",
    "uri",
    "url",
    "value",
];

/// Words that say of which kind the key, secret or token is that follows.
const KINDS: &[&str] = &[
    "access",
    "account",
    "api",
    "app",
    "application",
    "auth",
    "authentication",
    "bearer",
    "client",
    "cookie",
    "crypto",
    "database",
    "db",
    "encryption",
    "hmac",
    "jwt",
    "license",
    "master",
    "oauth",
    "personal",
    "private",
    "public",
    "refresh",
    "root",
    "secret",
    "service",
    "session",
    "signing",
    "webhook",
];

/// Words that describe a secret, beside those above.
const DESCRIPTIONS: &[&str] = &[
    "base64",
    "bytes",
    "char",
    "character",
    "characters",
    "chars",
    "generated",
    "least",
    "long",
    "random",
    "rand",
    "redacted",
    "secure",
    "strong",
];

/// The brackets around a text that is to be replaced.
const BRACKETS: &[(&str, &str)] = &[
    ("<", ">"),
    ("${", "}"),
    ("$(", ")"),
    ("{{", "}}"),
    ("{", "}"),
    ("[", "]"),
    ("(", ")"),
    ("%", "%"),
    ("__", "__"),
    ("`", "`"),
];

/// The longest word; a random secret in letters of one case is one long word.
const MAX_WORD: usize = 16;

pub(super) fn is_template(secret: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(secret) else {
        return false;
    };
    let text =
        text.trim_matches(|end: char| end.is_ascii_whitespace() || end == '"' || end == '\'');
    let inside = BRACKETS.iter().find_map(|(open, close)| {
        text.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
    });
    match inside {
        Some(inside) => {
            words(inside).is_some_and(|words| words.iter().any(|word| is_instruction(word)))
        }
        None => words(text).is_some_and(|words| asks(&words) || names(&words)),
    }
}

/// `insert ... key`, `your ... url here`.
fn asks(words: &[String]) -> bool {
    words.split_first().is_some_and(|(first, rest)| {
        LEADS.contains(&first.as_str()) && rest.iter().any(|word| NOUNS.contains(&word.as_str()))
    })
}

/// `... api key`, `... client secret`: what the secret is called, where it should stand itself.
fn names(words: &[String]) -> bool {
    matches!(words, [.., kind, noun] if KINDS.contains(&kind.as_str()) && NOUNS.contains(&noun.as_str()))
}

/// Whether a word, within brackets, says that something is to be put in. Shorter ones stand in random texts by chance.
fn is_instruction(word: &str) -> bool {
    word.len() >= 3
        && [LEADS, NOUNS, KINDS, DESCRIPTIONS]
            .iter()
            .any(|list| list.contains(&word))
}

/// The words of a text in lower case, if it is made of nothing else: letters of one case or with a capital before them,
/// and numbers. Nothing if it has a part that is no word.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let parts = text.split(|mark: char| " _-.:,/=!?'\"".contains(mark));
    for part in parts.filter(|part| !part.is_empty()) {
        for word in humps(part) {
            let letters = word.trim_end_matches(|digit: char| digit.is_ascii_digit());
            let digits = word.len() - letters.len();
            if digits > 4 || letters.len() > MAX_WORD || !is_word(letters) {
                return None;
            }
            if !letters.is_empty() {
                words.push(letters.to_ascii_lowercase());
            }
        }
    }
    Some(words)
}

/// `yourApiKey` as `your`, `Api`, `Key`.
fn humps(part: &str) -> impl Iterator<Item = &str> {
    let bytes = part.as_bytes();
    let mut start = 0;
    let ends = (1..=bytes.len()).filter(move |&at| {
        at == bytes.len() || (bytes[at - 1].is_ascii_lowercase() && bytes[at].is_ascii_uppercase())
    });
    ends.filter_map(move |end| part.get(std::mem::replace(&mut start, end)..end))
}

/// Letters, of one case but for the first; a random text of them mixes its cases, and seldom has vowels in each part.
fn is_word(letters: &str) -> bool {
    let Some(rest) = letters.get(1..) else {
        return letters.is_empty();
    };
    let is_sayable = letters.len() <= 4
        || letters
            .bytes()
            .any(|letter| b"aeiouyAEIOUY".contains(&letter));
    is_sayable
        && letters.bytes().all(|letter| letter.is_ascii_alphabetic())
        && (rest.bytes().all(|letter| letter.is_ascii_lowercase())
            || letters.bytes().all(|letter| letter.is_ascii_uppercase()))
}
