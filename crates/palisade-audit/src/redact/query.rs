use super::action::Action;
use super::cleaner::Cleaner;
use super::pairs::{self, Kind};
use super::replacements::Replacement;
use super::signs::Signs;

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
        self.look(body, Signs::of(body), Kind::Query, false);
        self.replacements.write(out, body, false);
    }
}

/// Finds the values of sensitive names in a query, or in a form.
///
/// A pair begins behind `&` or `;`, because servers differ, and a value that is taken out reaches to the next `&`.
pub(super) fn look(cleaner: &mut Cleaner, query: &[u8]) {
    let mut start = 0;
    while start < query.len() {
        let name = pairs::run(query, start, |byte| !matches!(byte, b'=' | b'&' | b';'));
        let name = start..start + name;
        if query.get(name.end) != Some(&b'=') {
            start = name.end + 1;
            continue;
        }
        let value = name.end + 1;
        let value = value..value + pairs::run(query, value, |byte| byte != b'&');
        let action = match value.is_empty() {
            true => None,
            false => decide(cleaner, &query[name.clone()]),
        };
        start = match action {
            None | Some(Action::Keep) => {
                value.start
                    + pairs::run(query, value.start, |byte| !matches!(byte, b'&' | b';'))
                    + 1
            }
            Some(_) => value.end + 1,
        };
        match action {
            None | Some(Action::Keep) => {}
            Some(Action::Mask) => cleaner.replacements.add(value, Replacement::Mask),
            Some(Action::Drop) => {
                let end = query.len().min(value.end + 1);
                cleaner
                    .replacements
                    .add(name.start..end, Replacement::Nothing);
            }
            Some(Action::Tokenize) => {
                let token = cleaner.token(&decoded(&query[value.clone()]));
                cleaner.replacements.add(value, token);
            }
        }
    }
}

/// Returns the treatment of the value of a name in a query.
pub(super) fn decide(cleaner: &mut Cleaner, name: &[u8]) -> Option<Action> {
    let plain = decoded(name);
    cleaner.decide(&plain).or_else(|| {
        let is_known = IN_QUERIES
            .iter()
            .any(|known| plain.eq_ignore_ascii_case(known.as_bytes()));
        (is_known && cleaner.finds_values()).then_some(Action::Mask)
    })
}

/// Undoes `%xx` and `+`, so that an encoded name is still known, and the same value gives the same token.
pub(super) fn decoded(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
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
    use crate::Redactor;

    fn clean(redactor: &Redactor, query: &str) -> String {
        let mut out = Vec::new();
        redactor.cleaner().form(query.as_bytes(), &mut out);
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
            Redactor::defaults()
                .cleaner()
                .inside(&mut out, text.as_bytes());
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            clean("https://a.example/?token=x&page=2#top"),
            "https://a.example/?token=[redacted]&page=2#top"
        );
        assert_eq!(
            clean("see http://a.example/b and <http://c.example/?code=y>, http://d.example?otp=1"),
            "see http://a.example/b and <http://c.example/?code=[redacted]>, http://d.example?otp=[redacted]"
        );
        for plain in [
            "",
            "://",
            "what? nothing",
            "https://a.example/b",
            "a://b c?d=e",
        ] {
            assert_eq!(clean(plain), plain);
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
