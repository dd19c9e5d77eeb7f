//! The order of the layers, seen from outside.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use palisade::audit::{Audit, AuditLayer, MemorySink};
use palisade::auth::{AuthLayer, HmacKeys, JwtVerifier, TokenIssuer};
use palisade::crypto::{FieldCipher, FieldCryptoLayer, Fields, Key, Keyring};
use palisade::headers::{CorsLayer, CrossOriginGuardLayer, RequestIdLayer, SecurityHeadersLayer};
use palisade::ratelimit::{Limit, Policy, RateLimitLayer, burst, per_minute};
use palisade::{ClientIp, PeerAddr, Principal, RequestScope, Stack};
use serde_json::Value;
use tower::{Layer, ServiceExt};

struct Fixture {
    stack: Stack,
    tokens: TokenIssuer,
    trail: MemorySink,
    guard: palisade::audit::Guard,
}

fn fixture() -> Fixture {
    let tokens = TokenIssuer::hmac(
        "stack",
        HmacKeys::current("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu").unwrap(),
    )
    .audience("api://stack")
    .build()
    .unwrap();
    let verifier = JwtVerifier::builder()
        .issuer(tokens.issuer())
        .build()
        .unwrap();
    let trail = MemorySink::new();
    let (audit, guard) = Audit::builder("stack").sink(trail.clone()).open().unwrap();
    let limit = |name: &'static str, count| {
        RateLimitLayer::builder()
            .policy(Policy::new(name).limit(Limit::token_bucket(per_minute(1), burst(count))))
            .build()
            .unwrap()
    };
    let cipher = FieldCipher::new(Keyring::single(Key::generate().unwrap()).unwrap());
    let stack = Stack::new()
        .field_crypto(FieldCryptoLayer::new(cipher).encrypt_response(Fields::paths(["/email"])))
        .limit_principals(limit("principals", 2))
        .auth(AuthLayer::new().bearer(verifier))
        .limit_clients(limit("clients", 4))
        .cross_origin_guard(CrossOriginGuardLayer::new())
        .cors(CorsLayer::api())
        .audit(AuditLayer::new(audit))
        .security_headers(SecurityHeadersLayer::api())
        .request_id(RequestIdLayer::new());
    Fixture {
        stack,
        tokens,
        trail,
        guard,
    }
}

impl Fixture {
    /// The status, the headers and the JSON with which a handler behind the stack answers.
    async fn answer(&self, request: Request<String>) -> (u16, HeaderMap, Value) {
        let handler = tower::service_fn(|request: Request<String>| async move {
            assert!(
                RequestScope::current(request.extensions())
                    .unwrap()
                    .principal()
                    .is_some()
            );
            let body = Bytes::from_static(br#"{"email":"a@b.c","room":"Blue"}"#);
            let mut response = Response::new(Full::new(body));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            Ok::<_, Infallible>(response)
        });
        let (head, body) = self
            .stack
            .layer(handler)
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status.as_u16(),
            head.headers,
            serde_json::from_slice(&body).unwrap_or_default(),
        )
    }

    fn request(&self) -> Request<String> {
        let token = self
            .tokens
            .issue(&Principal::user("stack", "alice"))
            .unwrap();
        let mut request = anonymous();
        let bearer = format!("Bearer {}", token.as_str()).parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        request
    }

    /// The records of requests: the status of each, and which limit refused it.
    fn records(self) -> Vec<String> {
        self.guard.shutdown(Duration::from_secs(5));
        let lines = self.trail.lines();
        let records = lines
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        records
            .filter(|record| record["event"] == "http_request")
            .map(
                |record| match (&record["status"], record["policy"].as_str()) {
                    (status, Some(policy)) if status == 429 => format!("{status} {policy}"),
                    (status, _) => status.to_string(),
                },
            )
            .collect()
    }
}

fn anonymous() -> Request<String> {
    let mut request = Request::new(String::new());
    request
        .extensions_mut()
        .insert(PeerAddr(SocketAddr::from(([203, 0, 113, 7], 4433))));
    request
}

#[tokio::test]
async fn a_good_request_meets_every_layer() {
    let fixture = fixture();
    let (status, headers, body) = fixture.answer(fixture.request()).await;
    assert_eq!(status, 200);
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(headers.contains_key("x-request-id") && headers.contains_key("x-ratelimit-limit"));
    assert!(
        body["email"].as_str().unwrap().starts_with("pl1."),
        "{body}"
    );
    assert_eq!(fixture.records(), ["200"]);
}

#[tokio::test]
async fn every_refusal_has_the_headers_the_id_and_a_record() {
    let fixture = fixture();
    // Two pass, the third is over the principal's limit, the fourth is nobody, and the fifth over the client's.
    let requests = [
        fixture.request(),
        fixture.request(),
        fixture.request(),
        anonymous(),
        anonymous(),
    ];
    let mut statuses = Vec::new();
    for request in requests {
        let (status, headers, body) = fixture.answer(request).await;
        statuses.push(status);
        assert_eq!(headers["x-frame-options"], "DENY");
        if status != 200 {
            assert_eq!(
                body["error"]["correlation_id"],
                headers["x-request-id"].to_str().unwrap()
            );
        }
    }
    assert_eq!(statuses, [200, 200, 429, 401, 429]);
    let expected = ["200", "200", "429 principals", "401", "429 clients"];
    assert_eq!(fixture.records(), expected);
}

#[tokio::test]
async fn a_preflight_is_answered_before_anyone_asks_for_credentials() {
    let mut preflight = anonymous();
    *preflight.method_mut() = Method::OPTIONS;
    let headers = preflight.headers_mut();
    headers.insert(
        header::ORIGIN,
        HeaderValue::from_static("https://app.example"),
    );
    headers.insert(
        header::ACCESS_CONTROL_REQUEST_METHOD,
        HeaderValue::from_static("POST"),
    );
    let (status, headers, _) = fixture().answer(preflight).await;
    assert_eq!(status, 200);
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn a_refusal_can_be_read_by_the_page_that_asked() {
    let mut request = anonymous();
    request.headers_mut().insert(
        header::ORIGIN,
        HeaderValue::from_static("https://app.example"),
    );
    let (status, headers, _) = fixture().answer(request).await;
    assert_eq!(status, 401);
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
}

#[tokio::test]
async fn a_forged_request_costs_no_token_of_any_limit() {
    let fixture = fixture();
    for _ in 0..10 {
        let mut forged = anonymous();
        *forged.method_mut() = Method::POST;
        forged
            .headers_mut()
            .insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        assert_eq!(fixture.answer(forged).await.0, 403);
    }
    assert_eq!(fixture.answer(fixture.request()).await.0, 200);
}

#[tokio::test]
async fn a_new_stack_changes_nothing() {
    let service = Stack::new().layer(tower::service_fn(|request: Request<u32>| async move {
        Ok::<_, u8>(Response::new(Full::<Bytes>::from(
            request.into_body().to_string(),
        )))
    }));
    let response = service.oneshot(Request::new(7)).await.unwrap();
    assert!(response.headers().is_empty());
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "7"
    );
}

#[tokio::test]
async fn the_error_of_the_service_comes_through_as_it_is() {
    let broken = tower::service_fn(|_: Request<()>| async {
        Err::<Response<Full<Bytes>>, _>(std::rc::Rc::new("not even Send"))
    });
    let fixture = fixture();
    let service = fixture.stack.auth(AuthLayer::off()).layer(broken);
    assert_eq!(
        *service.oneshot(Request::new(())).await.unwrap_err(),
        "not even Send"
    );
    fixture.guard.shutdown(Duration::from_secs(5));
    let records = fixture.trail.lines();
    let mut records = records
        .iter()
        .map(|line| serde_json::from_str(line).unwrap());
    assert!(
        records
            .any(|record: Value| record["event"] == "http_request" && record["outcome"] == "error"),
        "{:?}",
        fixture.trail.lines()
    );
}

#[tokio::test]
async fn every_layer_has_the_client_that_the_stack_decides() {
    let proxies = || ClientIp::trusting(["10.0.0.0/8"]).unwrap();
    let limited = |client_ip: ClientIp| {
        let limit = Limit::token_bucket(per_minute(1), burst(1));
        let limits = RateLimitLayer::builder().client_ip(client_ip);
        let limits = limits.policy(Policy::new("clients").limit(limit)).build();
        Stack::new().limit_clients(limits.unwrap())
    };
    for (stack, expected) in [
        (limited(ClientIp::peer()), [200, 429]),
        (limited(ClientIp::peer()).client_ip(proxies()), [200, 200]),
        // A stack that is fixed already keeps its layers when it is changed.
        (
            limited(ClientIp::peer()).leak().client_ip(ClientIp::peer()),
            [200, 429],
        ),
        // The setting of one layer is for where there is no stack.
        (limited(proxies()), [200, 429]),
    ] {
        let service = stack.layer(tower::service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
        let mut statuses = Vec::new();
        for client in ["192.0.2.1", "192.0.2.2"] {
            let mut request = Request::new(());
            let peer: SocketAddr = "10.0.0.1:4433".parse().unwrap();
            request.extensions_mut().insert(PeerAddr(peer));
            let forwarded = HeaderValue::from_static(client);
            request.headers_mut().insert("x-forwarded-for", forwarded);
            let response = service.clone().oneshot(request).await.unwrap();
            statuses.push(response.status().as_u16());
        }
        assert_eq!(statuses, expected);
    }
}

#[tokio::test]
async fn what_a_preflight_allows_is_not_refused_afterwards() {
    let fixture = fixture();
    let signed_in = fixture.request();
    let token = &signed_in.headers()["authorization"];
    let cross_site = |method: Method| {
        Request::builder()
            .method(method)
            .uri("/x")
            .header("host", "api.example")
            .header("origin", "https://app.example")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "cors")
    };
    let preflight = cross_site(Method::OPTIONS)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .body(String::new())
        .unwrap();
    assert_eq!(fixture.answer(preflight).await.0, 200);
    let post = || cross_site(Method::POST).header("authorization", token);
    let (status, headers, _) = fixture.answer(post().body("{}".into()).unwrap()).await;
    assert_eq!(
        (status, &headers["access-control-allow-origin"]),
        (200, &HeaderValue::from_static("*"))
    );
    let with_cookie = post().header("cookie", "session=1").body("{}".into());
    assert_eq!(fixture.answer(with_cookie.unwrap()).await.0, 403);
}
