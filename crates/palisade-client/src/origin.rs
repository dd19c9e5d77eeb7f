use std::net::IpAddr;

use http::Uri;

use crate::HttpClientError;

/// Returns scheme, host and port: the part of a URL that may be shown.
pub(crate) fn origin(uri: &Uri) -> Box<str> {
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}").into(),
        None => format!("{scheme}://{host}").into(),
    }
}

/// The use of plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    /// To this machine alone.
    Loopback,
    /// To any host.
    Anywhere,
}

/// Checks that a request may be sent to a URL at all.
pub(crate) fn admit(uri: &Uri, plain: PlainHttp) -> Result<(), HttpClientError> {
    let refused = |reason| Err(HttpClientError::Refused { reason });
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
        return refused("the URL names no host");
    };
    let has_user = uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'));
    if has_user {
        return refused("the URL carries user information; credentials belong into a header");
    }
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if plain == PlainHttp::Anywhere || is_loopback(host) => Ok(()),
        Some("http") => refused("plain http is for loopback alone"),
        _ => refused("the URL is not https"),
    }
}

/// Whether a host is this machine: `127.0.0.0/8`, `::1`, `localhost` and the names under it (RFC 6761, section 6.3).
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().expect("a URI")
    }

    #[test]
    fn plain_http_is_for_loopback_alone() {
        for allowed in [
            "http://127.0.0.1/",
            "http://127.8.9.10:81/",
            "http://[::1]:80/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://vault.localhost/",
            "https://example.com/",
        ] {
            assert!(
                admit(&uri(allowed), PlainHttp::Loopback).is_ok(),
                "{allowed}"
            );
        }
        for (refused, reason) in [
            ("http://example.com/", "plain http"),
            ("http://128.0.0.1/", "plain http"),
            ("http://0.0.0.0/", "plain http"),
            ("http://localhost.example.com/", "plain http"),
            ("http://notlocalhost/", "plain http"),
            ("http://[::2]/", "plain http"),
            ("ftp://127.0.0.1/", "not https"),
            ("/path", "no host"),
        ] {
            let error = admit(&uri(refused), PlainHttp::Loopback).unwrap_err();
            assert!(error.to_string().contains(reason), "{refused}: {error}");
        }
        assert!(admit(&uri("http://example.com/"), PlainHttp::Anywhere).is_ok());
        assert!(admit(&uri("ftp://example.com/"), PlainHttp::Anywhere).is_err());
    }

    #[test]
    fn an_origin_has_neither_user_nor_path_nor_query() {
        let url = uri("https://user:pass@hooks.example:8443/T000/secret?token=secret");
        assert_eq!(&*origin(&url), "https://hooks.example:8443");
        assert_eq!(&*origin(&uri("http://[::1]/x")), "http://[::1]");
    }
}
