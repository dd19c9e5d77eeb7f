//! Gateways that share a Redis.

mod support;

use std::time::Duration;

use palisade_tests::redis::Redis;
use serde_json::{Value, json};
use support::Gateway;

#[tokio::test]
async fn two_gateways_on_one_redis_share_a_limit() {
    let mut statuses = Vec::new();
    // On a busy machine an answer of Redis may take longer than a gateway waits for it; then nobody is signed in.
    for _ in 0..5 {
        let redis = Redis::start();
        let one = Gateway::start_with(&[("REDIS_URL", &redis.url())]);
        let other = Gateway::start_with(&[("REDIS_URL", &redis.url())]);
        statuses.clear();
        for _ in 0..3 {
            for gateway in [&one, &other] {
                statuses.push(gateway.login("nobody", "wrong").await.status().as_u16());
            }
        }
        if !statuses.contains(&503) {
            break;
        }
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
}

#[tokio::test]
async fn without_its_redis_a_gateway_serves_but_signs_nobody_in() {
    let redis = Redis::start();
    let url = redis.url();
    drop(redis);
    let gateway = Gateway::start_with(&[("REDIS_URL", &url)]);
    assert_eq!(
        gateway.get("/v1/ping").await.status(),
        200,
        "counted in the process meanwhile"
    );
    let login = gateway.login("alice", support::PASSWORD).await;
    assert_eq!(login.status(), 503, "guesses must not go uncounted");
}

/// Sets what the upstream of a gateway does, and answers the state of the breaker in front of it.
async fn breaker(gateway: &Gateway, token: &str, mode: &str) -> String {
    let turn = gateway
        .client
        .post(gateway.at("/demo/upstream"))
        .bearer_auth(token)
        .json(&json!({ "mode": mode }));
    let answer: Value = turn.send().await.unwrap().json().await.unwrap();
    answer["breaker"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_gateway_that_heard_of_an_open_breaker_opens_its_own_at_the_first_failure() {
    let redis = Redis::start();
    let one = Gateway::start_with(&[("REDIS_URL", &redis.url())]);
    let other = Gateway::start_with(&[("REDIS_URL", &redis.url())]);
    let (ada, also_ada) = (one.token("ada").await, other.token("ada").await);
    breaker(&one, &ada, "fail").await;
    // Two attempts each, and five failures open it.
    for _ in 0..3 {
        one.get("/api/quote").await;
    }
    assert_eq!(breaker(&one, &ada, "fail").await, "open");
    let heard = "palisade_breaker_shared_total{name=\"upstream\",outcome=\"heard\"} 1";
    let start = palisade_core::time::now();
    while !other
        .get("/metrics")
        .await
        .text()
        .await
        .unwrap()
        .contains(heard)
    {
        assert!(start.elapsed() < Duration::from_secs(10), "not heard of");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(breaker(&other, &also_ada, "fail").await, "closed");
    other.get("/api/quote").await;
    assert_eq!(breaker(&other, &also_ada, "ok").await, "open");
}

/// The outcome of each step, or nothing where Redis took longer than a gateway waits for it.
async fn sign_in_at_one_and_out_at_the_other() -> Option<Vec<(&'static str, u16)>> {
    const SECRET: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
    let redis = Redis::start();
    let url = redis.url();
    let variables = [("REDIS_URL", &*url), ("JWT_SECRET_KEY", SECRET)];
    let one = Gateway::start_with(&variables);
    let other = Gateway::start_with(&variables);
    let pair: Value = one
        .login("alice", support::PASSWORD)
        .await
        .error_for_status()
        .ok()?
        .json()
        .await
        .unwrap();
    let access = pair["access_token"].as_str().unwrap();
    let me = async |gateway: &Gateway| {
        let request = gateway
            .client
            .get(gateway.at("/api/me"))
            .bearer_auth(access);
        request.send().await.unwrap().status().as_u16()
    };
    let refresh = async |gateway: &Gateway, token: &str| {
        let request = gateway.client.post(gateway.at("/auth/refresh"));
        let request = request.json(&json!({ "refresh_token": token }));
        request.send().await.unwrap()
    };
    let mut seen = vec![("known at one", me(&one).await)];
    seen.push(("known at the other", me(&other).await));
    let next = refresh(&other, pair["refresh_token"].as_str().unwrap()).await;
    seen.push(("refreshed at the other", next.status().as_u16()));
    let next: Value = next.json().await.unwrap();

    let request = other.client.post(other.at("/auth/logout"));
    let out = request.bearer_auth(access).send().await.unwrap();
    seen.push(("signed out", out.status().as_u16()));
    for gateway in [&one, &other] {
        seen.push(("gone", me(gateway).await));
        let token = next["refresh_token"].as_str().unwrap_or("none");
        seen.push((
            "family gone",
            refresh(gateway, token).await.status().as_u16(),
        ));
    }
    (!seen.iter().any(|(_, status)| *status == 503)).then_some(seen)
}

#[tokio::test]
async fn who_signs_out_at_one_gateway_is_refused_at_once_at_both() {
    for _ in 0..5 {
        if let Some(seen) = sign_in_at_one_and_out_at_the_other().await {
            let expected = [
                ("known at one", 200),
                ("known at the other", 200),
                ("refreshed at the other", 200),
                ("signed out", 204),
                ("gone", 401),
                ("family gone", 401),
                ("gone", 401),
                ("family gone", 401),
            ];
            assert_eq!(seen, expected);
            return;
        }
    }
    panic!("redis never answered in time");
}

#[tokio::test]
async fn an_api_key_made_at_one_gateway_is_known_at_the_other() {
    const SECRET: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
    let redis = Redis::start();
    let url = redis.url();
    let variables = [("REDIS_URL", &*url), ("JWT_SECRET_KEY", SECRET)];
    let one = Gateway::start_with(&variables);
    let other = Gateway::start_with(&variables);
    let start = palisade_core::time::now();
    loop {
        let request = other.client.get(other.at("/api/me"));
        let request = request.header("x-api-key", &one.api_key);
        let answer = request.send().await.unwrap();
        if answer.status() == 200 {
            let me: Value = answer.json().await.unwrap();
            assert_eq!(me["subject"], "partner-demo");
            return;
        }
        // It is written once Redis answers in time.
        assert!(start.elapsed() < Duration::from_secs(20), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
