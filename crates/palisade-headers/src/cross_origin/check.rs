//! The decision, which knows headers and nothing of services.

use http::{HeaderMap, HeaderName, Method, Request, header};
use palisade_core::sent_path;

use super::pattern::Pattern;
use crate::count::Counter;
use crate::origin::Origins;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    pub(super) trusted: Origins,
    pub(super) bypasses: Vec<Pattern>,
    /// CORS lets every page read, so that pages of every origin call without credentials.
    pub(super) open: bool,
    by_fetch_metadata: Counter,
    by_origin: Counter,
}

/// The reason why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CrossOrigin {
    /// The browser says so itself.
    FetchMetadata,
    /// An old browser, or something that has dropped `Sec-Fetch-Site`: the hosts differ.
    Origin,
}

impl CrossOrigin {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::FetchMetadata => "sec_fetch_site",
            Self::Origin => "origin_is_not_host",
        }
    }
}

impl Rules {
    /// Counts a refusal.
    pub(super) fn count(&self, why: CrossOrigin) {
        let counter = match why {
            CrossOrigin::FetchMetadata => &self.by_fetch_metadata,
            CrossOrigin::Origin => &self.by_origin,
        };
        counter.cross_origin_refused(why.reason());
    }

    #[inline]
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), CrossOrigin> {
        match *request.method() {
            Method::HEAD | Method::OPTIONS => Ok(()),
            Method::GET if !is_upgrade(request.headers()) => Ok(()),
            _ => self.check_unsafe(request),
        }
    }

    fn check_unsafe<B>(&self, request: &Request<B>) -> Result<(), CrossOrigin> {
        let headers = request.headers();
        let why = match site(headers) {
            Site::Same => return Ok(()),
            Site::Other => CrossOrigin::FetchMetadata,
            Site::Unsaid => {
                let mut origins = headers
                    .get_all(header::ORIGIN)
                    .iter()
                    .filter(|origin| !origin.is_empty());
                match (origins.next(), origins.next()) {
                    (None, _) => return Ok(()),
                    (Some(origin), None) if is_own(origin.as_bytes(), host(request)) => {
                        return Ok(());
                    }
                    _ => CrossOrigin::Origin,
                }
            }
        };
        if self.is_exempt(request) {
            Ok(())
        } else {
            Err(why)
        }
    }

    fn is_exempt<B>(&self, request: &Request<B>) -> bool {
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let trusted = match (origins.next(), origins.next()) {
            (Some(origin), None) => {
                let found = self.trusted.find_for(origin, request.extensions());
                found.is_some()
            }
            _ => false,
        };
        trusted
            || credential(request.headers()) == Credential::Explicit
            || (self.open && is_open_call(request.headers()))
            || (!self.bypasses.is_empty() && {
                let host = host(request).unwrap_or_default();
                let name = host_name(host).to_ascii_lowercase();
                let path = sent_path(request.extensions(), request.uri());
                self.bypasses
                    .iter()
                    .any(|pattern| pattern.matches(request.method(), &name, path))
            })
    }
}

/// Whether it opens a WebSocket or another protocol (RFC 9110, section 7.8), which is not under the same-origin policy: the
/// page that opened it writes and reads there with the visitor's cookies. Over HTTP/2 and 3 this is a `CONNECT`
/// (RFC 8441, RFC 9220).
#[inline]
fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

/// The kind of credential that a request carries, as far as headers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credential {
    /// One that a browser adds by itself, whoever made the page.
    Ambient,
    /// One that only the page's own code can add, after CORS has allowed it to: nothing to forge.
    Explicit,
    None,
}

fn credential(headers: &HeaderMap) -> Credential {
    if headers.contains_key(header::COOKIE) {
        return Credential::Ambient;
    }
    let schemes = headers.get_all(header::AUTHORIZATION).iter();
    let mut found = match headers.contains_key(X_API_KEY) {
        true => Credential::Explicit,
        false => Credential::None,
    };
    for value in schemes {
        if is_sent_by_browsers(value.as_bytes()) {
            return Credential::Ambient;
        }
        found = Credential::Explicit;
    }
    found
}

/// Whether browsers keep and send this credential by themselves, as they do with HTTP's own sign-in (RFC 9110,
/// section 11; RFC 4559).
fn is_sent_by_browsers(credential: &[u8]) -> bool {
    let scheme = credential
        .split(|byte| *byte == b' ')
        .next()
        .unwrap_or_default();
    [&b"basic"[..], b"digest", b"negotiate", b"ntlm"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Whether it is a call without credentials by a page's code, or a WebSocket without, and not a form or a link, which CORS
/// has no say in.
fn is_open_call(headers: &HeaderMap) -> bool {
    let mut modes = headers.get_all(SEC_FETCH_MODE).iter();
    let mode = modes.next().map(http::HeaderValue::as_bytes);
    let by_code = mode == Some(b"cors") || mode == Some(b"websocket");
    credential(headers) == Credential::None && by_code && modes.next().is_none()
}

/// The relation of the page to the service, as the browser reports it.
enum Site {
    Same,
    Other,
    Unsaid,
}

/// A header that is there twice was not written by a browser: then every value has to be a good one.
fn site(headers: &HeaderMap) -> Site {
    let mut said = Site::Unsaid;
    for value in headers.get_all(SEC_FETCH_SITE) {
        match value.as_bytes() {
            b"" => {}
            b"same-origin" | b"none" => said = Site::Same,
            _ => return Site::Other,
        }
    }
    said
}

/// The host that was asked for, with its port if there is one.
fn host<B>(request: &Request<B>) -> Option<&str> {
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => {
            let mut hosts = request.headers().get_all(header::HOST).iter();
            match (hosts.next(), hosts.next()) {
                (Some(host), None) => host.to_str().ok(),
                _ => None,
            }
        }
    }
}

fn host_name(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => &authority[..at],
        _ => authority,
    }
}

/// Whether an `Origin` names the host that was asked for, byte for byte: browsers leave default ports out of both.
fn is_own(origin: &[u8], host: Option<&str>) -> bool {
    let (Ok(origin), Some(host)) = (std::str::from_utf8(origin), host) else {
        return false;
    };
    origin
        .split_once("://")
        .is_some_and(|(_, authority)| authority == host && !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri("/transfer");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn passes(method: &str, headers: &[(&str, &str)]) -> bool {
        Rules::default().check(&request(method, headers)).is_ok()
    }

    // The cases of `TestCrossOriginProtectionSecFetchSite` and `TestCrossOriginProtectionOriginHost` in Go's csrf_test.go.
    #[test]
    fn requests_are_judged_as_go_judges_them() {
        let host = ("host", "example.com");
        for (method, headers, expected) in [
            ("POST", vec![("sec-fetch-site", "same-origin")], true),
            ("POST", vec![("sec-fetch-site", "none")], true),
            ("POST", vec![("sec-fetch-site", "cross-site")], false),
            ("POST", vec![("sec-fetch-site", "same-site")], false),
            ("POST", vec![("sec-fetch-site", "")], true),
            ("POST", vec![], true),
            ("POST", vec![("origin", "https://example.com")], true),
            ("POST", vec![("origin", "https://attacker.example")], false),
            ("POST", vec![("origin", "null")], false),
            ("GET", vec![("sec-fetch-site", "cross-site")], true),
            ("HEAD", vec![("sec-fetch-site", "cross-site")], true),
            ("OPTIONS", vec![("sec-fetch-site", "cross-site")], true),
            ("PUT", vec![("sec-fetch-site", "cross-site")], false),
            ("DELETE", vec![("sec-fetch-site", "cross-site")], false),
            ("PATCH", vec![("sec-fetch-site", "cross-site")], false),
            ("POST", vec![("origin", "https://example.com:443")], false),
            ("POST", vec![("origin", "http://example.com")], true),
        ] {
            let mut headers = headers;
            headers.push(host);
            assert_eq!(passes(method, &headers), expected, "{method} {headers:?}");
        }
    }

    // The Fetch fields of a WebSocket are those of Chromium; RFC 6455, section 10.2, leaves the check to the server.
    #[test]
    fn an_upgrade_is_judged_by_its_origin_over_every_version_of_http() {
        let host = ("host", "example.com");
        let websocket = ("sec-fetch-mode", "websocket");
        for (headers, expected) in [
            (vec![], true),
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("origin", "https://example.com")], true),
            (vec![("origin", "https://attacker.example")], false),
            (vec![("origin", "null")], false),
            (
                vec![
                    ("origin", "https://attacker.example"),
                    ("sec-fetch-site", "cross-site"),
                    ("cookie", "session=1"),
                ],
                false,
            ),
        ] {
            let mut headers = headers;
            headers.extend([host, websocket]);
            let connect = request("CONNECT", &headers);
            let connected = Rules::default().check(&connect).is_ok();
            assert_eq!(connected, expected, "CONNECT {headers:?}");
            for protocol in ["websocket", "WebSocket", "h2c, websocket"] {
                headers.push(("upgrade", protocol));
                assert_eq!(passes("GET", &headers), expected, "GET {headers:?}");
                headers.pop();
            }
        }
    }

    #[test]
    fn headers_that_are_there_twice_do_not_help() {
        let host = ("host", "example.com");
        assert!(!passes(
            "POST",
            &[
                host,
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "cross-site")
            ]
        ));
        assert!(!passes(
            "POST",
            &[
                host,
                ("origin", "https://example.com"),
                ("origin", "https://attacker.example")
            ]
        ));
        assert!(!passes(
            "POST",
            &[
                host,
                ("host", "attacker.example"),
                ("origin", "https://attacker.example")
            ]
        ));
        assert!(!passes("POST", &[("host", ""), ("origin", "https://")]));
    }

    #[test]
    fn the_authority_of_the_target_is_the_host() {
        let request = Request::post("https://example.com/x")
            .header("host", "attacker.example")
            .header("origin", "https://attacker.example")
            .body(())
            .unwrap();
        assert_eq!(Rules::default().check(&request), Err(CrossOrigin::Origin));
    }
}
