//! Tokens elsewhere than in `Authorization`, and credentials that go no further than the layer.

use std::convert::Infallible;

use crate::support::{
    HEADER, IntoAnswer, NOW, SECRET, claims_with, get, good_token, hs256, layer, through,
    with_token,
};
use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body_util::Full;
use palisade_auth::{AuthLayer, MemoryApiKeys, Sessions};
use palisade_core::{Principal, RequestScope};
use tower::{Layer, ServiceExt};

const ALICE: &str = "user alice of bookings";

fn header() -> HeaderName {
    HeaderName::from_static("x-goog-iap-jwt-assertion")
}

fn with(headers: &[(&str, &str)]) -> Request<()> {
    let mut request = get("/");
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    request
}

fn expired() -> String {
    let claims = claims_with(serde_json::json!({"iat": NOW - 700, "exp": NOW - 100}));
    hs256(HEADER, &claims, SECRET)
}

#[tokio::test]
async fn a_token_may_stand_in_a_header_of_its_own() {
    let layer = layer().bearer_header(header()).unwrap();
    let token = good_token();
    let name = "x-goog-iap-jwt-assertion";
    let answered = through(&layer, with(&[(name, &token)])).await;
    assert_eq!((answered.status, &*answered.body), (200, ALICE));
    let answered = through(&layer, with_token(&token)).await;
    assert_eq!(answered.status, 200, "the usual place counts still");
    let bearer = format!("Bearer {token}");
    for (headers, status, reason) in [
        (
            &[(name, &*token), ("authorization", &*bearer)][..],
            400,
            "several_credentials",
        ),
        (
            &[(name, &*token), (name, &*token)],
            400,
            "several_credentials",
        ),
        (&[(name, &*bearer)], 400, "malformed_credential"),
        (&[(name, "")], 400, "malformed_credential"),
        (&[(name, &*expired())], 401, "token_expired"),
    ] {
        let answered = through(&layer, with(headers)).await;
        assert_eq!(
            (answered.status, answered.reason()),
            (status, reason),
            "{headers:?}"
        );
    }
    let untold = crate::support::layer();
    let answered = through(&untold, with(&[(name, &token)])).await;
    assert_eq!(answered.reason(), "no_credential", "off by default");
    for taken in ["authorization", "cookie", "x-api-key"] {
        let layer = AuthLayer::new().bearer_header(HeaderName::from_static(taken));
        assert!(layer.is_err(), "{taken}");
    }
}

#[tokio::test]
async fn a_token_may_stand_in_a_cookie() {
    let layer = layer().bearer_cookie("__Host-token").unwrap();
    let token = good_token();
    let cookie = format!("a=1; __Host-token={token}; b=2");
    let answered = through(&layer, with(&[("cookie", &cookie)])).await;
    assert_eq!((answered.status, &*answered.body), (200, ALICE));
    // What is presented on purpose goes before what a browser sends by itself.
    let answered = through(
        &layer,
        with(&[("cookie", &cookie), ("authorization", "Bearer x")]),
    )
    .await;
    assert_eq!(answered.status, 401);
    for (value, status, reason) in [
        (
            format!("__Host-token={token}; __Host-token={token}"),
            400,
            "several_credentials",
        ),
        ("__Host-token=a b".to_owned(), 400, "malformed_credential"),
        (format!("__Host-token={token}x"), 401, "bad_signature"),
        (format!("__Host-tokens={token}"), 401, "no_credential"),
        (
            format!("__Host-token={}", expired()),
            401,
            "session_unknown",
        ),
    ] {
        let answered = through(&layer, with(&[("cookie", &value)])).await;
        assert_eq!(
            (answered.status, answered.reason()),
            (status, reason),
            "{value}"
        );
    }
    for bad in ["", "a b", "a=b", "a;b"] {
        assert!(AuthLayer::new().bearer_cookie(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn an_expired_cookie_is_nobody_where_nobody_may_pass() {
    let layer = layer().bearer_cookie("token").unwrap().optional();
    let cookie = format!("token={}", expired());
    let answered = through(&layer, with(&[("cookie", &cookie)])).await;
    assert_eq!((answered.status, &*answered.body), (200, "nobody"));
    let forged = format!("token={}x", good_token());
    let answered = through(&layer, with(&[("cookie", &forged)])).await;
    assert_eq!(
        answered.status, 401,
        "what does not hold is refused all the same"
    );
}

#[tokio::test]
async fn a_cookie_with_a_token_opens_a_websocket_from_allowed_origins_alone() {
    let layer = layer()
        .bearer_cookie("token")
        .unwrap()
        .websocket_origin("https://app.example");
    let opening = |origin: &str| {
        let cookie = format!("token={}", good_token());
        with(&[
            ("host", "api.example"),
            ("origin", origin),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("cookie", &cookie),
        ])
    };
    let answered = through(&layer, opening("https://app.example")).await;
    assert_eq!((answered.status, &*answered.body), (200, ALICE));
    let answered = through(&layer, opening("https://evil.example")).await;
    assert_eq!(
        (answered.status, answered.reason()),
        (403, "origin_not_allowed")
    );
}

/// The headers that reach what stands inside.
async fn inner_headers(layer: &AuthLayer, mut request: Request<()>) -> Vec<String> {
    RequestScope::enter(request.extensions_mut());
    let inner = tower::service_fn(|request: Request<()>| async move {
        let headers = request.headers().iter();
        let lines: Vec<String> = headers
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        let body = http_body_util::Full::new(bytes::Bytes::from(lines.join("\n")));
        Ok::<_, std::convert::Infallible>(http::Response::new(body))
    });
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap()
        .to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn credentials_go_no_further_where_they_are_stripped() {
    let keys = MemoryApiKeys::new("pal").unwrap();
    let key = keys
        .create(palisade_auth::ApiKeyOwner::new(Principal::service(
            "", "crm",
        )))
        .unwrap();
    let sessions = Sessions::memory().build().unwrap();
    let alice = Principal::user("bookings", "alice");
    let cookie = sessions.begin(alice, &http::HeaderMap::new()).unwrap();
    let cookie = cookie
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let plain = layer()
        .api_keys(keys)
        .sessions(sessions)
        .bearer_header(header())
        .unwrap()
        .bearer_cookie("token")
        .unwrap()
        .optional();
    let stripping = plain.clone().strip_credentials();
    let token = good_token();
    let bearer = format!("Bearer {token}");
    let cookies = format!("a=1; {cookie}; b=2");
    let in_cookie = format!("token={token}");
    for (name, value, left) in [
        ("authorization", &*bearer, &[][..]),
        ("x-api-key", key.as_str(), &[]),
        ("x-goog-iap-jwt-assertion", &*token, &[]),
        ("cookie", &*cookies, &["cookie: a=1; b=2"]),
        ("cookie", &*in_cookie, &[]),
    ] {
        let before = inner_headers(&plain, with(&[(name, value)])).await;
        assert_eq!(before, [format!("{name}: {value}")], "by default it stays");
        assert_eq!(
            inner_headers(&stripping, with(&[(name, value)])).await,
            left,
            "{name}"
        );
    }
    // A scheme that is somebody else's is theirs to see.
    let basic = with(&[("authorization", "Basic dTpw")]);
    assert_eq!(
        inner_headers(&stripping, basic).await,
        ["authorization: Basic dTpw"]
    );
}

#[tokio::test]
async fn a_token_in_a_form_is_no_credential_neither_alone_nor_beside_another() {
    // RFC 6750, section 2.2 lets a server accept one there; none is here, so a body is never read.
    let asked = async |authorization: Option<&str>, token: &str| {
        let handler = tower::service_fn(|request: Request<String>| async move {
            let scope = RequestScope::current(request.extensions());
            let known = scope.and_then(RequestScope::principal);
            let who = known.map_or_else(|| "nobody".to_owned(), |known| known.subject().to_owned());
            let answer = format!("{who} sent {}", request.body());
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
        });
        let mut request = Request::post("/")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("access_token={token}"))
            .unwrap();
        if let Some(value) = authorization {
            let value = value.parse().unwrap();
            request.headers_mut().insert("authorization", value);
        }
        let response = layer().layer(handler).oneshot(request).await.unwrap();
        let challenge = response.headers().get("www-authenticate").cloned();
        let (parts, body) = response.into_answer().await;
        (parts.status.as_u16(), challenge, body)
    };
    let good = good_token();
    let (status, challenge, _) = asked(None, &good).await;
    assert_eq!(
        (status, challenge.unwrap().as_bytes()),
        (401, &b"Bearer realm=\"api\""[..])
    );
    let presented = format!("Bearer {good}");
    for other in [&*good, "a.b.c", ""] {
        let (status, _, body) = asked(Some(&presented), other).await;
        assert_eq!(
            (status, body),
            (200, format!("alice sent access_token={other}"))
        );
    }
    let (status, challenge, _) = asked(Some("Bearer a.b.c"), &good).await;
    assert_eq!(status, 401);
    assert_eq!(
        challenge.unwrap(),
        "Bearer realm=\"api\", error=\"invalid_token\""
    );
}
