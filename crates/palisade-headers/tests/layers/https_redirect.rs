//! Requests that are sent to HTTPS, and their targets.

use std::convert::Infallible;
use std::num::NonZeroU16;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use palisade_core::{ClientIp, PathSet, PeerAddr, SentUri};
use palisade_headers::HttpsRedirectLayer;
use palisade_headers::security::OverTls;
use tower::{Layer, ServiceExt, service_fn};

/// Status and `Location` of the answer; the handler answers 200.
async fn ask(layer: &HttpsRedirectLayer, request: Request<()>) -> (u16, Option<String>) {
    let service = layer.layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    }));
    let response = service.oneshot(request).await.unwrap();
    let location = response.headers().get("location");
    let location = location.map(|location| location.to_str().unwrap().to_owned());
    (response.status().as_u16(), location)
}

fn request(method: &str, uri: &str, peer: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).unwrap();
    let peer = PeerAddr(peer.parse().unwrap());
    request.extensions_mut().insert(peer);
    request
}

const CLIENT: &str = "198.51.100.9:4000";
const PROXY: &str = "10.0.0.1:4000";
const HOST: (&str, &str) = ("host", "shop.example");

#[tokio::test]
async fn plain_http_is_sent_to_the_same_place_over_https() {
    let layer = HttpsRedirectLayer::new();
    for (method, uri, host, status, location) in [
        ("GET", "/", "shop.example", 301, "https://shop.example/"),
        (
            "HEAD",
            "/a/b?c=d&e",
            "shop.example",
            301,
            "https://shop.example/a/b?c=d&e",
        ),
        (
            "POST",
            "/order",
            "shop.example",
            308,
            "https://shop.example/order",
        ),
        (
            "PUT",
            "/order",
            "shop.example",
            308,
            "https://shop.example/order",
        ),
        ("OPTIONS", "*", "shop.example", 308, "https://shop.example/"),
        ("GET", "/", "Shop.Example:80", 301, "https://shop.example/"),
        (
            "GET",
            "//evil.example",
            "shop.example",
            301,
            "https://shop.example//evil.example",
        ),
        (
            "GET",
            "/",
            "[2001:db8::1]:8080",
            301,
            "https://[2001:db8::1]/",
        ),
    ] {
        let answer = ask(&layer, request(method, uri, CLIENT, &[("host", host)])).await;
        assert_eq!(
            answer,
            (status, Some(location.to_owned())),
            "{method} {uri}"
        );
    }
    let absolute = request(
        "GET",
        "http://shop.example/x",
        CLIENT,
        &[("host", "evil.example")],
    );
    assert_eq!(
        ask(&layer, absolute).await,
        (301, Some("https://shop.example/x".to_owned()))
    );
}

#[tokio::test]
async fn only_a_trusted_proxy_says_that_it_was_https() {
    let layer =
        HttpsRedirectLayer::new().trust_proxies(ClientIp::trusting(["10.0.0.0/8"]).unwrap());
    for (peer, proto, status) in [
        (PROXY, "https", 200),
        (PROXY, "http, https", 200),
        (PROXY, "https, http", 301),
        (PROXY, "http", 301),
        (CLIENT, "https", 301),
    ] {
        let headers = [HOST, ("x-forwarded-proto", proto)];
        let (code, _) = ask(&layer, request("GET", "/", peer, &headers)).await;
        assert_eq!(code, status, "{peer} {proto}");
    }
    let forged = request("GET", "/", PROXY, &[HOST, ("x-forwarded-proto", "https")]);
    assert_eq!(ask(&HttpsRedirectLayer::new(), forged).await.0, 301);
}

#[tokio::test]
async fn tls_that_ends_here_passes() {
    let layer = HttpsRedirectLayer::new();
    let mut tls = request("GET", "/", CLIENT, &[HOST]);
    tls.extensions_mut().insert(OverTls);
    assert_eq!(ask(&layer, tls).await.0, 200);
    let http2 = request("GET", "https://shop.example/", CLIENT, &[]);
    assert_eq!(ask(&layer, http2).await.0, 200);
}

#[tokio::test]
async fn probes_and_certificates_are_asked_for_over_plain_http() {
    let layer = HttpsRedirectLayer::new();
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        (
            "/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA",
            200,
        ),
        ("/healthz/", 301),
        ("/.well-known/acme-challenge/", 301),
        ("/.well-known/acme-challenge/../admin", 301),
        ("/.well-known/acme-challenge/%2e%2e", 301),
        ("/.well-known/acme-challenge", 301),
    ] {
        let (code, _) = ask(&layer, request("GET", path, CLIENT, &[HOST])).await;
        assert_eq!(code, status, "{path}");
    }
    let layer = layer.exempt(PathSet::of(["/ping"]));
    assert_eq!(
        ask(&layer, request("GET", "/ping", CLIENT, &[HOST]))
            .await
            .0,
        200
    );
    assert_eq!(
        ask(&layer, request("GET", "/healthz", CLIENT, &[HOST]))
            .await
            .0,
        301
    );
}

#[tokio::test]
async fn this_machine_speaks_plain_http_to_itself() {
    let layer = HttpsRedirectLayer::new();
    for (peer, host, status) in [
        ("127.0.0.1:4000", "localhost:8080", 200),
        ("[::1]:4000", "[::1]:8080", 200),
        ("[::ffff:127.0.0.1]:4000", "app.localhost", 200),
        ("127.0.0.1:4000", "127.0.0.1", 200),
        // A proxy on this machine.
        ("127.0.0.1:4000", "shop.example", 301),
        (CLIENT, "localhost", 301),
        ("127.0.0.1:4000", "localhost.evil.example", 301),
    ] {
        let (code, _) = ask(&layer, request("GET", "/", peer, &[("host", host)])).await;
        assert_eq!(code, status, "{peer} {host}");
    }
}

#[tokio::test]
async fn a_host_that_is_none_or_not_ours_is_refused() {
    let layer = HttpsRedirectLayer::new();
    for hosts in [
        &[][..],
        &[("host", "")],
        &[("host", "shop.example"), ("host", "evil.example")],
        &[("host", "user@shop.example")],
        &[("host", "shop.example/evil")],
        &[("host", "shop example")],
    ] {
        let answer = ask(&layer, request("GET", "/", CLIENT, hosts)).await;
        assert_eq!(answer, (400, None), "{hosts:?}");
    }
    let ours = layer.hosts(["Shop.example", "www.shop.example"]).unwrap();
    for (host, status) in [
        ("shop.example", 301),
        ("SHOP.example:8080", 301),
        ("evil.example", 400),
        ("shop.example.evil.example", 400),
    ] {
        let (code, _) = ask(&ours, request("GET", "/", CLIENT, &[("host", host)])).await;
        assert_eq!(code, status, "{host}");
    }
}

#[tokio::test]
async fn port_and_status_are_as_they_were_set() {
    let layer = HttpsRedirectLayer::new()
        .port(NonZeroU16::new(8443).unwrap())
        .temporary();
    let location = Some("https://shop.example:8443/x".to_owned());
    for method in ["GET", "POST"] {
        let answer = ask(&layer, request(method, "/x", CLIENT, &[HOST])).await;
        assert_eq!(answer, (307, location.clone()));
    }
}

#[tokio::test]
async fn the_path_is_the_one_that_the_client_sent() {
    let layer = HttpsRedirectLayer::new();
    let mut nested = request("GET", "/x?q", CLIENT, &[HOST]);
    let sent = SentUri("/api/x?q".parse().unwrap());
    nested.extensions_mut().insert(sent);
    let location = Some("https://shop.example/api/x?q".to_owned());
    assert_eq!(ask(&layer, nested).await, (301, location));
}

#[test]
fn every_text_that_is_no_host_is_named() {
    let error = HttpsRedirectLayer::new()
        .hosts([
            "shop.example",
            "https://a.example",
            "a.example:80",
            "*.example",
            "",
        ])
        .unwrap_err();
    let fields: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| problem.field.clone())
        .collect();
    assert_eq!(
        fields,
        [
            "hosts \"https://a.example\"",
            "hosts \"a.example:80\"",
            "hosts \"*.example\"",
            "hosts \"\""
        ]
    );
    assert!(HttpsRedirectLayer::new().hosts([""; 0]).is_err());
}

#[tokio::test]
async fn off_sends_nobody_away() {
    let layer = HttpsRedirectLayer::off().temporary();
    assert!(layer.is_off());
    assert_eq!(
        ask(&layer, request("GET", "/", CLIENT, &[HOST])).await.0,
        200
    );
}
