use super::action::Action;
use super::cleaner::Cleaner;

/// Names that are credentials in a query and ordinary words elsewhere: OAuth's `code`, signed links, single sign-on.
const IN_QUERIES: [&str; 8] = [
    "code",
    "sig",
    "state",
    "ticket",
    "samlresponse",
    "samlrequest",
    "key",
    "hmac",
];

impl Cleaner {
    /// Appends a form (`application/x-www-form-urlencoded`) or a query with sensitive values replaced.
    ///
    /// The result is not made safe for a line of a log; a client may have put anything into it.
    pub fn form(&mut self, body: &[u8], out: &mut Vec<u8>) {
        write(self, out, body);
    }
}

/// Appends a query, or a form, with the values of sensitive names replaced.
pub(super) fn write(redaction: &mut Cleaner, out: &mut Vec<u8>, query: &[u8]) {
    let mut first = true;
    for pair in query.split(|byte| matches!(byte, b'&' | b';')) {
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (&pair[..at], Some(&pair[at + 1..])),
            None => (pair, None),
        };
        let action = match value {
            Some(value) if !value.is_empty() => decide(redaction, name),
            _ => None,
        };
        if action == Some(Action::Drop) {
            continue;
        }
        if !first {
            out.push(b'&');
        }
        first = false;
        match (action, value) {
            (None | Some(Action::Keep), _) => out.extend_from_slice(pair),
            (Some(action), value) => {
                out.extend_from_slice(name);
                out.push(b'=');
                let value = decoded(value.unwrap_or_default());
                redaction.replace(out, action, &value);
            }
        }
    }
}

/// Appends a text with the queries of the URLs in it cleaned, such as the value of `Referer`. Answers whether there were
/// any; nothing was appended if not.
pub(super) fn in_urls(redaction: &mut Cleaner, out: &mut Vec<u8>, text: &[u8]) -> bool {
    let mut rest = text;
    let mut found = false;
    while let Some((query, end)) = next_query(rest) {
        found = true;
        out.extend_from_slice(&rest[..query]);
        write(redaction, out, &rest[query..end]);
        rest = &rest[end..];
    }
    if found {
        out.extend_from_slice(rest);
    }
    found
}

/// Where the query of the first URL that has one begins and ends (RFC 3986, section 3.4).
fn next_query(text: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        let scheme = from + text[from..].windows(3).position(|part| part == b"://")?;
        let ends_url = |byte: &u8| *byte <= b' ' || matches!(byte, b'"' | b'<' | b'>' | b'#');
        let url = &text[scheme..];
        let end = scheme + url.iter().position(ends_url).unwrap_or(url.len());
        match text[scheme..end].iter().position(|byte| *byte == b'?') {
            Some(mark) => return Some((scheme + mark + 1, end)),
            None => from = end.max(scheme + 3),
        }
    }
}

fn decide(redaction: &mut Cleaner, name: &[u8]) -> Option<Action> {
    let plain = decoded(name);
    redaction.decide(&plain).or_else(|| {
        IN_QUERIES
            .iter()
            .any(|known| plain.eq_ignore_ascii_case(known.as_bytes()))
            .then_some(Action::Mask)
    })
}

/// Undoes `%xx` and `+`, so that an encoded name is still known, and the same value gives the same token.
fn decoded(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return text.into();
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let pair = (digit(text.get(at + 1)), digit(text.get(at + 2)));
        match (byte, pair) {
            (b'%', (Some(high), Some(low))) => {
                // Two hexadecimal digits are one byte.
                plain.push((high << 4 | low) as u8);
                at += 3;
                continue;
            }
            (b'+', _) => plain.push(b' '),
            _ => plain.push(*byte),
        }
        at += 1;
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Redactor;

    fn clean(redactor: &Redactor, query: &str) -> String {
        let mut out = Vec::new();
        write(&mut redactor.cleaner(), &mut out, query.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_of_sensitive_names_are_masked_in_place() {
        assert_eq!(
            clean(&Redactor::defaults(), "room=7&api_key=abc&page=2"),
            "room=7&api_key=[redacted]&page=2"
        );
    }

    #[test]
    fn every_duplicate_is_masked() {
        assert_eq!(
            clean(&Redactor::defaults(), "token=a&token=b&TOKEN=c"),
            "token=[redacted]&token=[redacted]&TOKEN=[redacted]"
        );
    }

    #[test]
    fn an_encoded_name_is_still_known() {
        assert_eq!(
            clean(&Redactor::defaults(), "pass%77ord=x&user%5Bemail%5D=y"),
            "pass%77ord=[redacted]&user%5Bemail%5D=[redacted]"
        );
    }

    #[test]
    fn sign_in_codes_are_masked_in_queries() {
        assert_eq!(
            clean(&Redactor::defaults(), "code=abc&state=xyz"),
            "code=[redacted]&state=[redacted]"
        );
    }

    #[test]
    fn queries_of_urls_inside_a_text_are_cleaned() {
        let clean = |text: &str| {
            let mut out = Vec::new();
            let found = in_urls(
                &mut Redactor::defaults().cleaner(),
                &mut out,
                text.as_bytes(),
            );
            found.then(|| String::from_utf8(out).unwrap())
        };
        assert_eq!(
            clean("https://a.example/?token=x&page=2#top").unwrap(),
            "https://a.example/?token=[redacted]&page=2#top"
        );
        assert_eq!(
            clean("see http://a.example/b and <http://c.example/?code=y>, http://d.example?otp=1")
                .unwrap(),
            "see http://a.example/b and <http://c.example/?code=[redacted]>, http://d.example?otp=[redacted]"
        );
        for plain in [
            "",
            "://",
            "what? nothing",
            "https://a.example/b",
            "a://b c?d=e",
        ] {
            assert_eq!(clean(plain), None, "{plain}");
        }
    }

    #[test]
    fn dropped_names_leave_nothing() {
        let redactor = Redactor::defaults().drop(["token"]);
        assert_eq!(clean(&redactor, "token=a&room=7"), "room=7");
    }

    #[test]
    fn the_same_value_gives_the_same_token_however_it_is_encoded() {
        let redactor = Redactor::defaults()
            .tokenize(["email"], b"kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu")
            .unwrap();
        let one = clean(&redactor, "email=ada%40example.org");
        let same = clean(&redactor, "email=ada@example.org");
        let other = clean(&redactor, "email=bob@example.org");
        assert_eq!(one, same);
        assert_ne!(one, other);
        // "email=", "tok_" and 16 bytes in base64.
        assert_eq!(one.len(), 6 + 4 + 22);
    }
}
