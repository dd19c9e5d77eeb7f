//! The cookie of a session (RFC 6265). Pure.

use http::{HeaderMap, HeaderValue, header};

use crate::Refusal;

/// The value of the only cookie of this name.
pub(crate) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a [u8]>, Refusal> {
    let mut all = all(headers, name);
    match (all.next(), all.next()) {
        (found, None) => Ok(found),
        // Whoever sets a second one wants ours to be taken for his.
        (_, Some(_)) => Err(Refusal::SeveralCredentials),
    }
}

/// The values of all cookies of this name: whoever signs out wants none of them to live on.
pub(super) fn all<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(move |pair| {
            let value = pair.trim_ascii_start().strip_prefix(name.as_bytes())?;
            Some(value.strip_prefix(b"=")?.trim_ascii_end())
        })
}

/// Takes every cookie of this name out of the request.
pub(crate) fn remove(headers: &mut HeaderMap, name: &str) {
    if all(headers, name).next().is_none() {
        return;
    }
    let lines: Vec<HeaderValue> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| {
            let pairs = line.as_bytes().split(|byte| *byte == b';');
            let kept: Vec<&[u8]> = pairs
                .map(<[u8]>::trim_ascii)
                .filter(|pair| !is_of(pair, name))
                .collect();
            HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok()
        })
        .filter(|line| !line.is_empty())
        .collect();
    headers.remove(header::COOKIE);
    for line in lines {
        headers.append(header::COOKIE, line);
    }
}

/// Whether `name=value` is a cookie of this name.
fn is_of(pair: &[u8], name: &str) -> bool {
    let value = pair.strip_prefix(name.as_bytes());
    value.is_some_and(|value| value.starts_with(b"="))
}

/// The transports that a cookie may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// https alone, to this host alone.
    Secure,
    /// Plain http too, for development.
    Plain,
}

impl Transport {
    pub(crate) fn cookie_name(self, name: &str) -> String {
        match self {
            Self::Secure => format!("__Host-{name}"),
            Self::Plain => name.to_owned(),
        }
    }
}

/// `Set-Cookie`, with an empty value and an age of zero to take it away.
pub(crate) fn set(
    name: &str,
    value: &str,
    seconds: u64,
    transport: Transport,
) -> Option<HeaderValue> {
    let secure = match transport {
        Transport::Secure => "; Secure",
        Transport::Plain => "",
    };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}{secure}; HttpOnly; SameSite=Lax");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The same for a cookie that comes back with forms of other sites, which takes `Secure` (RFC 6265bis, section 5.7).
#[cfg(feature = "oidc")]
pub(crate) fn set_for_all_sites(name: &str, value: &str, seconds: u64) -> Option<HeaderValue> {
    let text =
        format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=None");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The value of a `Set-Cookie`.
#[cfg(all(feature = "oidc", feature = "axum"))]
pub(super) fn set_value(set_cookie: &HeaderValue) -> Option<&[u8]> {
    let pair = set_cookie.as_bytes().split(|byte| *byte == b';').next()?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    pair.get(equals + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(cookies: &[&str]) -> Result<Option<String>, Refusal> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, cookie.parse().unwrap());
        }
        find(&headers, "__Host-s")
            .map(|value| value.map(|value| String::from_utf8(value.to_vec()).unwrap()))
    }

    #[test]
    fn every_cookie_of_the_name_is_taken_out_and_no_other() {
        let mut headers = HeaderMap::new();
        for line in ["a=1; __Host-s=x;b=2", "__Host-s=y", "__Host-sx=3"] {
            headers.append(header::COOKIE, line.parse().unwrap());
        }
        remove(&mut headers, "__Host-s");
        let left: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
        assert_eq!(left, ["a=1; b=2", "__Host-sx=3"]);
        remove(&mut headers, "none");
        assert_eq!(headers.get_all(header::COOKIE).iter().count(), 2);
    }

    #[test]
    fn only_the_cookie_of_exactly_this_name_is_found() {
        assert_eq!(found(&[]).unwrap(), None);
        assert_eq!(
            found(&["a=1; __Host-s=abc; b=2"]).unwrap().as_deref(),
            Some("abc")
        );
        assert_eq!(
            found(&["a=1", "__Host-s=abc "]).unwrap().as_deref(),
            Some("abc")
        );
        for other in [
            "__Host-session=abc",
            "x__Host-s=abc",
            "__host-s=abc",
            "a=__Host-s=abc",
            "__Host-s",
        ] {
            assert_eq!(found(&[other]).unwrap(), None, "{other}");
        }
        assert_eq!(
            found(&["__Host-s=a; __Host-s=b"]),
            Err(Refusal::SeveralCredentials)
        );
        assert_eq!(
            found(&["__Host-s=a", "__Host-s=a"]),
            Err(Refusal::SeveralCredentials)
        );
    }
}
