//! The layer and the guards over HTTP and gRPC: what callers read, and what the trail learns.

mod api_key;
mod bound;
#[cfg(feature = "metrics")]
mod counters;
mod dpop;
#[cfg(feature = "redis")]
mod dpop_redis;
mod guards;
mod places;
mod step_up;
#[path = "../support/mod.rs"]
mod support;

use http::Request;
use palisade_auth::{AuthLayer, Guard, RequireScope, ServiceToken};
use palisade_core::{EventKind, PathSet};
use serde_json::json;
use support::{
    HEADER, OTHER_SECRET, SECRET, claims_with, get, good_token, grpc, hs256, layer, through,
    with_token,
};
use tower_layer::Stack;

const THIRD_SECRET: &str = "qW8eRt5yUi2oPa9sDf6gHj3kLz0xCv7b";

fn expired() -> String {
    hs256(HEADER, &claims_with(json!({"iat": 1, "exp": 2})), SECRET)
}

/// `inner` inside `outer`.
fn stack<I, O>(outer: O, inner: I) -> Stack<I, O> {
    Stack::new(inner, outer)
}

#[tokio::test]
async fn every_refusal_reads_as_rfc_6750_says() {
    let basic = Request::get("/")
        .header("authorization", "Basic dTpw")
        .body(())
        .unwrap();
    let empty = Request::get("/")
        .header("authorization", "Bearer")
        .body(())
        .unwrap();
    let two = Request::get("/")
        .header("authorization", "Bearer a")
        .header("authorization", "Bearer b")
        .body(())
        .unwrap();
    let beside_query = Request::get("/?access_token=x")
        .header("authorization", "Bearer a")
        .body(())
        .unwrap();
    let realm = r#"Bearer realm="api""#;
    let invalid_token = r#"Bearer realm="api", error="invalid_token""#;
    let invalid_request = r#"Bearer realm="api", error="invalid_request""#;
    let (authn, validation) = ("AUTHENTICATION_ERROR", "VALIDATION_ERROR");
    let table = [
        (
            get("/"),
            401,
            "16",
            realm,
            authn,
            "no_credential",
            EventKind::LoginFailure,
        ),
        (
            basic,
            401,
            "16",
            realm,
            authn,
            "no_credential",
            EventKind::LoginFailure,
        ),
        (
            with_token(&expired()),
            401,
            "16",
            invalid_token,
            authn,
            "token_expired",
            EventKind::LoginFailure,
        ),
        (
            with_token("not-a-jwt"),
            401,
            "16",
            invalid_token,
            authn,
            "token_malformed",
            EventKind::LoginFailure,
        ),
        (
            with_token(&"a".repeat(9000)),
            401,
            "16",
            invalid_token,
            authn,
            "token_too_long",
            EventKind::LoginFailure,
        ),
        (
            empty,
            400,
            "3",
            invalid_request,
            validation,
            "malformed_credential",
            EventKind::InputValidationFailure,
        ),
        (
            two,
            400,
            "3",
            invalid_request,
            validation,
            "several_credentials",
            EventKind::InputValidationFailure,
        ),
        (
            beside_query,
            400,
            "3",
            invalid_request,
            validation,
            "several_credentials",
            EventKind::InputValidationFailure,
        ),
    ];
    for (request, status, grpc_status, challenge, code, reason, kind) in table {
        let answered = through(&layer(), request.clone()).await;
        assert_eq!(answered.status, status, "{reason}");
        assert_eq!(
            answered.header("www-authenticate"),
            Some(challenge),
            "{reason}"
        );
        assert_eq!(
            answered.header("content-type"),
            Some("application/problem+json")
        );
        assert!(
            answered.body.contains(&format!(r#""code":"{code}""#)),
            "{}",
            answered.body
        );
        assert!(
            !answered.body.contains(reason),
            "the body says why: {}",
            answered.body
        );
        assert_eq!(answered.reason(), reason);
        assert_eq!(answered.events[0].kind(), kind, "{reason}");

        let answered = through(&layer(), grpc(request)).await;
        assert_eq!(answered.status, 200, "{reason}");
        assert_eq!(
            answered.header("grpc-status"),
            Some(grpc_status),
            "{reason}"
        );
        assert_eq!(
            answered.header("www-authenticate"),
            Some(challenge),
            "{reason}"
        );
        assert_eq!(answered.body, "");
    }
}

#[tokio::test]
async fn no_credential_stands_in_an_event_or_a_body() {
    let token = format!("{}x", good_token());
    let answered = through(&layer(), with_token(&token)).await;
    let told = format!(
        "{:?} {} {:?}",
        answered.events, answered.body, answered.headers
    );
    assert!(!told.contains(&token[..20]), "{told}");
}

#[tokio::test]
async fn a_good_token_reaches_the_handler_with_its_principal() {
    let answered = through(&layer(), with_token(&good_token())).await;
    assert_eq!(
        (answered.status, &*answered.body),
        (200, "user alice of bookings")
    );
    assert!(answered.events.is_empty());
}

#[tokio::test]
async fn service_tokens_speak_for_their_service() {
    let crm = ServiceToken::new("crm", OTHER_SECRET)
        .unwrap()
        .previous(THIRD_SECRET)
        .unwrap();
    let layer = layer().service(crm).unwrap();
    for token in [OTHER_SECRET, THIRD_SECRET] {
        let answered = through(&layer, with_token(token)).await;
        assert_eq!(answered.body, "service crm of service-token");
    }
    let mut near = OTHER_SECRET.to_owned();
    near.pop();
    assert_eq!(through(&layer, with_token(&near)).await.status, 401);
    assert_eq!(
        through(&layer, with_token(&good_token())).await.status,
        200,
        "beside JWT"
    );
}

#[test]
fn service_tokens_that_anybody_could_guess_are_refused() {
    for weak in [
        "",
        "short",
        "your-secret-key-change-in-production",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let error = AuthLayer::new()
            .service_token("crm", weak)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("service_token[crm]: "), "{error}");
        assert!(weak.is_empty() || !error.contains(weak), "{error}");
    }
    let spaced = "kD2vGq0yX8mTn5cW bR7sJ4hLz1fP6aEu";
    assert!(AuthLayer::new().service_token("crm", spaced).is_err());
    let taken = AuthLayer::new()
        .service_token("crm", SECRET)
        .unwrap()
        .service_token("erp", SECRET);
    assert!(taken.is_err());
}

#[tokio::test]
async fn an_optional_layer_still_refuses_what_does_not_hold() {
    let layer = layer().optional();
    let nobody = through(&layer, get("/")).await;
    assert_eq!((nobody.status, &*nobody.body), (200, "nobody"));
    assert_eq!(
        through(&layer, with_token(&good_token())).await.body,
        "user alice of bookings"
    );
    assert_eq!(through(&layer, with_token(&expired())).await.status, 401);
    let guarded = stack(layer, Guard::authenticated());
    let answered = through(&guarded, get("/")).await;
    assert_eq!(answered.status, 401);
    assert_eq!(
        answered.header("www-authenticate"),
        Some(r#"Bearer realm="api""#)
    );
}

#[tokio::test]
async fn only_the_exact_path_is_skipped() {
    let layer = layer().skip(PathSet::of(["/healthz"]));
    assert_eq!(through(&layer, get("/healthz")).await.body, "nobody");
    for near in [
        "/healthz/",
        "//healthz",
        "/Healthz",
        "/%68ealthz",
        "/healthz/x",
    ] {
        assert_eq!(through(&layer, get(near)).await.status, 401, "{near}");
    }
}

#[tokio::test]
async fn nothing_is_exempt_by_default() {
    for path in palisade_core::OPERATIONAL_PATHS {
        assert_eq!(through(&layer(), get(path)).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_layer_that_knows_no_credential_refuses_everything() {
    assert_eq!(
        through(&AuthLayer::new(), get("/")).await.reason(),
        "no_credential"
    );
    assert_eq!(
        through(&AuthLayer::new(), with_token(&good_token()))
            .await
            .reason(),
        "unknown_token"
    );
}

#[tokio::test]
async fn a_layer_that_is_off_passes_everything_and_guards_inside_fail_closed() {
    assert_eq!(through(&AuthLayer::off(), get("/")).await.body, "nobody");
    assert_eq!(
        through(
            &AuthLayer::off().bearer(support::verifier()),
            with_token("x")
        )
        .await
        .status,
        200
    );
    let guarded = stack(AuthLayer::off(), RequireScope::all(["write"]));
    assert_eq!(
        through(&guarded, with_token(&good_token())).await.status,
        500
    );
}

#[tokio::test]
async fn a_leaked_layer_decides_the_same() {
    let layer = layer().leak();
    assert_eq!(through(&layer, with_token(&good_token())).await.status, 200);
    assert_eq!(through(&layer, get("/")).await.status, 401);
}

#[tokio::test]
async fn a_token_that_is_too_long_is_not_even_digested() {
    let layer = AuthLayer::new().service_token("crm", OTHER_SECRET).unwrap();
    let answered = through(&layer, with_token(&"a".repeat(8 * 1024 + 1))).await;
    assert_eq!(
        (answered.status, answered.reason()),
        (401, "token_too_long")
    );
    let answered = through(&layer, with_token(&"a".repeat(8 * 1024))).await;
    assert_eq!(answered.reason(), "unknown_token");
}
