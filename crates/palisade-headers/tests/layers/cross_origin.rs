//! Requests that `CrossOriginGuardLayer` refuses, and the form of its refusals.

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty};
use palisade_core::{EventKind, RequestScope};
use palisade_headers::{CorsLayer, CrossOriginGuardLayer};
use tower::{Layer, ServiceExt, service_fn};

async fn status(guard: CrossOriginGuardLayer, request: Request<()>) -> u16 {
    let handler = service_fn(|_: Request<()>| async {
        Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    guard
        .layer(handler)
        .oneshot(request)
        .await
        .unwrap()
        .status()
        .as_u16()
}

fn post(path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::post(path).header("host", "example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

const FORGED: [(&str, &str); 2] = [
    ("sec-fetch-site", "cross-site"),
    ("origin", "https://attacker.example"),
];

#[tokio::test]
async fn a_forged_request_is_refused_in_the_one_format_and_recorded() {
    let mut request = post("/transfer", &FORGED);
    let scope = RequestScope::enter(request.extensions_mut());
    let handler = service_fn(|_: Request<()>| async {
        panic!("the handler is out of reach");
        #[expect(unreachable_code, reason = "names the type")]
        Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let response = CrossOriginGuardLayer::new()
        .layer(handler)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = std::str::from_utf8(&body).unwrap();
    assert!(body.contains("AUTHORIZATION_ERROR"), "{body}");
    assert!(!body.contains("attacker"), "{body}");
    let events = scope.close();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind(), EventKind::CrossOriginRequest);
    assert_eq!(events[0].reason_code(), Some("sec_fetch_site"));
}

#[tokio::test]
async fn a_trusted_origin_passes_and_its_neighbours_do_not() {
    let guard = CrossOriginGuardLayer::new()
        .add_trusted_origin("https://admin.example")
        .and_then(|guard| guard.add_trusted_origin("https://*.tenant.example"))
        .unwrap();
    for (origin, expected) in [
        ("https://admin.example", 200),
        ("https://a.tenant.example", 200),
        ("https://tenant.example", 403),
        ("http://admin.example", 403),
        ("https://admin.example.evil.com", 403),
        ("null", 403),
    ] {
        for site in ["cross-site", "same-site", ""] {
            let request = post("/x", &[("sec-fetch-site", site), ("origin", origin)]);
            assert_eq!(
                status(guard.clone(), request).await,
                expected,
                "{origin} {site}"
            );
        }
    }
}

#[tokio::test]
async fn a_websocket_of_another_origin_needs_trust() {
    let cors = CorsLayer::builder()
        .origins(["https://app.example"])
        .try_build()
        .unwrap();
    let listed = CrossOriginGuardLayer::new().trust_cors(&cors);
    let open = CrossOriginGuardLayer::new().trust_cors(&CorsLayer::api());
    let socket = |origin: &str, cookie: bool| {
        let mut request = Request::get("/events")
            .header("host", "example.com")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-fetch-mode", "websocket")
            .header("sec-fetch-site", "cross-site")
            .header("origin", origin);
        if cookie {
            request = request.header("cookie", "session=1");
        }
        request.body(()).unwrap()
    };
    for (origin, cookie, by_list, by_openness) in [
        ("https://app.example", true, 200, 403),
        ("https://evil.example", true, 403, 403),
        ("https://evil.example", false, 403, 200),
    ] {
        let request = || socket(origin, cookie);
        assert_eq!(status(CrossOriginGuardLayer::new(), request()).await, 403);
        assert_eq!(status(listed.clone(), request()).await, by_list);
        assert_eq!(status(open.clone(), request()).await, by_openness);
    }
}

#[tokio::test]
async fn what_cors_lists_is_trusted_too() {
    let cors = CorsLayer::builder()
        .origins(["https://app.example"])
        .try_build()
        .unwrap();
    let guard = CrossOriginGuardLayer::new()
        .trust_cors(&cors)
        .trust_cors(&CorsLayer::api());
    let from = |origin| {
        let site = ("sec-fetch-site", "cross-site");
        post(
            "/x",
            &[site, ("sec-fetch-mode", "cors"), ("origin", origin)],
        )
    };
    assert_eq!(
        status(guard.clone(), from("https://app.example")).await,
        200
    );
    let with_cookie = |origin| {
        let mut request = from(origin);
        request
            .headers_mut()
            .insert("cookie", "session=1".parse().unwrap());
        request
    };
    assert_eq!(
        status(guard.clone(), with_cookie("https://app.example")).await,
        200
    );
    assert_eq!(
        status(guard, with_cookie("https://attacker.example")).await,
        403
    );
}

#[tokio::test]
async fn what_a_browser_adds_by_itself_decides_whether_there_is_something_to_forge() {
    const BEARER: (&str, &str) = ("authorization", "Bearer t");
    const KEY: (&str, &str) = ("x-api-key", "k");
    const COOKIE: (&str, &str) = ("cookie", "session=1");
    const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
    const CORS: (&str, &str) = ("sec-fetch-mode", "cors");
    for (headers, alone, open) in [
        (&[][..], 403, 403),
        (&[CORS], 403, 200),
        (&[NAVIGATE], 403, 403),
        (&[("sec-fetch-mode", "no-cors")], 403, 403),
        (&[BEARER], 200, 200),
        (&[("authorization", "DPoP t")], 200, 200),
        (&[KEY], 200, 200),
        (&[BEARER, COOKIE], 403, 403),
        (&[KEY, COOKIE], 403, 403),
        (&[COOKIE], 403, 403),
        (&[COOKIE, CORS], 403, 403),
        (&[("authorization", "Basic dTpw")], 403, 403),
        (&[("authorization", "NEGOTIATE x")], 403, 403),
        (&[KEY, ("authorization", "basic dTpw")], 403, 403),
        (&[BEARER, ("authorization", "Basic dTpw")], 403, 403),
    ] {
        let headers: Vec<_> = FORGED.iter().chain(headers).copied().collect();
        let guard = CrossOriginGuardLayer::new();
        let request = || post("/x", &headers);
        assert_eq!(status(guard.clone(), request()).await, alone, "{headers:?}");
        let guard = guard.trust_cors(&CorsLayer::api());
        assert_eq!(status(guard, request()).await, open, "{headers:?}");
    }
}

#[tokio::test]
async fn a_cors_policy_that_is_off_opens_nothing() {
    let guard = CrossOriginGuardLayer::new().trust_cors(&CorsLayer::off());
    assert_eq!(status(guard, post("/x", &FORGED)).await, 403);
}

#[tokio::test]
async fn a_bypass_is_about_the_path_that_the_client_sent() {
    let guard = CrossOriginGuardLayer::new()
        .add_insecure_bypass("POST /hooks/pay")
        .unwrap();
    let nested = |sent: &str, stripped: &str| {
        let mut request = post(stripped, &FORGED);
        let sent = palisade_core::SentUri(sent.parse().unwrap());
        request.extensions_mut().insert(sent);
        request
    };
    assert_eq!(
        status(guard.clone(), nested("/hooks/pay", "/pay")).await,
        200
    );
    assert_eq!(
        status(guard, nested("/other/hooks/pay", "/hooks/pay")).await,
        403
    );
}

#[tokio::test]
async fn a_bypass_lets_its_requests_pass_alone() {
    let guard = CrossOriginGuardLayer::new()
        .add_insecure_bypass("POST /webhooks/{provider}")
        .unwrap();
    assert_eq!(
        status(guard.clone(), post("/webhooks/pay", &FORGED)).await,
        200
    );
    assert_eq!(
        status(guard.clone(), post("/webhooks/pay?x=1", &FORGED)).await,
        200
    );
    for path in [
        "/webhooks/",
        "/webhooks/pay/../../transfer",
        "/webhooks/%2e%2e",
        "/transfer",
    ] {
        assert_eq!(
            status(guard.clone(), post(path, &FORGED)).await,
            403,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_bypass_of_a_host_is_about_its_name_and_every_port() {
    for (named, asked, expected) in [
        ("hooks.example", "hooks.example", 200),
        ("hooks.example", "hooks.example:8443", 200),
        ("hooks.example", "Hooks.Example:8443", 200),
        ("hooks.example", "a.hooks.example", 403),
        ("hooks.example", "hooks.example.attacker.example", 403),
        ("hooks.example", "", 403),
        ("[2001:db8::1]", "[2001:db8::1]", 200),
        ("[2001:db8::1]", "[2001:db8::1]:8443", 200),
        ("[2001:db8::1]", "[2001:db8::2]:8443", 403),
    ] {
        let guard = CrossOriginGuardLayer::new()
            .add_insecure_bypass(&format!("{named}/hooks/"))
            .unwrap();
        let mut request = post("/hooks/pay", &FORGED);
        let asked = asked.parse().unwrap();
        request.headers_mut().insert(header::HOST, asked);
        let what = format!("{named} {:?}", request.headers());
        assert_eq!(status(guard, request).await, expected, "{what}");
    }
}

#[test]
fn a_bad_setting_is_an_error_that_names_it() {
    let error = CrossOriginGuardLayer::new()
        .add_trusted_origin("https://a.example/path")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cross-origin guard: trusted origin \"https://a.example/path\": has a path, but an origin ends with its host \
         or port"
    );
    assert!(
        CrossOriginGuardLayer::new()
            .add_insecure_bypass("/a/{x")
            .is_err()
    );
}

#[tokio::test]
async fn off_lets_everything_pass() {
    assert_eq!(
        status(CrossOriginGuardLayer::off().leak(), post("/x", &FORGED)).await,
        200
    );
}

#[tokio::test]
async fn a_grpc_call_is_refused_in_its_own_terms() {
    let mut request = post("/a.B/C", &FORGED);
    request
        .headers_mut()
        .insert("content-type", "application/grpc".parse().unwrap());
    let handler = service_fn(|_: Request<()>| async {
        Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let response = CrossOriginGuardLayer::new()
        .layer(handler)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["grpc-status"]
        ),
        (200, &"7".parse().unwrap())
    );
}
