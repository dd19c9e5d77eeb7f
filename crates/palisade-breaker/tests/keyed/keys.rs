//! The keys of requests.

use http::Request;
use palisade_breaker::{ByAuthority, ByHeader, ExtractKey};

fn key_of<K: ExtractKey<Request<()>>>(
    key: &K,
    uri: &str,
    header: Option<(&str, &str)>,
) -> Option<String> {
    let mut request = Request::get(uri);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    key.extract(&request.body(()).unwrap()).map(Into::into)
}

#[test]
fn the_authority_is_the_host_and_its_port() {
    let key = ByAuthority::new();
    for (uri, host, expected) in [
        ("http://api.example:8080/x", None, Some("api.example:8080")),
        ("https://user:pass@API.example/x", None, Some("api.example")),
        ("/x", Some("Api.example:81"), Some("api.example:81")),
        ("/x", None, None),
        // The usual port of a scheme is the same server, and that of another scheme is another.
        ("https://h/", None, Some("h")),
        ("https://h:443/", None, Some("h")),
        ("wss://h/", None, Some("h")),
        ("http://h/", None, Some("h:80")),
        ("http://h:80/", None, Some("h:80")),
        ("http://h:/", None, Some("h:80")),
        ("ws://H/", None, Some("h:80")),
        ("https://h:80/", None, Some("h:80")),
        ("http://h:443/", None, Some("h")),
        ("https://h:8443/", None, Some("h:8443")),
        ("http://h:0080/", None, Some("h:80")),
        ("http://[::1]:80/", None, Some("[::1]:80")),
        ("http://[::1]/", None, Some("[::1]:80")),
        ("https://[2001:DB8::1]:443/", None, Some("[2001:db8::1]")),
        ("https://user@[::1]:8443/", None, Some("[::1]:8443")),
        // Without a scheme it is as it is written.
        ("/x", Some("h"), Some("h")),
        ("/x", Some("h:443"), Some("h")),
        ("/x", Some("[::1]"), Some("[::1]")),
        ("/x", Some("h:99999"), Some("h:99999")),
        ("tcp://h/", None, Some("h")),
    ] {
        let header = host.map(|host| ("host", host));
        assert_eq!(
            key_of(&key, uri, header).as_deref(),
            expected,
            "{uri} {host:?}"
        );
    }
}

#[cfg(feature = "reqwest")]
#[test]
fn the_authority_is_the_same_for_reqwest() {
    for (url, expected) in [
        ("https://h/", "h"),
        ("https://H:443/", "h"),
        ("http://h/", "h:80"),
        ("http://h:80/", "h:80"),
        ("https://h:80/", "h:80"),
        ("http://h:8080/", "h:8080"),
        ("http://[::1]/", "[::1]:80"),
    ] {
        let request = reqwest::Request::new(http::Method::GET, url.parse().unwrap());
        assert_eq!(
            ByAuthority::new().extract(&request).as_deref(),
            Some(expected),
            "{url}"
        );
    }
}

#[test]
fn a_header_can_be_the_key() {
    let key = ByHeader("x-tenant".parse().unwrap());
    assert_eq!(
        key_of(&key, "/", Some(("x-tenant", "T1"))).as_deref(),
        Some("T1")
    );
    assert_eq!(key_of(&key, "/", None), None);
}
