//! Attributes that are added to cookies, and those that are never changed.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Empty;
use palisade_headers::CookieLayer;
use palisade_headers::cookies::SameSite;
use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};

/// The cookies of the answer of a handler that sets these.
async fn answered(layer: &CookieLayer, cookies: &[&[u8]]) -> Vec<Vec<u8>> {
    let service = layer.layer(service_fn(|_: Request<()>| async {
        let mut response = Response::new(Empty::<Bytes>::new());
        for cookie in cookies {
            let cookie = HeaderValue::from_bytes(cookie).unwrap();
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok::<_, Infallible>(response)
    }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    let cookies = response.headers().get_all(header::SET_COOKIE).iter();
    cookies.map(|cookie| cookie.as_bytes().to_vec()).collect()
}

async fn one(layer: &CookieLayer, cookie: &str) -> String {
    let cookies = answered(layer, &[cookie.as_bytes()]).await;
    assert_eq!(cookies.len(), 1);
    String::from_utf8(cookies[0].clone()).unwrap()
}

#[tokio::test]
async fn a_cookie_gets_what_it_lacks() {
    let layer = CookieLayer::new();
    for (cookie, expected) in [
        ("id=1", "id=1; Secure; HttpOnly; SameSite=Lax"),
        ("id=1; Secure", "id=1; Secure; HttpOnly; SameSite=Lax"),
        (
            "id=1; HttpOnly; Path=/x",
            "id=1; HttpOnly; Path=/x; Secure; SameSite=Lax",
        ),
        (
            "id=1; SameSite=Strict",
            "id=1; SameSite=Strict; Secure; HttpOnly",
        ),
        (
            "id=; Max-Age=0",
            "id=; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
        ),
        // The values of these mean nothing, and their case neither (RFC 6265bis, section 5.6).
        (
            "id=1; SECURE=no; httponly=; samesite=LAX",
            "id=1; SECURE=no; httponly=; samesite=LAX",
        ),
        (
            "id=1;secure;httponly;samesite=strict",
            "id=1;secure;httponly;samesite=strict",
        ),
        // A value of the cookie is no attribute.
        (
            "secure=httponly",
            "secure=httponly; Secure; HttpOnly; SameSite=Lax",
        ),
        ("id=a=b", "id=a=b; Secure; HttpOnly; SameSite=Lax"),
    ] {
        assert_eq!(one(&layer, cookie).await, expected);
    }
}

#[tokio::test]
async fn a_same_site_of_the_handler_stays_and_none_is_secure() {
    let strict = CookieLayer::new().same_site(SameSite::Strict);
    for (cookie, expected) in [
        (
            "id=1; SameSite=None",
            "id=1; SameSite=None; Secure; HttpOnly",
        ),
        ("id=1; SameSite=Lax", "id=1; SameSite=Lax; Secure; HttpOnly"),
        ("id=1", "id=1; Secure; HttpOnly; SameSite=Strict"),
        // Browsers take the last, and treat one that they do not know as none.
        (
            "id=1; SameSite=None; SameSite=Odd",
            "id=1; SameSite=None; SameSite=Odd; Secure; HttpOnly; SameSite=Strict",
        ),
        (
            "id=1; SameSite",
            "id=1; SameSite; Secure; HttpOnly; SameSite=Strict",
        ),
        (
            "id=1; SameSite=Odd; SameSite=Lax",
            "id=1; SameSite=Odd; SameSite=Lax; Secure; HttpOnly",
        ),
    ] {
        assert_eq!(one(&strict, cookie).await, expected);
    }
}

// RFC 6265bis, section 4.1.3; browsers compare the prefixes without case (section 5.7).
#[tokio::test]
async fn names_with_prefixes_get_what_browsers_ask_of_them() {
    let layer = CookieLayer::new();
    for (cookie, expected) in [
        (
            "__Host-id=1",
            "__Host-id=1; Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            "__host-id=1",
            "__host-id=1; Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            "__Host-id=1; Path=/",
            "__Host-id=1; Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
        // Browsers refuse these two, and must go on to do so.
        (
            "__Host-id=1; Path=/x",
            "__Host-id=1; Path=/x; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            "__Host-id=1; Domain=a.example",
            "__Host-id=1; Domain=a.example; Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            "__Secure-id=1",
            "__Secure-id=1; Secure; HttpOnly; SameSite=Lax",
        ),
        ("__Hostid=1", "__Hostid=1; Secure; HttpOnly; SameSite=Lax"),
    ] {
        assert_eq!(one(&layer, cookie).await, expected);
    }
}

#[tokio::test]
async fn scripts_read_the_cookies_that_are_named_for_them() {
    let layer = CookieLayer::new().scripts_read(["XSRF-TOKEN"]).unwrap();
    assert_eq!(
        one(&layer, "XSRF-TOKEN=1").await,
        "XSRF-TOKEN=1; Secure; SameSite=Lax"
    );
    assert_eq!(
        one(&layer, "XSRF-TOKEN=1; HttpOnly").await,
        "XSRF-TOKEN=1; HttpOnly; Secure; SameSite=Lax"
    );
    assert_eq!(
        one(&layer, "xsrf-token=1").await,
        "xsrf-token=1; Secure; HttpOnly; SameSite=Lax"
    );
    let error = CookieLayer::new()
        .scripts_read(["a b", "c", ""])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cookies: cookies \"a b\": is not a cookie's name; cookies \"\": is not a cookie's name"
    );
}

#[tokio::test]
async fn every_cookie_of_a_response_is_hardened_in_its_place() {
    let cookies = answered(
        &CookieLayer::new(),
        &[b"a=1", b"b=2; Secure; HttpOnly; SameSite=None", b"c=\xff"],
    )
    .await;
    assert_eq!(
        cookies,
        [
            &b"a=1; Secure; HttpOnly; SameSite=Lax"[..],
            b"b=2; Secure; HttpOnly; SameSite=None",
            b"c=\xff; Secure; HttpOnly; SameSite=Lax",
        ]
    );
    assert!(answered(&CookieLayer::new(), &[]).await.is_empty());
}

#[tokio::test]
async fn off_leaves_cookies_as_they_are() {
    let layer = CookieLayer::off().same_site(SameSite::Strict);
    assert!(layer.is_off());
    assert_eq!(one(&layer, "id=1").await, "id=1");
}

proptest! {
    /// A sent cookie begins with the one that the handler wrote, and hardening twice is hardening once.
    #[test]
    fn no_cookie_loses_anything(cookie in r"[ -~\x80-\xff]{0,40}(; ?(Secure|HttpOnly|SameSite=(None|Lax|x)|Path=/?|Domain=a)){0,4}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let layer = CookieLayer::new();
            let once = answered(&layer, &[cookie.as_bytes()]).await.remove(0);
            let written = HeaderValue::from_bytes(cookie.as_bytes()).unwrap();
            assert!(once.starts_with(written.as_bytes()));
            let twice = answered(&layer, &[&once]).await.remove(0);
            assert_eq!(once, twice);
        });
    }
}
