//! Sign-in that lasts, ends, and is guessed at.

mod support;

use reqwest::Response;
use serde_json::{Value, json};

use support::{Gateway, PASSWORD};

async fn pair(response: Response) -> (String, String) {
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn refresh(gateway: &Gateway, token: &str) -> Response {
    let body = json!({ "refresh_token": token });
    gateway
        .client
        .post(gateway.at("/auth/refresh"))
        .json(&body)
        .send()
        .await
        .unwrap()
}

async fn me(gateway: &Gateway, token: &str) -> u16 {
    let request = gateway.client.get(gateway.at("/api/me")).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_refresh_token_gives_the_next_pair() {
    let gateway = Gateway::start();
    let (_, first) = pair(gateway.login("alice", PASSWORD).await).await;
    let (access, second) = pair(refresh(&gateway, &first).await).await;
    assert_ne!(first, second);
    assert_eq!(me(&gateway, &access).await, 200);
}

#[tokio::test]
async fn a_refresh_token_that_was_used_before_ends_the_family() {
    let gateway = Gateway::start();
    let (_, first) = pair(gateway.login("alice", PASSWORD).await).await;
    let (_, second) = pair(refresh(&gateway, &first).await).await;
    let (access, third) = pair(refresh(&gateway, &second).await).await;
    assert_eq!(refresh(&gateway, &first).await.status(), 401);
    assert_eq!(
        refresh(&gateway, &third).await.status(),
        401,
        "the thief may have this one"
    );
    assert_eq!(me(&gateway, &access).await, 401);
}

#[tokio::test]
async fn a_sign_out_ends_the_access_and_the_refresh_token() {
    let gateway = Gateway::start();
    let (access, token) = pair(gateway.login("alice", PASSWORD).await).await;
    assert_eq!(me(&gateway, &access).await, 200);
    let request = gateway
        .client
        .post(gateway.at("/auth/logout"))
        .bearer_auth(&access);
    assert_eq!(request.send().await.unwrap().status(), 204);
    assert_eq!(me(&gateway, &access).await, 401);
    assert_eq!(refresh(&gateway, &token).await.status(), 401);
}

#[tokio::test]
async fn guesses_at_one_account_are_limited_wherever_they_come_from() {
    let gateway = Gateway::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let guess = |address: String, password: &'static str| {
        let body = json!({ "username": "alice", "password": password });
        gateway
            .client
            .post(gateway.at("/auth/token"))
            .header("x-forwarded-for", address)
            .json(&body)
            .send()
    };
    for nth in 1..=5 {
        assert_eq!(
            guess(format!("203.0.113.{nth}"), "wrong")
                .await
                .unwrap()
                .status(),
            401
        );
    }
    let right = guess("198.51.100.1".to_owned(), PASSWORD).await.unwrap();
    assert_eq!(right.status(), 429, "the account rests, whoever asks");
    let other = gateway.login("rita", PASSWORD).await;
    assert_eq!(other.status(), 200, "other accounts do not");
}

#[tokio::test]
async fn a_header_from_a_peer_that_is_not_trusted_changes_nothing() {
    let gateway = Gateway::start();
    let mut statuses = Vec::new();
    for nth in 0..6 {
        let body = json!({ "username": "alice", "password": PASSWORD });
        let request = gateway
            .client
            .post(gateway.at("/auth/token"))
            .header("x-forwarded-for", format!("203.0.113.{nth}"));
        statuses.push(request.json(&body).send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
}
