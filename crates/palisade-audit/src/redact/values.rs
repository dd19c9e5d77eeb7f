//! Secrets that are known by their form, whatever they are called.

use std::ops::Range;

/// Nothing shorter is looked for: `a://u:p@h` is the shortest.
const SHORTEST: usize = 9;

/// Prefixes that issuers give to their secrets, and how many characters must follow.
const PREFIXES: &[(&[u8], usize)] = &[
    (b"AKIA", 16),
    (b"ASIA", 16),
    (b"AIza", 30),
    (b"ghp_", 30),
    (b"gho_", 30),
    (b"ghu_", 30),
    (b"ghs_", 30),
    (b"ghr_", 30),
    (b"github_pat_", 20),
    (b"glpat-", 16),
    (b"xoxb-", 10),
    (b"xoxp-", 10),
    (b"xoxa-", 10),
    (b"xoxs-", 10),
    (b"sk_live_", 10),
    (b"rk_live_", 10),
    (b"sk-ant-", 10),
    (b"npm_", 30),
    (b"SG.", 20),
];

/// Calls `found` with the place of each secret in `text`, in their order.
pub(super) fn find(text: &[u8], mut found: impl FnMut(Range<usize>)) {
    if text.len() < SHORTEST {
        return;
    }
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let secret = match START[usize::from(byte)] {
            Start::Other => {
                at += 1;
                continue;
            }
            Start::Gap => gap(text, at),
            Start::Word => word(text, at),
            Start::Plain => None,
        };
        at = match secret {
            Some(secret) => {
                let end = secret.end;
                found(secret);
                end
            }
            // A secret begins where a word does, so the rest of this one is passed over.
            None if is_word(byte) => at + run(text, at, is_word),
            None => at + 1,
        };
    }
}

/// What may begin at a byte.
#[derive(Clone, Copy)]
enum Start {
    /// Nothing, and it belongs to no word.
    Other,
    /// `://` or `-----BEGIN`.
    Gap,
    /// A word that may be a secret, or announce one.
    Word,
    /// A word that cannot.
    Plain,
}

const START: [Start; 256] = {
    let mut table = [Start::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b':' | b'-' => Start::Gap,
            b'0'..=b'9' | b'b' | b'B' | b'e' | b'A' | b'g' | b'x' | b's' | b'r' | b'n' | b'S' => {
                Start::Word
            }
            other if is_word(other) => Start::Plain,
            _ => Start::Other,
        };
        byte += 1;
    }
    table
};

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn gap(text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = &text[at..];
    if rest.starts_with(b"://") {
        user_info(text, at + 3)
    } else if rest.starts_with(b"-----BEGIN ") {
        private_key(text, at)
    } else {
        None
    }
}

fn word(text: &[u8], at: usize) -> Option<Range<usize>> {
    match text[at] {
        b'0'..=b'9' => card(text, at),
        b'b' | b'B' => scheme(text, at, b"bearer").or_else(|| scheme(text, at, b"basic")),
        b'e' => jwt(text, at),
        _ => issued(text, at),
    }
}

/// How many bytes from `at` on satisfy `fits`.
fn run(text: &[u8], at: usize, fits: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| fits(**byte)).count()
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The credential behind `Bearer` or `Basic` (RFC 6750, section 2.1; RFC 7617, section 2).
fn scheme(text: &[u8], at: usize, name: &[u8]) -> Option<Range<usize>> {
    if !text.get(at..at + name.len())?.eq_ignore_ascii_case(name) {
        return None;
    }
    let mut start = at + name.len();
    // A space, or what stands for one in a URL.
    let gap = match text.get(start..)? {
        [b' ' | b'+', ..] => 1,
        [b'%', b'2', b'0', ..] => 3,
        _ => return None,
    };
    start += gap;
    let len = run(text, start, |byte| {
        is_base64url(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=')
    });
    // Prose has words behind `bearer` and `basic`: a credential is long, or has a digit in it.
    let credential = &text[start..start + len];
    let is_credential = len >= 20 || (len >= 6 && credential.iter().any(u8::is_ascii_digit));
    is_credential.then_some(start..start + len)
}

/// A JSON Web Token in compact form (RFC 7519): its header begins with `{"`, which is `eyJ` in base64url.
fn jwt(text: &[u8], at: usize) -> Option<Range<usize>> {
    text.get(at..)?.strip_prefix(b"eyJ")?;
    let header = run(text, at, is_base64url);
    let claims_at = at + header + 1;
    let claims = run(text, claims_at, is_base64url);
    if text.get(at + header) != Some(&b'.') || header < 8 || claims < 8 {
        return None;
    }
    let mut end = claims_at + claims;
    // The signature, or the three further parts of an encrypted token.
    while text.get(end) == Some(&b'.') {
        end += 1 + run(text, end + 1, is_base64url);
    }
    Some(at..end)
}

fn issued(text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let (prefix, wanted) = PREFIXES
        .iter()
        .find(|(prefix, _)| rest.starts_with(prefix))?;
    let len = run(text, at + prefix.len(), |byte| {
        is_base64url(byte) || byte == b'.'
    });
    (len >= *wanted).then_some(at..at + prefix.len() + len)
}

/// A payment card's number: a length and a beginning that issuers use, and the right check digit (ISO/IEC 7812-1).
fn card(text: &[u8], at: usize) -> Option<Range<usize>> {
    let mut digits = [0_u8; 19];
    let mut count = 0;
    let mut end = at;
    let mut next = at;
    while let Some(byte) = text.get(next) {
        match byte {
            b'0'..=b'9' => {
                *digits.get_mut(count)? = byte - b'0';
                count += 1;
                next += 1;
                end = next;
            }
            b' ' | b'-' if text.get(next + 1).is_some_and(u8::is_ascii_digit) => next += 1,
            _ => break,
        }
    }
    let ends_a_word = !text
        .get(end)
        .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    let digits = &digits[..count];
    (ends_a_word && is_issued_length(digits) && luhn(digits)).then_some(at..end)
}

fn is_issued_length(digits: &[u8]) -> bool {
    let lead = |count: usize| {
        digits
            .iter()
            .take(count)
            .fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit))
    };
    let len = digits.len();
    match digits.first() {
        Some(4) => matches!(len, 13 | 16 | 19),
        Some(5) => len == 16 && (50..=59).contains(&lead(2)),
        Some(2) => len == 16 && (2221..=2720).contains(&lead(4)),
        Some(3) => match lead(2) {
            34 | 37 => len == 15,
            30 | 36 | 38 | 39 => len == 14,
            35 => (16..=19).contains(&len),
            _ => false,
        },
        Some(6) => (16..=19).contains(&len),
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(nth, digit)| match (nth % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) => digit * 2 % 10 + digit * 2 / 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// User and password of a URL, `://user:password@` (RFC 3986, section 3.2.1).
fn user_info(text: &[u8], at: usize) -> Option<Range<usize>> {
    let len = run(text, at, |byte| {
        byte > b' ' && byte < 0x7f && !matches!(byte, b'/' | b'?' | b'#' | b'"' | b'<' | b'>')
    });
    let authority = &text[at..at + len];
    let end = authority.iter().rposition(|byte| *byte == b'@')?;
    (end > 0).then_some(at..at + end)
}

/// A private key in PEM form, to its end or the text's.
fn private_key(text: &[u8], at: usize) -> Option<Range<usize>> {
    let head = text.get(at..text.len().min(at + 64))?;
    let marker = b"PRIVATE KEY";
    head.windows(marker.len()).position(|part| part == marker)?;
    let close = b"-----END";
    let rest = &text[at..];
    let end = rest.windows(close.len()).position(|part| part == close);
    Some(at..end.map_or(text.len(), |end| at + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(text: &str) -> Vec<&str> {
        let mut secrets = Vec::new();
        find(text.as_bytes(), |place| secrets.push(&text[place]));
        secrets
    }

    #[test]
    fn known_forms_are_found() {
        // The token of RFC 7519, section 3.1, and the credential of RFC 7617, section 2.
        let jwt = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(secrets(&format!("got {jwt}, thanks")), [jwt]);
        assert_eq!(
            secrets("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ["QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]
        );
        // The token of RFC 6750, section 2.1.
        assert_eq!(secrets("bearer mF_9.B5f-4.1JqM"), ["mF_9.B5f-4.1JqM"]);
        // The example keys in AWS' documentation.
        assert_eq!(
            secrets("id=AKIAIOSFODNN7EXAMPLE;"),
            ["AKIAIOSFODNN7EXAMPLE"]
        );
        assert_eq!(secrets("see postgres://app:s3cr3t@db/x?y"), ["app:s3cr3t"]);
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n";
        assert_eq!(secrets(&format!("{pem}-----END PRIVATE KEY-----")), [pem]);
    }

    #[test]
    fn card_numbers_are_known_by_issuer_and_check_digit() {
        // Test numbers that payment providers publish.
        for number in [
            "4242424242424242",
            "4242 4242 4242 4242",
            "5555-5555-5555-4444",
            "378282246310005",
            "6011111111111117",
            "30569309025904",
            "2223003122003222",
        ] {
            assert_eq!(secrets(&format!("card {number}.")), [number]);
        }
        for other in [
            "4242424242424241",
            "1795190400250",
            "20261120160000123",
            "00000000000000000",
            "9999999999999995",
            "42424242424242424242",
            "id4242424242424242",
        ] {
            assert_eq!(secrets(&format!("no {other}.")), [""; 0], "{other}");
        }
    }

    #[test]
    fn prose_and_ordinary_values_stay() {
        for text in [
            "basic training and bearer bonds",
            "a bearer of news",
            "basic access",
            "2026-11-20T16:00:00Z",
            "550e8400-e29b-41d4-a716-446655440000",
            "https://example.org/a@b",
            "mailto",
            "eyJust a word",
            "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
            "+1 (555) 010-9999",
        ] {
            assert_eq!(secrets(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn places_are_in_order_and_inside() {
        use proptest::prelude::*;
        proptest!(|(text in "[ -~]{0,60}(://|eyJ|bearer |4242424242424242|AKIA)[ -~]{0,60}")| {
            let mut last = 0;
            find(text.as_bytes(), |place| {
                assert!(last <= place.start && place.start < place.end && place.end <= text.len());
                last = place.end;
            });
        });
    }
}
