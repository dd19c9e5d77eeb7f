//! The gateway as a client sees it: the real binary, over real HTTP.

#[path = "contract/cache.rs"]
mod cache;
#[path = "contract/checklist.rs"]
mod checklist;
mod support;

use std::collections::HashSet;

use serde_json::json;

use support::{CRM_TOKEN, Gateway, PASSWORD, hardened, refused};

#[tokio::test]
async fn health_is_told() {
    let gateway = Gateway::start();
    for path in ["/healthz", "/readyz"] {
        let (status, _, body) = hardened(gateway.get(path).await).await;
        assert_eq!(status, 200);
        assert_eq!(
            (&body["status"], &body["service"]),
            (&json!("healthy"), &json!("gateway"))
        );
        assert!(
            body["timestamp"].is_string() && body["checks"].is_object(),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_burst_passes_and_the_rest_is_told_when() {
    let gateway = Gateway::start();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..25 {
        requests.spawn(
            gateway
                .client
                .get(gateway.at("/v1/ping"))
                .header("x-track-id", "t-1")
                .send(),
        );
    }
    let mut passed = 0;
    for response in requests.join_all().await {
        let response = response.unwrap();
        if response.status() == 200 {
            let (_, headers, body) = hardened(response).await;
            assert_eq!(body, json!({ "pong": true }));
            assert_eq!(headers["x-ratelimit-limit"], "10");
            passed += 1;
        } else {
            let (headers, body) = refused(response, "RATE_LIMIT_EXCEEDED").await;
            assert_eq!(headers["retry-after"], "1");
            assert_eq!(headers["x-ratelimit-remaining"], "0");
            assert_eq!(body["error"]["details"]["retry_after"], 1);
        }
    }
    // 20 at once; five more could only pass after half a second of refilling.
    assert!((20..25).contains(&passed), "{passed} of 25 passed");
}

#[tokio::test]
async fn another_track_id_has_its_own_bucket() {
    let gateway = Gateway::start();
    for _ in 0..30 {
        gateway
            .client
            .get(gateway.at("/v1/ping"))
            .header("x-track-id", "busy")
            .send()
            .await
            .unwrap();
    }
    let other = gateway
        .client
        .get(gateway.at("/v1/ping"))
        .header("x-track-id", "calm")
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 200);
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_the_one_format() {
    let gateway = Gateway::start();
    refused(gateway.get("/nothing/here").await, "NOT_FOUND").await;
    let wrong = gateway
        .client
        .delete(gateway.at("/v1/ping"))
        .send()
        .await
        .unwrap();
    let (headers, _) = refused(wrong, "METHOD_NOT_ALLOWED").await;
    assert_eq!(headers["allow"], "GET,HEAD");
}

#[tokio::test]
async fn a_login_gives_a_pair_that_works() {
    let gateway = Gateway::start();
    let (status, headers, body) = hardened(gateway.login("alice", PASSWORD).await).await;
    assert_eq!(status, 200);
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("Bearer"), &json!(900))
    );
    assert!(body["refresh_token"].is_string());

    let token = body["access_token"].as_str().unwrap();
    let me = gateway
        .client
        .get(gateway.at("/api/me"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    let (status, _, body) = hardened(me).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["subject"], &body["scopes"]),
        (&json!("alice"), &json!(["read", "write"]))
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let gateway = Gateway::start();
    let mut answers = HashSet::new();
    for username in ["alice", "nobody"] {
        let (_, mut body) = refused(
            gateway.login(username, "wrong").await,
            "AUTHENTICATION_ERROR",
        )
        .await;
        body["error"]["correlation_id"].take();
        body["error"]["timestamp"].take();
        answers.insert(body.to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn the_sixth_login_in_a_minute_is_refused_whatever_the_outcome() {
    let gateway = Gateway::start();
    for _ in 0..5 {
        assert_eq!(gateway.login("alice", PASSWORD).await.status(), 200);
    }
    let (headers, _) = refused(gateway.login("rita", PASSWORD).await, "RATE_LIMIT_EXCEEDED").await;
    assert!(headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_protected_route_asks_who_is_there() {
    let gateway = Gateway::start();
    let (headers, _) = refused(gateway.get("/api/me").await, "AUTHENTICATION_ERROR").await;
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.starts_with("Bearer realm=") && !challenge.contains("error"),
        "{challenge}"
    );

    let forged = gateway
        .client
        .get(gateway.at("/api/me"))
        .bearer_auth("a.b.c")
        .send()
        .await
        .unwrap();
    let (headers, _) = refused(forged, "AUTHENTICATION_ERROR").await;
    assert!(
        headers["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("error=\"invalid_token\"")
    );
}

#[tokio::test]
async fn an_api_key_is_somebody_too() {
    let gateway = Gateway::start();
    let me = gateway
        .client
        .get(gateway.at("/api/me"))
        .header("x-api-key", &gateway.api_key)
        .send()
        .await
        .unwrap();
    let (status, _, body) = hardened(me).await;
    assert_eq!((status.as_u16(), &body["scopes"]), (200, &json!(["read"])));
}

#[tokio::test]
async fn only_services_may_notify() {
    let gateway = Gateway::start();
    let alice = gateway.token("alice").await;
    let path = gateway.at("/internal/notify");
    assert_eq!(
        gateway
            .client
            .post(&path)
            .bearer_auth(alice)
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(
        gateway
            .client
            .post(&path)
            .bearer_auth(CRM_TOKEN)
            .send()
            .await
            .unwrap()
            .status(),
        202
    );
    assert_eq!(
        gateway.client.post(&path).send().await.unwrap().status(),
        401
    );
}
