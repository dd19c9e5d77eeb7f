//! `application/x-www-form-urlencoded`, for queries and bodies.

/// Writes a text with nothing left as it is that any reader might take otherwise.
pub(crate) fn escape(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(*byte),
            other => out.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
}

/// `name=value&name=value`.
#[cfg(feature = "oidc")]
pub(crate) fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in pairs {
        if !form.is_empty() {
            form.push(b'&');
        }
        escape(name.as_bytes(), &mut form);
        form.push(b'=');
        escape(value.as_bytes(), &mut form);
    }
    form
}

/// The value of a member that must not be there twice.
#[cfg(feature = "oidc")]
pub(crate) fn only(form: &str, name: &str) -> Result<Option<String>, Malformed> {
    let mut found = None;
    for pair in form.split('&').filter(|pair| !pair.is_empty()) {
        let (given, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Also of other members: what is no form is not read at all.
        let (given, value) = (unescape(given)?, unescape(value)?);
        if given == name && found.replace(value).is_some() {
            return Err(Malformed);
        }
    }
    Ok(found)
}

/// A form with a member twice, or with escapes that are none.
#[cfg(feature = "oidc")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

#[cfg(feature = "oidc")]
fn unescape(text: &str) -> Result<String, Malformed> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    let digit = bytes.next().map(char::from)?.to_digit(16)?;
                    u8::try_from(digit).ok()
                };
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(Malformed);
                };
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(out).map_err(|_| Malformed)
}

#[cfg(all(test, feature = "oidc"))]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_it_was_written() {
        let text = "a b+c&d=e%/é?#";
        let written = String::from_utf8(form([("state", text), ("n m", "")])).unwrap();
        assert_eq!(written, "state=a%20b%2Bc%26d%3De%25%2F%C3%A9%3F%23&n%20m=");
        assert_eq!(only(&written, "state").unwrap().as_deref(), Some(text));
        assert_eq!(only(&written, "n m").unwrap().as_deref(), Some(""));
        assert_eq!(only(&written, "code").unwrap(), None);
        assert_eq!(only("a=b+c", "a").unwrap().as_deref(), Some("b c"));
    }

    #[test]
    fn a_member_that_is_there_twice_or_an_escape_that_is_none_is_refused() {
        for bad in [
            "a=1&a=1",
            "a=1&%61=2",
            "a=%",
            "a=%4",
            "a=%zz",
            "%ff=1",
            "a=%ff",
            "b=%+1&a=1",
        ] {
            assert_eq!(only(bad, "a"), Err(Malformed), "{bad}");
        }
        assert_eq!(only("b=1&b=2&a=3", "a").unwrap().as_deref(), Some("3"));
    }
}
