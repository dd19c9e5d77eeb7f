//! Finds the one credential that a request presents. Pure, over the head of the request.

use http::{HeaderMap, HeaderName, Uri, header};

use crate::Refusal;

pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The credential of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    Bearer(&'a [u8]),
    /// A token of the scheme `DPoP`, which counts with a proof alone.
    Dpop(&'a [u8]),
    ApiKey(&'a [u8]),
    None,
}

/// The headers in which credentials are looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) api_key: bool,
    /// Whether the scheme `DPoP` is one of ours.
    pub(crate) dpop: bool,
    /// A header that holds a token and nothing else.
    pub(crate) token: Option<&'a HeaderName>,
}

/// The one credential of a request (RFC 6750, section 2: clients must not use more than one method).
#[inline]
pub(crate) fn find<'a>(
    headers: &'a HeaderMap,
    uri: &Uri,
    places: Places<'_>,
) -> Result<Credential<'a>, Refusal> {
    let mut presented = authorization(headers, places.dpop)?;
    if let Some(name) = places.token
        && let Some(token) = only(headers, name)?
        && presented
            .replace(Credential::Bearer(bare_token(token.as_bytes())?))
            .is_some()
    {
        return Err(Refusal::SeveralCredentials);
    }
    let api_key = match places.api_key {
        true => only(headers, &API_KEY)?.map(|value| trimmed(value.as_bytes())),
        false => None,
    };
    match (presented, api_key) {
        (Some(_), Some(_)) => Err(Refusal::SeveralCredentials),
        (Some(_), None) | (None, Some(_)) if has_query_token(uri) => {
            Err(Refusal::SeveralCredentials)
        }
        (Some(token), None) => Ok(token),
        (None, Some([])) => Err(Refusal::MalformedCredential),
        (None, Some(key)) => Ok(Credential::ApiKey(key)),
        (None, None) => Ok(Credential::None),
    }
}

const BEARER: &[u8] = b"bearer";
const DPOP: &[u8] = b"dpop";

/// The token of `Authorization: Bearer` or `DPoP`; other schemes are somebody else's.
fn authorization(headers: &HeaderMap, dpop: bool) -> Result<Option<Credential<'_>>, Refusal> {
    let Some(value) = only(headers, &header::AUTHORIZATION)? else {
        return Ok(None);
    };
    let value = trimmed(value.as_bytes());
    match of_scheme(value, BEARER)? {
        Some(token) => Ok(Some(Credential::Bearer(token))),
        None if dpop => Ok(of_scheme(value, DPOP)?.map(Credential::Dpop)),
        None => Ok(None),
    }
}

/// Whether `Authorization` names the scheme `DPoP`.
pub(crate) fn says_dpop(headers: &HeaderMap) -> bool {
    let authorization = headers.get(header::AUTHORIZATION);
    authorization.is_some_and(|value| {
        let value = trimmed(value.as_bytes());
        value
            .split(|byte| *byte == b' ')
            .next()
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(DPOP))
    })
}

fn of_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Result<Option<&'a [u8]>, Refusal> {
    let rest = match value.split_at_checked(scheme.len()) {
        Some((name, rest)) if name.eq_ignore_ascii_case(scheme) => rest,
        _ => return Ok(None),
    };
    match rest {
        // `bearers` is another scheme.
        [other, ..] if *other != b' ' => match is_token_char(*other) {
            true => Ok(None),
            false => Err(Refusal::MalformedCredential),
        },
        _ => {
            let token = trimmed(rest);
            if is_token68(token) {
                Ok(Some(token))
            } else {
                Err(Refusal::MalformedCredential)
            }
        }
    }
}

/// A token without a scheme in front.
pub(crate) fn bare_token(value: &[u8]) -> Result<&[u8], Refusal> {
    let token = trimmed(value);
    match is_token68(token) {
        true => Ok(token),
        false => Err(Refusal::MalformedCredential),
    }
}

/// The only value of a header that must not be there twice.
pub(crate) fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a http::HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Refusal::SeveralCredentials);
    }
    Ok(first)
}

fn trimmed(value: &[u8]) -> &[u8] {
    let start = value.iter().take_while(|byte| **byte == b' ').count();
    let value = &value[start..];
    let end = value.iter().rev().take_while(|byte| **byte == b' ').count();
    &value[..value.len() - end]
}

/// A character of a scheme's name (RFC 9110, section 5.6.2).
pub(crate) const fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// `b64token` of RFC 6750, section 2.1: at least one character, and `=` at the end alone.
pub(crate) fn is_token68(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = &token[..token.len() - padding];
    // Without a way out in the middle the compiler looks at many bytes at once.
    let others = body
        .iter()
        .fold(0, |others, byte| others | other_than_token68(*byte));
    !body.is_empty() && others == 0
}

/// 1 for a character that no bearer token has. `-./` and the digits lie in one row; `+`, `_` and `~` by themselves.
#[inline]
fn other_than_token68(byte: u8) -> u8 {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let row = byte.wrapping_sub(b'-') < 13;
    let single = (byte == b'+') | (byte == b'_') | (byte == b'~');
    u8::from(!(letter | row | single))
}

/// `access_token` in the query (RFC 6750, section 2.3): not a credential here, but a second one beside another.
fn has_query_token(uri: &Uri) -> bool {
    const NAME: &str = "access_token";
    uri.query().is_some_and(|query| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some(NAME))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH_KEYS: Places<'_> = Places {
        api_key: true,
        dpop: false,
        token: None,
    };

    fn found(headers: &[(&str, &str)], uri: &str) -> Result<String, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        find(&map, &uri.parse().unwrap(), WITH_KEYS).map(|credential| match credential {
            Credential::Bearer(token) => format!("bearer {}", String::from_utf8_lossy(token)),
            Credential::Dpop(token) => format!("dpop {}", String::from_utf8_lossy(token)),
            Credential::ApiKey(key) => format!("key {}", String::from_utf8_lossy(key)),
            Credential::None => "none".to_owned(),
        })
    }

    fn authorized(value: &str) -> Result<String, Refusal> {
        found(&[("authorization", value)], "/")
    }

    #[test]
    fn the_scheme_is_matched_in_any_case() {
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            assert_eq!(
                authorized(&format!("{scheme} a.b-c_d~e+f/g==")).unwrap(),
                "bearer a.b-c_d~e+f/g=="
            );
        }
        assert_eq!(authorized("Bearer   abc").unwrap(), "bearer abc", "1*SP");
    }

    #[test]
    fn another_scheme_is_nothing_for_us() {
        for other in [
            "Basic dTpw",
            "Bearerx abc",
            "Bearers",
            "DPoP abc",
            "",
            "Bear",
        ] {
            assert_eq!(authorized(other).unwrap(), "none", "{other:?}");
        }
    }

    #[test]
    fn the_scheme_dpop_is_known_where_it_was_asked_for() {
        let places = Places {
            dpop: true,
            ..WITH_KEYS
        };
        let found = |value: &str| {
            let mut map = HeaderMap::new();
            map.insert("authorization", value.parse().unwrap());
            let token = |credential| match credential {
                Credential::Dpop(token) => Some(token.to_vec()),
                _ => None,
            };
            find(&map, &Uri::from_static("/"), places).map(token)
        };
        for value in ["DPoP abc", "dpop abc", "DPOP   abc"] {
            assert_eq!(found(value), Ok(Some(b"abc".to_vec())), "{value}");
        }
        for other in ["Bearer abc", "DPoPx abc", "Basic abc"] {
            assert_eq!(found(other), Ok(None), "{other}");
        }
        for bad in ["DPoP", "DPoP a b", "DPoP:abc", "DPoP a,b"] {
            assert_eq!(found(bad), Err(Refusal::MalformedCredential), "{bad}");
        }
    }

    #[test]
    fn a_malformed_bearer_is_refused() {
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer =",
            "Bearer a=b",
            "Bearer a\tb",
            "Bearer\tabc",
            "Bearer \"a\"",
            "Bearer a;b",
            "Bearer:abc",
        ] {
            assert_eq!(
                authorized(bad),
                Err(Refusal::MalformedCredential),
                "{bad:?}"
            );
        }
        assert_eq!(
            found(&[("x-api-key", "")], "/"),
            Err(Refusal::MalformedCredential)
        );
    }

    #[test]
    fn a_token_has_these_characters_and_no_others() {
        let allowed = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
        for byte in 0..=u8::MAX {
            assert_eq!(is_token68(&[byte]), allowed.contains(&byte), "{byte:#04x}");
        }
        assert!(is_token68(b"a==") && !is_token68(b"a=b") && !is_token68(b"=") && !is_token68(b""));
    }

    #[test]
    fn two_credentials_are_refused() {
        let bearer = ("authorization", "Bearer abc");
        let key = ("x-api-key", "k");
        for (headers, uri) in [
            (&[bearer, bearer][..], "/"),
            (&[bearer, ("authorization", "Basic x")], "/"),
            (&[key, key], "/"),
            (&[bearer, key], "/"),
            (&[bearer], "/?a=1&access_token=abc"),
            (&[key], "/?access_token"),
        ] {
            assert_eq!(
                found(headers, uri),
                Err(Refusal::SeveralCredentials),
                "{headers:?} {uri}"
            );
        }
        assert_eq!(
            found(&[bearer], "/?xaccess_token=1&access_tokens=2").unwrap(),
            "bearer abc"
        );
        assert_eq!(
            found(&[], "/?access_token=abc").unwrap(),
            "none",
            "off by default"
        );
    }
}
