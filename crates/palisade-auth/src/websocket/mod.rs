//! Credentials of WebSockets, for which a browser can set no header of its own.
//!
//! - A token may stand among the offered subprotocols as `bearer.<token>`, beside one that is no secret. It is taken
//!   out before the inner service sees the request, so only the other one can be echoed.
//! - A one-use ticket of 30 seconds may stand in the query as `ticket`; see [`Tickets`].
//! - With a session's cookie the `Origin` must be this host, or one that was allowed: browsers let any site open a
//!   WebSocket to any other, with its cookies.

#[cfg(feature = "websocket")]
mod ended;
mod tickets;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};

#[cfg(feature = "websocket")]
pub use self::ended::Ended;
pub(crate) use self::tickets::Redeemed;
pub use self::tickets::Tickets;
use crate::Refusal;
use crate::credential::is_token68;

/// The code with which to close a WebSocket whose principal may no longer act (RFC 6455, section 7.4.2: private use).
pub const CLOSE_UNAUTHENTICATED: u16 = 4001;

const PREFIX: &str = "bearer.";

/// Whether the request opens a WebSocket, over HTTP/1.1 or by extended CONNECT (RFC 8441).
#[inline]
pub(crate) fn is_opening(headers: &HeaderMap) -> bool {
    headers.contains_key(header::SEC_WEBSOCKET_VERSION)
}

/// Whether a ticket may be redeemed: by nothing but the opening handshake itself, of HTTP/1.1 (RFC 6455, section 4.1) or
/// by extended CONNECT (RFC 8441, section 4).
pub(crate) fn redeems<B>(request: &Request<B>) -> bool {
    let upgrades = || {
        let mut values = request.headers().get_all(header::UPGRADE).iter();
        values.any(|value| {
            let mut protocols = value.as_bytes().split(|byte| *byte == b',');
            protocols.any(|one| one.trim_ascii().eq_ignore_ascii_case(b"websocket"))
        })
    };
    match *request.method() {
        Method::GET => upgrades(),
        Method::CONNECT => true,
        _ => false,
    }
}

/// Takes the token out of the offered subprotocols.
pub(crate) fn take_token(headers: &mut HeaderMap) -> Result<Option<Box<[u8]>>, Refusal> {
    const NAME: HeaderName = header::SEC_WEBSOCKET_PROTOCOL;
    let mut token = None;
    let mut others: Vec<&str> = Vec::new();
    for value in headers.get_all(NAME) {
        let text = value.to_str().map_err(|_| Refusal::MalformedCredential)?;
        for protocol in text.split(',').map(str::trim) {
            let Some(found) = protocol.strip_prefix(PREFIX) else {
                others.push(protocol);
                continue;
            };
            if !is_token68(found.as_bytes()) {
                return Err(Refusal::MalformedCredential);
            }
            if token.replace(found.as_bytes().into()).is_some() {
                return Err(Refusal::SeveralCredentials);
            }
        }
    }
    if token.is_some() {
        let others = HeaderValue::try_from(others.join(", ")).ok();
        headers.remove(NAME);
        if let Some(others) = others.filter(|others| !others.is_empty()) {
            headers.insert(NAME, others);
        }
    }
    Ok(token)
}

/// Whether a page of this origin may open a WebSocket with the user's cookie: one of the host that the request is for, or
/// one that was allowed.
pub(crate) fn origin_allowed<B>(request: &Request<B>, allowed: &[Box<str>]) -> bool {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (
        origins.next().and_then(|value| value.to_str().ok()),
        origins.next(),
    ) else {
        return false;
    };
    let same = match (origin.split_once("://"), host(request)) {
        (Some((scheme, own)), Some(host)) if !own.is_empty() => {
            without_port_of(scheme, own).eq_ignore_ascii_case(without_port_of(scheme, host))
        }
        _ => false,
    };
    same || allowed
        .iter()
        .any(|known| known.eq_ignore_ascii_case(origin))
}

/// The host that a request is for: the authority of its target, which HTTP/2 has instead of `Host` (RFC 9113, section 8.3.1), or
/// the only `Host`.
fn host<B>(request: &Request<B>) -> Option<&str> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

/// The authority without a port that its scheme has anyway (RFC 6454, section 4).
fn without_port_of<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return authority,
    };
    authority.strip_suffix(port).unwrap_or(authority)
}

/// The ticket in the query.
pub(crate) fn ticket(uri: &Uri) -> Option<&str> {
    let mut pairs = uri
        .query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(name, _)| *name == "ticket")
        .map(|(_, ticket)| ticket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(values: &[&str]) -> (Result<Option<String>, Refusal>, Vec<String>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::SEC_WEBSOCKET_PROTOCOL, value.parse().unwrap());
        }
        let token = take_token(&mut headers);
        let token = token.map(|token| token.map(|token| String::from_utf8(token.into()).unwrap()));
        let left = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
        (
            token,
            left.map(|value| value.to_str().unwrap().to_owned())
                .collect(),
        )
    }

    #[test]
    fn the_token_is_taken_out_and_the_other_protocols_stay() {
        let found = |token: &str, left: &[&str]| {
            let left = left.iter().map(|text| (*text).to_owned()).collect();
            (Ok(Some(token.to_owned())), left)
        };
        assert_eq!(taken(&["chat, bearer.a.b.c"]), found("a.b.c", &["chat"]));
        assert_eq!(
            taken(&["bearer.a.b.c,chat,v2"]),
            found("a.b.c", &["chat, v2"])
        );
        assert_eq!(taken(&["chat", "bearer.a.b.c"]), found("a.b.c", &["chat"]));
        assert_eq!(taken(&["bearer.a.b.c"]), found("a.b.c", &[]));
        assert_eq!(
            taken(&["chat, v2"]),
            (Ok(None), vec!["chat, v2".to_owned()])
        );
    }

    #[test]
    fn two_tokens_or_a_malformed_one_are_refused() {
        assert_eq!(
            taken(&["bearer.a, bearer.b"]).0,
            Err(Refusal::SeveralCredentials)
        );
        assert_eq!(
            taken(&["bearer.a", "bearer.a"]).0,
            Err(Refusal::SeveralCredentials)
        );
        assert_eq!(taken(&["bearer."]).0, Err(Refusal::MalformedCredential));
        assert_eq!(taken(&["bearer.a b"]).0, Err(Refusal::MalformedCredential));
    }

    #[test]
    fn only_this_host_and_allowed_origins_may_use_cookies() {
        let asked = |origin: &[&str], host: &str| {
            let mut request = Request::get("/ws").header(header::HOST, host);
            for origin in origin {
                request = request.header(header::ORIGIN, *origin);
            }
            origin_allowed(&request.body(()).unwrap(), &["https://app.example".into()])
        };
        assert!(asked(&["https://api.example"], "api.example"));
        assert!(asked(&["https://app.example"], "api.example"));
        for bad in [
            "https://evil.example",
            "null",
            "",
            "https://api.example.evil.example",
            "https://app.example:444",
            "https://api.example@evil.example",
        ] {
            assert!(!asked(&[bad], "api.example"), "{bad}");
        }
        assert!(!asked(&[], "api.example"));
        assert!(!asked(
            &["https://app.example", "https://evil.example"],
            "api.example"
        ));
    }

    #[test]
    fn a_port_that_its_scheme_has_anyway_makes_no_other_origin() {
        let asked = |origin: &str, host: &str| {
            let request = Request::get("/ws")
                .header(header::HOST, host)
                .header(header::ORIGIN, origin);
            origin_allowed(&request.body(()).unwrap(), &[])
        };
        assert!(asked("https://api.example", "api.example:443"));
        assert!(asked("http://api.example", "api.example:80"));
        assert!(asked("https://api.example:8443", "API.example:8443"));
        assert!(asked("https://[::1]", "[::1]:443"));
        for (origin, host) in [
            ("https://api.example", "api.example:80"),
            ("http://api.example", "api.example:443"),
            ("https://api.example", "api.example:8443"),
            ("https://api.example:8443", "api.example"),
            ("app://api.example", "api.example:443"),
            ("https://[::1]:1", "[::1]:443"),
            ("https://", ""),
        ] {
            assert!(!asked(origin, host), "{origin} at {host}");
        }
    }

    #[test]
    fn over_http_2_the_authority_is_the_host() {
        let asked = |uri: &str, hosts: &[&str]| {
            let mut request = Request::connect(uri)
                .version(http::Version::HTTP_2)
                .header(header::ORIGIN, "https://api.example");
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            origin_allowed(&request.body(()).unwrap(), &[])
        };
        assert!(asked("https://api.example/ws", &[]));
        assert!(asked("https://api.example:443/ws", &[]));
        assert!(!asked("https://evil.example/ws", &[]));
        assert!(!asked("https://evil.example/ws", &["api.example"]));
        assert!(!asked("/ws", &[]));
        assert!(!asked("/ws", &["api.example", "api.example"]), "two hosts");
    }
}
