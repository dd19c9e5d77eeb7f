//! Whatever goes into a rejection, what comes out is well formed.

#![allow(missing_docs, reason = "tests")]

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use palisade_core::time::UnixTime;
use palisade_core::{
    Code, Rejection, RejectionContext, Renderer, RequestId, RequestScope, ResponseBody,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

const CODES: [Code; 9] = [
    Code::Validation,
    Code::Authentication,
    Code::Authorization,
    Code::NotFound,
    Code::MethodNotAllowed,
    Code::PayloadTooLarge,
    Code::RateLimit,
    Code::Internal,
    Code::Unavailable,
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

fn wait() -> impl Strategy<Value = Option<Duration>> {
    prop::option::of(prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0..10_u64, 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
        (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
    ])
}

fn rejection() -> impl Strategy<Value = Rejection> {
    let members = [
        "type",
        "title",
        "status",
        "detail",
        "error",
        "violated-policies",
        "balance",
    ];
    (
        prop::sample::select(CODES.to_vec()),
        any::<String>(),
        vec(
            (
                prop_oneof![any::<String>(), Just("retry_after".to_owned())],
                value(),
            ),
            0..4,
        ),
        vec((prop::sample::select(members.to_vec()), value()), 0..3),
        prop::option::of(prop::sample::select(vec!["api", "a \"quoted\" one"])),
        wait(),
    )
        .prop_map(|(code, message, details, members, policy, wait)| {
            let mut rejection = Rejection::new(code).message(message).header(
                HeaderName::from_static("x-extra"),
                HeaderValue::from_static("1"),
            );
            for (name, value) in details {
                rejection = rejection.detail(name, value);
            }
            for (name, value) in members {
                rejection = rejection.member(name, value);
            }
            if let Some(policy) = policy {
                rejection = rejection.violated_policy(policy.into());
            }
            match wait {
                Some(wait) => rejection.retry_after(wait),
                None => rejection,
            }
        })
}

fn context(method: &str, content_type: &'static str, id: bool) -> RejectionContext {
    let mut request = Request::builder()
        .method(method)
        .header("content-type", content_type)
        .body(())
        .unwrap();
    if id {
        RequestScope::enter(request.extensions_mut())
            .set_request_id(RequestId::new("id-1").unwrap());
    }
    RejectionContext::of(&request)
}

type Answer = Response<ResponseBody<Empty<Bytes>>>;

fn body_of(response: Answer) -> Bytes {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let collected = runtime.block_on(response.into_body().collect());
    match collected {
        Ok(body) => body.to_bytes(),
        Err(never) => match never {},
    }
}

/// Whether every header is text that any client can read.
fn plain_headers(response: &Answer) -> bool {
    response
        .headers()
        .values()
        .all(|value| value.to_str().is_ok())
}

/// The names of all members at the top, as often as they stand there.
fn members_of(json: &[u8]) -> Vec<String> {
    struct Names(Vec<String>);
    impl<'de> serde::Deserialize<'de> for Names {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visit;
            impl<'de> serde::de::Visitor<'de> for Visit {
                type Value = Names;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Names, A::Error> {
                    let mut names = Vec::new();
                    while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                        names.push(name);
                    }
                    Ok(Names(names))
                }
            }
            deserializer.deserialize_map(Visit)
        }
    }
    serde_json::from_slice::<Names>(json).unwrap().0
}

fn unique(names: &[String]) -> bool {
    names.iter().collect::<HashSet<_>>().len() == names.len()
}

/// The part of `json` under this member, as it stands there.
fn raw<'a>(json: &'a [u8], member: &str) -> &'a [u8] {
    let text = std::str::from_utf8(json).unwrap();
    let start = text.rfind(&format!("\"{member}\":{{")).unwrap() + member.len() + 3;
    &json[start..]
}

/// The text behind gRPC's percent encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let hex = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

proptest! {
    #[test]
    fn http_gets_valid_json_and_valid_headers(rejection in rejection(), id in any::<bool>(), now in any::<u64>()) {
        let (code, message, wait) =
            (rejection.code(), rejection.message_text().to_owned(), rejection.retry_hint());
        let context = context("POST", "application/json", id);
        let response: Answer = rejection.into_response_at(&context, UnixTime::from_secs(now));
        prop_assert!(plain_headers(&response));
        prop_assert_eq!(response.status(), code.status());
        let length = response.headers()["content-length"].to_str().unwrap().to_owned();
        let shown = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let body = body_of(response);
        prop_assert_eq!(length, body.len().to_string());
        let problem: Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(&problem["status"], code.status().as_u16());
        prop_assert_eq!(&problem["detail"], &message);
        prop_assert_eq!(&problem["error"]["code"], code.as_str());
        prop_assert_eq!(&problem["error"]["message"], &message);
        prop_assert_eq!(problem["error"].get("correlation_id").is_some(), id);
        prop_assert_eq!(shown.is_some(), wait.is_some());
        if let (Some(shown), Some(wait)) = (shown, wait) {
            let seconds: u64 = shown.parse().unwrap();
            prop_assert!(seconds >= 1 && (seconds >= wait.as_secs()));
            prop_assert_eq!(&problem["error"]["details"]["retry_after"], seconds);
        }
        // Parsers differ over which of two equal names they believe, so there is never more than one.
        prop_assert!(unique(&members_of(&body)), "{:?}", body);
    }

    #[test]
    fn no_name_stands_twice_in_the_details(
        names in vec(prop::sample::select(vec!["retry_after", "room", "start"]), 0..6),
        wait in wait(),
    ) {
        let mut rejection = Rejection::new(Code::Validation);
        for (position, name) in names.iter().enumerate() {
            rejection = rejection.detail(*name, position);
        }
        if let Some(wait) = wait {
            rejection = rejection.retry_after(wait);
        }
        let response: Answer = rejection.into_response(&context("GET", "text/plain", false));
        let body = body_of(response);
        let problem: Value = serde_json::from_slice(&body).unwrap();
        let details = problem["error"]["details"].as_object().unwrap().len();
        let raw = raw(&body, "details");
        let colons = raw.iter().filter(|byte| **byte == b':').count();
        prop_assert_eq!(colons, details, "{:?}", body);
    }

    #[test]
    fn grpc_gets_a_status_and_the_message_whole(rejection in rejection()) {
        let (code, message, wait) =
            (rejection.code(), rejection.message_text().to_owned(), rejection.retry_hint());
        let response: Answer = rejection.into_response(&context("POST", "application/grpc+proto", true));
        prop_assert!(plain_headers(&response));
        prop_assert_eq!(response.status(), 200);
        let status = code.grpc_status().to_string();
        prop_assert_eq!(response.headers()["grpc-status"].as_bytes(), status.as_bytes());
        prop_assert_eq!(decoded(response.headers()["grpc-message"].to_str().unwrap()), message);
        if let Some(wait) = wait {
            let millis: u64 = response.headers()["grpc-retry-pushback-ms"].to_str().unwrap().parse().unwrap();
            prop_assert!(millis >= 1 && u128::from(millis) >= wait.as_millis().min(u128::from(u64::MAX)));
        }
        prop_assert!(body_of(response).is_empty());
    }

    #[test]
    fn head_gets_no_body(rejection in rejection()) {
        let status = rejection.code().status();
        let response: Answer = rejection.into_response(&context("HEAD", "text/plain", false));
        prop_assert_eq!(response.status(), status);
        prop_assert!(body_of(response).is_empty());
    }
}

#[test]
fn each_code_has_its_status_over_http_and_grpc() {
    // The design's list, and the codes of gRPC's `google.rpc.Code`.
    let expected = [
        ("VALIDATION_ERROR", 400, 3),
        ("AUTHENTICATION_ERROR", 401, 16),
        ("AUTHORIZATION_ERROR", 403, 7),
        ("NOT_FOUND", 404, 5),
        ("METHOD_NOT_ALLOWED", 405, 12),
        ("PAYLOAD_TOO_LARGE", 413, 8),
        ("RATE_LIMIT_EXCEEDED", 429, 8),
        ("INTERNAL_ERROR", 500, 13),
        ("SERVICE_UNAVAILABLE", 503, 14),
    ];
    for (code, expected) in CODES.iter().zip(expected) {
        assert_eq!(
            (code.as_str(), code.status().as_u16(), code.grpc_status()),
            expected
        );
    }
}

#[test]
fn a_renderer_replaces_head_and_body() {
    let layer = palisade_core::ScopeLayer::default().renderer(Renderer::new(|rejection, _| {
        let mut response = Response::new(Bytes::from(rejection.code().as_str()));
        *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
        response
    }));
    let service = tower::service_fn(|request: Request<()>| async move {
        let context = RejectionContext::of(&request);
        Ok::<Answer, std::convert::Infallible>(
            Rejection::new(Code::NotFound).into_response(&context),
        )
    });
    let service = tower::Layer::layer(&layer, service);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let answer = |method: &str| {
        let request = Request::builder().method(method).body(()).unwrap();
        let response = runtime
            .block_on(tower::ServiceExt::oneshot(service.clone(), request))
            .unwrap();
        let status = response.status().as_u16();
        let Ok(body) = runtime.block_on(response.into_body().collect());
        (status, body.to_bytes())
    };
    assert_eq!(answer("GET"), (418, Bytes::from("NOT_FOUND")));
    assert_eq!(answer("HEAD"), (418, Bytes::new()));
}
