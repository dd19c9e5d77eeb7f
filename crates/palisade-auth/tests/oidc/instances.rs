//! Several instances of a service, with sessions in Redis.

use std::time::Duration;

use http::StatusCode;
use palisade_auth::{HmacKeys, RedisSessions};
use serde_json::json;

use super::browser::Browser;
use super::provider::Provider;
use crate::support::{Clock, OTHER_SECRET, redis::Server};

#[tokio::test]
async fn a_sign_in_ends_in_a_session_in_redis_that_another_process_can_end() {
    let provider = Provider::start().await;
    let server = Server::start().await;
    let clock = Clock::default();
    let process = async || {
        let keys = HmacKeys::current(OTHER_SECRET).unwrap();
        let sessions = RedisSessions::builder(keys, server.connection().await)
            .timeout(Duration::from_secs(5))
            .clock(clock.wall());
        let sessions = sessions.build().unwrap();
        Browser::with(&provider, &clock, sessions.into(), |routes| routes)
    };
    let (mut browser, mut elsewhere) = (process().await, process().await);
    browser.sign_in(&provider).await;
    // The process that began it knows the provider's tokens by the id of the session.
    let here = browser.get("/me").await;
    assert_eq!(
        here.body,
        format!("alice of {} with access-1", provider.url())
    );
    elsewhere.cookies = browser.cookies.clone();
    let there = elsewhere.get("/me").await;
    assert_eq!(there.body, format!("alice of {} with ", provider.url()));

    let header = json!({"alg": "RS256", "kid": "k1"});
    let session = std::mem::take(&mut elsewhere.cookies);
    for (changes, status, lives) in [
        // It cannot say that a session is over which it has not begun.
        (json!({"jti": "1", "sub": null}), 400, true),
        (json!({"jti": "2", "sub": "mallory"}), 200, true),
        (json!({"jti": "3"}), 200, false),
    ] {
        let body = format!("logout_token={}", provider.logout_token(&header, &changes));
        let told = elsewhere.ask("POST", "/logout/back-channel", &body).await;
        assert_eq!(told.status, status, "{changes}");
        let is_alive = browser.get("/me").await.status == StatusCode::OK;
        assert_eq!(is_alive, lives, "{changes}");
    }
    browser.cookies = session;
    browser.sign_in(&provider).await;
    let out = browser.ask("POST", "/logout", "").await;
    assert!(out.location().contains("id_token_hint=eyJ"));
    assert_eq!(browser.get("/me").await.status, StatusCode::UNAUTHORIZED);
}
