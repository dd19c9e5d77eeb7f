//! Secrets, and the ways in which they are written.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

/// A secret as it is sent, and what of it must not be seen.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    pub(crate) text: String,
    pub(crate) canary: String,
}

pub(crate) fn secret(text: String, canary: &str) -> Secret {
    Secret {
        text,
        canary: plain(canary),
    }
}

/// Letters and digits alone, after every layer of encoding was undone.
pub(crate) fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let next = undone(&text);
        if next == text {
            return text.chars().filter(char::is_ascii_alphanumeric).collect();
        }
        text = next;
    }
}

/// Undoes `%xx` and `\u00xx`, and takes other backslashes away.
pub(crate) fn undone(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let code = |prefix: &str, digits: usize| {
            let digits = rest.strip_prefix(prefix)?.get(..digits)?;
            let code = u32::from_str_radix(digits, 16).ok()?;
            Some((char::from_u32(code)?, prefix.len() + digits.len()))
        };
        let (found, used) = code("%", 2)
            .or(code("\\u", 4))
            .unwrap_or((first, first.len_utf8()));
        if found != '\\' || used > 1 {
            out.push(found);
        }
        rest = &rest[used..];
    }
    out
}

pub(crate) fn any_secret() -> impl Strategy<Value = Secret> {
    let word = || "[a-zA-Z][a-zA-Z0-9]{38}[0-9]";
    prop_oneof![
        (
            prop::sample::select(vec![
                "sk_test_", "whsec_", "xapp-1-", "GOCSPX-", "ya29.", "hvs.", "sk-proj-", "hf_",
                "pypi-", "dop_v1_", "shpat_", "ghp_", "glpat-", "npm_",
            ]),
            word()
        )
            .prop_map(|(mark, word)| secret(format!("{mark}{word}"), &word)),
        word().prop_map(|word| secret(format!("Bearer {word}"), &word)),
        word().prop_map(|word| secret(format!("bearer\t  {word}"), &word)),
        word().prop_map(|word| {
            let credential = STANDARD.encode(format!("user:{word}"));
            secret(format!("Basic {credential}"), &credential)
        }),
        (word(), prop::bool::ANY).prop_map(|(word, is_encrypted)| {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A128GCM"}"#);
            let between = if is_encrypted { ".." } else { "." };
            secret(format!("{header}{between}{word}.{word}"), &word)
        }),
        (word(), prop::sample::select(vec!["", "/", "?", "#", "@"])).prop_map(|(word, raw)| {
            secret(format!("https://user:{raw}{word}@db.example/x"), &word)
        }),
        (
            prop::sample::select(vec![
                "4111111111111111",
                "5555555555554444",
                "6011111111111117"
            ]),
            prop::sample::select(vec!["", " ", "-"]),
            prop::sample::select(vec!["", " 12/26", " 123", " 4242424242424242"]),
        )
            .prop_map(|(digits, gap, behind)| {
                let groups: Vec<_> = (0..4).map(|nth| &digits[nth * 4..nth * 4 + 4]).collect();
                secret(format!("{}{behind}", groups.join(gap)), digits)
            }),
        (
            prop::sample::select(vec![
                "password",
                "session",
                "csrfmiddlewaretoken",
                "connect.sid",
                "code_verifier",
                "api_key",
            ]),
            word(),
            0..4_u8
        )
            .prop_map(|(name, word, how)| {
                let text = match how {
                    0 => format!("{name}={word}"),
                    1 => format!("https://app.example/cb?x=1&{name}={word}&y=2"),
                    2 => json!({ name: word, "room": 7 }).to_string(),
                    _ => json!({ "a": [{ name: [word] }] }).to_string(),
                };
                secret(text, &word)
            }),
    ]
}

/// The way in which a secret is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Encoding {
    Plain,
    Percent,
    PercentTwice,
    JsonEscapes,
    JsonInJson,
}

pub(crate) fn any_encoding() -> impl Strategy<Value = Encoding> {
    prop::sample::select(vec![
        Encoding::Plain,
        Encoding::Percent,
        Encoding::PercentTwice,
        Encoding::JsonEscapes,
        Encoding::JsonInJson,
    ])
}

pub(crate) fn percent(text: &str, all: bool) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' if !all => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

impl Encoding {
    pub(crate) fn write(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Percent => percent(text, true),
            Self::PercentTwice => percent(&percent(text, false), false),
            Self::JsonEscapes => {
                let escapes = text
                    .bytes()
                    .map(|byte| format!("\\u{:04x}", u32::from(byte)));
                escapes.collect()
            }
            Self::JsonInJson => {
                let inner = json!({ "note": text }).to_string();
                json!({ "outer": inner }).to_string()
            }
        }
    }
}
