//! Guards by the sign-in itself, and by a policy of the application's own.

use std::time::Duration;

use crate::support::{HEADER, NOW, SECRET, claims_with, clock, hs256, layer, through, with_token};
use http::Method;
use palisade_auth::{Guard, RequireAuthentication};
use serde_json::{Value, json};
use tower::layer::util::Stack;

fn token(changes: Value) -> String {
    hs256(HEADER, &claims_with(changes), SECRET)
}

fn guarded(guard: Guard) -> Stack<Guard, palisade_auth::AuthLayer> {
    Stack::new(guard, layer())
}

#[tokio::test]
async fn a_sign_in_must_be_strong_enough() {
    let strong = guarded(RequireAuthentication::any_acr(["phr", "phrh"]));
    for acr in ["phr", "phrh"] {
        let answered = through(&strong, with_token(&token(json!({ "acr": acr })))).await;
        assert_eq!(answered.status, 200, "{acr}");
    }
    for claims in [
        json!({}),
        json!({"acr": "1"}),
        json!({"acr": "PHR"}),
        json!({"acr": ["phr"]}),
        json!({"acr": 0}),
        json!({"amr": "phr"}),
    ] {
        let answered = through(&strong, with_token(&token(claims.clone()))).await;
        assert_eq!(answered.status, 401, "{claims}");
        assert_eq!(answered.reason(), "insufficient_user_authentication");
        // RFC 9470, section 3.
        assert_eq!(
            answered.header("www-authenticate"),
            Some("Bearer error=\"insufficient_user_authentication\", acr_values=\"phr phrh\"")
        );
    }
    let nobody = guarded(RequireAuthentication::any_acr::<&str>([]));
    let answered = through(&nobody, with_token(&token(json!({"acr": ""})))).await;
    assert_eq!(answered.status, 401);
    let odd = guarded(RequireAuthentication::any_acr(["a\", scope=\"b"]));
    let answered = through(&odd, with_token(&token(json!({})))).await;
    assert_eq!(
        answered.header("www-authenticate"),
        Some("Bearer error=\"insufficient_user_authentication\""),
        "nothing breaks out of its quotes"
    );
}

#[tokio::test]
async fn a_sign_in_must_be_recent_enough() {
    let recent = || RequireAuthentication::within_by(Duration::from_secs(300), clock());
    for (auth_time, status) in [
        (json!(NOW), 200),
        (json!(NOW - 300), 200),
        (json!(NOW as f64 - 299.5), 200),
        (json!(NOW - 301), 401),
        (json!(NOW + 60), 200),
        (json!(NOW + 61), 401),
        (json!(NOW.to_string()), 401),
        (json!(null), 401),
        (json!(-1e300), 401),
        (json!(1e300), 401),
    ] {
        let token = token(json!({ "auth_time": auth_time }));
        let answered = through(&guarded(recent()), with_token(&token)).await;
        assert_eq!(answered.status, status, "{auth_time}");
        if status == 401 {
            assert_eq!(
                answered.header("www-authenticate"),
                Some("Bearer error=\"insufficient_user_authentication\", max_age=\"300\"")
            );
        }
    }
    let answered = through(&guarded(recent()), with_token(&token(json!({})))).await;
    assert_eq!(answered.status, 401);
}

#[tokio::test]
async fn a_policy_decides_by_principal_method_and_path() {
    // As an engine for policies is asked: subject, action, object.
    let policy = |principal: &palisade_core::Principal, method: &Method, path: &str| {
        principal.has_role("admin")
            || (*method == Method::GET && path.strip_prefix("/users/") == Some(principal.subject()))
    };
    let layer = guarded(Guard::policy(policy));
    for (method, path, roles, status) in [
        ("GET", "/users/alice", json!(["user"]), 200),
        ("GET", "/users/bob", json!(["user"]), 403),
        ("GET", "/users/alice/", json!(["user"]), 403),
        ("DELETE", "/users/alice", json!(["user"]), 403),
        ("DELETE", "/users/bob", json!(["admin"]), 200),
        // A HEAD is a GET to every rule.
        ("HEAD", "/users/alice", json!(["user"]), 200),
    ] {
        let mut request = with_token(&token(json!({ "roles": roles })));
        *request.uri_mut() = path.parse().unwrap();
        *request.method_mut() = method.parse().unwrap();
        let answered = through(&layer, request).await;
        assert_eq!(answered.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_policy_sees_the_path_that_the_client_sent() {
    use palisade_core::SentUri;
    let layer = guarded(Guard::policy(|_, _, path| path == "/api/open"));
    let mut request = with_token(&token(json!({})));
    *request.uri_mut() = "/open".parse().unwrap();
    request
        .extensions_mut()
        .insert(SentUri("/api/open".parse().unwrap()));
    assert_eq!(through(&layer, request).await.status, 200);
}
