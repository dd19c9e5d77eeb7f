//! An upstream that fails, and what the gateway makes of it.

mod support;

use serde_json::json;

use support::{Gateway, hardened, refused};

#[tokio::test]
async fn a_failing_upstream_is_left_alone_and_the_last_quote_served() {
    let gateway = Gateway::start_with(&[("CIRCUIT_BREAKER_THRESHOLD", "2")]);
    let ada = gateway.token("ada").await;
    let good = gateway.get("/api/quote").await;
    assert_eq!(good.status(), 200);
    assert!(!good.headers().contains_key("warning"));
    let turn = gateway
        .client
        .post(gateway.at("/demo/upstream"))
        .bearer_auth(&ada)
        .json(&json!({ "mode": "fail" }));
    assert_eq!(turn.send().await.unwrap().status(), 200);
    for _ in 0..4 {
        let (status, headers, body) = hardened(gateway.get("/api/quote").await).await;
        assert_eq!(status, 200);
        assert!(headers["warning"].to_str().unwrap().starts_with("110 "));
        assert_eq!(body["room"], "Blue");
    }
}

#[tokio::test]
async fn without_a_last_quote_a_failing_upstream_is_a_503() {
    let gateway = Gateway::start_with(&[("CIRCUIT_BREAKER_THRESHOLD", "1")]);
    let ada = gateway.token("ada").await;
    let turn = gateway
        .client
        .post(gateway.at("/demo/upstream"))
        .bearer_auth(&ada)
        .json(&json!({ "mode": "fail" }));
    turn.send().await.unwrap();
    for _ in 0..3 {
        let (headers, _) = refused(gateway.get("/api/quote").await, "SERVICE_UNAVAILABLE").await;
        assert!(headers.contains_key("retry-after"));
    }
}
