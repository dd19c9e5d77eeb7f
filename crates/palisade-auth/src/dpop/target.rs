//! The addresses that proofs are for (`htu`), compared after the normalisation of RFC 3986, section 6.2.

use std::borrow::Cow;

use http::Uri;

/// The address of a service as clients know it, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base(Box<str>);

impl Base {
    pub(super) fn parse(url: &str) -> Option<Self> {
        if url.contains(['?', '#']) {
            return None;
        }
        let (origin, path) = parts(url)?;
        Some(Self(
            format!("{origin}{}", path.trim_end_matches('/')).into(),
        ))
    }

    /// Whether `htu` is the address of `path` under this one. A query and a fragment do not matter (RFC 9449, section 4.3).
    pub(super) fn is_target(&self, htu: &str, path: &str) -> bool {
        let end = htu.find(['?', '#']).unwrap_or(htu.len());
        let Some((origin, named)) = parts(&htu[..end]) else {
            return false;
        };
        let here = format!("{}{}", self.0, normalised(path));
        here.strip_prefix(&*origin) == Some(&*named)
    }
}

/// The origin and the path of a URL, both in their normal form.
fn parts(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let default_port = match &*scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let authority = uri.authority()?;
    let host = authority.host().to_ascii_lowercase();
    if authority.as_str().contains('@') || host.is_empty() {
        return None;
    }
    let origin = match authority.port_u16() {
        Some(port) if port != default_port => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    };
    Some((origin, normalised(uri.path()).into_owned()))
}

/// A path whose escapes are written in one way: none for what needs none, and capital letters in the others.
fn normalised(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    let mut pieces = path.split('%');
    out.extend(pieces.next());
    for piece in pieces {
        let escaped = piece
            .get(..2)
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, piece.get(2..)) {
            (Some(byte), Some(rest)) => {
                match is_unreserved(byte) {
                    true => out.push(char::from(byte)),
                    false => out.push_str(&format!("%{byte:02X}")),
                }
                out.push_str(rest);
            }
            _ => {
                out.push('%');
                out.push_str(piece);
            }
        }
    }
    Cow::Owned(out)
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_written_in_each_of_its_ways() {
        let base = Base::parse("https://API.example:443/").unwrap();
        for htu in [
            "https://api.example/a/b~c",
            "HTTPS://Api.Example/a/b~c",
            "https://api.example:443/a/b~c",
            "https://api.example/a/b%7Ec",
            "https://api.example/a/b%7ec?x=1",
            "https://api.example/a/b~c#part",
        ] {
            assert!(base.is_target(htu, "/a/b~c"), "{htu}");
        }
        assert!(base.is_target("https://api.example/a/b~c", "/%61/b%7ec"));
        assert!(base.is_target("https://api.example/%c3%a4", "/%C3%A4"));
        assert!(base.is_target("https://api.example", "/"));
    }

    #[test]
    fn another_address_is_another_one() {
        let base = Base::parse("https://api.example").unwrap();
        for htu in [
            "",
            "/a",
            "a",
            "//api.example/a",
            "http://api.example/a",
            "wss://api.example/a",
            "https://api.example:8443/a",
            "https://api.example.evil/a",
            "https://evil/api.example/a",
            "https://api.example@evil/a",
            "https://user@api.example/a",
            "https://api.example/A",
            "https://api.example/a/",
            "https://api.example//a",
            "https://api.example/b",
            "https://api.example/%2Fa",
            "https://api.example/a%",
            "https://api.example/ä",
        ] {
            assert!(!base.is_target(htu, "/a"), "{htu}");
        }
        assert!(
            !base.is_target("https://api.example/a%2Fb", "/a/b"),
            "a slash is no escape"
        );
    }

    #[test]
    fn a_prefix_that_a_proxy_strips_stands_in_front() {
        let base = Base::parse("https://example.com/bookings/").unwrap();
        assert!(base.is_target("https://example.com/bookings/7", "/7"));
        assert!(!base.is_target("https://example.com/7", "/7"));
        assert!(!base.is_target("https://example.com/bookings7", "/7"));
    }

    #[test]
    fn what_is_no_address_of_a_service_is_refused() {
        for bad in [
            "",
            "api.example",
            "ftp://a/",
            "https://",
            "https://a/?x",
            "https://u@a/",
            "/a",
        ] {
            assert_eq!(Base::parse(bad), None, "{bad}");
        }
    }
}
