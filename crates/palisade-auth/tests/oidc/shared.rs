//! Several instances that share their sign-ins in Redis.

use std::time::Duration;

use http::StatusCode;
use palisade_auth::oidc::{Oidc, RedisSignIns, SignInRoutes};
use palisade_auth::{HmacKeys, RedisSessions, Sessions};
use redis::aio::ConnectionLike;
use serde_json::{Value, json};

use super::browser::{Answer, Browser};
use super::provider::{Provider, REDIRECT};
use crate::support::{Clock, OTHER_SECRET, redis::Server};

const TIMEOUT: Duration = Duration::from_secs(5);

fn instance<C>(provider: &Provider, clock: &Clock, sessions: C, sign_ins: C) -> Browser
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    let keys = HmacKeys::current(OTHER_SECRET).unwrap();
    let sessions = RedisSessions::builder(keys, sessions)
        .timeout(TIMEOUT)
        .clock(clock.wall());
    let oidc = provider
        .builder(clock)
        .redis(RedisSignIns::new(sign_ins).timeout(TIMEOUT));
    let sessions = sessions.build().unwrap();
    Browser::of(oidc.build().unwrap(), sessions.into(), |routes| routes)
}

async fn of(provider: &Provider, clock: &Clock, server: &Server) -> Browser {
    let (sessions, sign_ins) = (server.connection().await, server.connection().await);
    instance(provider, clock, sessions, sign_ins)
}

/// A logout token, as its provider sends it.
async fn told(instance: &mut Browser, provider: &Provider, changes: &Value) -> Answer {
    let header = json!({"alg": "RS256", "kid": "k1"});
    let body = format!("logout_token={}", provider.logout_token(&header, changes));
    let cookies = std::mem::take(&mut instance.cookies);
    let answer = instance.ask("POST", "/logout/back-channel", &body).await;
    instance.cookies = cookies;
    answer
}

async fn lives(browser: &mut Browser) -> bool {
    browser.get("/me").await.status == StatusCode::OK
}

#[tokio::test]
async fn every_instance_ends_the_session_that_a_logout_token_names() {
    let (provider, clock) = (Provider::start().await, Clock::default());
    let server = Server::start().await;
    let mut here = of(&provider, &clock, &server).await;
    let mut there = of(&provider, &clock, &server).await;
    // Another browser of the same user, with another session at the provider.
    let mut other = of(&provider, &clock, &server).await;
    provider.said().claims = json!({"sid": "at-provider-2"});
    other.sign_in(&provider).await;
    provider.said().claims = json!({});
    here.sign_in(&provider).await;
    for (changes, ended) in [
        (json!({"jti": "1", "sid": "at-provider-3"}), false),
        (
            json!({"jti": "2", "sid": "at-provider-3", "sub": null}),
            false,
        ),
        (json!({"jti": "3", "sub": "mallory"}), false),
        (json!({"jti": "4", "sub": "mallory", "sid": null}), false),
        (json!({"jti": "5", "sub": null}), true),
        (json!({"jti": "6"}), true),
    ] {
        if !lives(&mut here).await {
            here.sign_in(&provider).await;
        }
        let answer = told(&mut there, &provider, &changes).await;
        assert_eq!(answer.status, StatusCode::OK, "{changes}");
        assert_eq!(lives(&mut here).await, !ended, "{changes}");
        assert!(lives(&mut other).await, "{changes}: of another session");
        let again = told(&mut here, &provider, &changes).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST, "{changes}: a replay");
        assert_eq!(again.reasons, ["logout_replayed"]);
    }
    let all = json!({"jti": "7", "sid": null});
    assert_eq!(
        told(&mut there, &provider, &all).await.status,
        StatusCode::OK
    );
    assert!(!lives(&mut other).await);
}

#[tokio::test]
async fn every_instance_has_the_providers_tokens_and_renews_them_once_for_all() {
    let (provider, clock) = (Provider::start().await, Clock::default());
    let server = Server::start().await;
    let mut here = of(&provider, &clock, &server).await;
    let mut there = of(&provider, &clock, &server).await;
    here.sign_in(&provider).await;
    there.cookies.clone_from(&here.cookies);
    assert!(there.get("/me").await.body.ends_with(" with access-1"));
    let asked = || {
        let paths = provider.paths();
        paths.iter().filter(|path| *path == "/token").count()
    };
    clock.pass(270);
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..16 {
        let mut browser = Browser {
            router: [&here, &there][number % 2].router.clone(),
            cookies: here.cookies.clone(),
        };
        waiting.spawn(async move { browser.get("/me").await.body });
    }
    // Those that do not renew them take what still holds.
    for body in waiting.join_all().await {
        assert!(body.ends_with(" with access-1") || body.ends_with(" with access-2"));
    }
    assert_eq!(asked(), 2, "the code and one renewal");
    for browser in [&mut here, &mut there] {
        assert!(browser.get("/me").await.body.ends_with(" with access-2"));
    }
    clock.pass(300);
    let (mut first, mut second) = (here.clone_of(), there.clone_of());
    let (one, two) = tokio::join!(first.get("/me"), second.get("/me"));
    for body in [one.body, two.body] {
        assert!(
            body.ends_with(" with access-2"),
            "{body}: none that is over"
        );
    }
    assert_eq!(asked(), 3);

    let out = there.ask("POST", "/logout", "").await;
    assert!(
        out.location().contains("&id_token_hint=eyJ"),
        "{}",
        out.location()
    );
    assert!(!lives(&mut here).await);
}

#[tokio::test]
async fn a_used_state_is_refused_at_every_instance() {
    let (provider, clock) = (Provider::start().await, Clock::default());
    let server = Server::start().await;
    let mut here = of(&provider, &clock, &server).await;
    let mut there = of(&provider, &clock, &server).await;
    let callback = here.leave_for(&provider, "/login").await;
    there.cookies.clone_from(&here.cookies);
    assert_eq!(there.get(&callback).await.location(), "/");
    let again = here.get(&callback).await;
    assert_eq!(
        (again.status, &*again.reasons[0]),
        (StatusCode::BAD_REQUEST, "sign_in_state_used")
    );
    let asked = provider.paths();
    assert_eq!(asked.iter().filter(|path| *path == "/token").count(), 1);
}

#[tokio::test]
async fn redis_keeps_no_token_in_the_clear_and_nothing_for_ever() {
    let (provider, clock) = (Provider::start().await, Clock::default());
    let server = Server::start().await;
    let mut here = of(&provider, &clock, &server).await;
    here.sign_in(&provider).await;
    told(&mut here, &provider, &json!({"sid": "at-provider-2"})).await;
    let keys: Vec<String> = server.ask(&["KEYS", "*"]).await;
    let ours = [
        "{palisade:used-",
        "{palisade:sign-in:",
        "{palisade:provider-session:",
    ];
    let ours: Vec<_> = keys
        .iter()
        .filter(|key| ours.iter().any(|start| key.starts_with(start)))
        .collect();
    assert_eq!(
        ours.len(),
        4,
        "a state, a logout token, two for the sign-in: {keys:?}"
    );
    for key in ours {
        let seconds: i64 = server.ask(&["TTL", key]).await;
        assert!((1..=12 * 60 * 60).contains(&seconds), "{key}: {seconds}");
        let kind: String = server.ask(&["TYPE", key]).await;
        let text = match &*kind {
            "hash" => server.ask::<Vec<String>>(&["HGETALL", key]).await.concat(),
            _ => server.ask(&["GET", key]).await,
        };
        for secret in [
            "access-1",
            "refresh-1",
            "eyJ",
            "alice",
            "at-provider",
            "example",
        ] {
            assert!(
                !key.contains(secret) && !text.contains(secret),
                "{key}: {text}"
            );
        }
    }
    // What was sealed for one session is not another's.
    let mut other = of(&provider, &clock, &server).await;
    other.sign_in(&provider).await;
    let signed_in: Vec<String> = server.ask(&["KEYS", "*:sign-in:*"]).await;
    let [first, second] = &*signed_in else {
        panic!("two: {signed_in:?}")
    };
    let _: i64 = server.ask(&["COPY", first, second, "REPLACE"]).await;
    let with: Vec<bool> = [
        here.get("/me").await.body.ends_with(" with access-1"),
        other.get("/me").await.body.ends_with(" with access-1"),
    ]
    .into();
    assert_eq!(with.iter().filter(|has| **has).count(), 1);
    here.ask("POST", "/logout", "").await;
    other.ask("POST", "/logout", "").await;
    let left: Vec<String> = server.ask(&["KEYS", "*provider-session*"]).await;
    assert!(left.len() <= 1, "{left:?}");
}

#[tokio::test]
async fn while_redis_is_away_nobody_signs_in_and_a_logout_token_may_come_again() {
    let (provider, clock) = (Provider::start().await, Clock::default());
    let sessions = Server::start().await;
    let mut sign_ins = Server::that_persists().await;
    let (one, two) = (sessions.connection().await, sign_ins.connection().await);
    let mut here = instance(&provider, &clock, one, two);
    here.sign_in(&provider).await;
    let session = std::mem::take(&mut here.cookies);
    let callback = here.leave_for(&provider, "/login").await;
    sign_ins.kill();
    let refused = here.get(&callback).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        here.cookies
            .iter()
            .all(|(name, _)| name != "__Host-session")
    );
    let asked = provider.paths();
    let asked = asked.iter().filter(|path| *path == "/token").count();
    assert_eq!(asked, 1, "the code was not redeemed");
    let alone = json!({"sub": null});
    let answer = told(&mut here, &provider, &alone).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);

    sign_ins.restart().await;
    let mut left = 100;
    while told(&mut here, &provider, &alone).await.status != StatusCode::OK && left > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        left -= 1;
    }
    here.cookies = session;
    assert!(!lives(&mut here).await);
}

#[tokio::test]
async fn sign_ins_are_shared_in_a_cluster() {
    // A node takes two seconds until it serves.
    if std::env::var_os("PALISADE_FULL").is_none() {
        return;
    }
    let (provider, clock) = (Provider::start().await, Clock::default());
    // Of one node, which refuses a script with keys of two slots as three would.
    let server = Server::start_with(&["--cluster-enabled", "yes"]).await;
    let _: String = server
        .ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
        .await;
    let url = format!("redis://127.0.0.1:{}/", server.port);
    let client = redis::cluster::ClusterClient::builder([url])
        .response_timeout(TIMEOUT)
        .build()
        .unwrap();
    for _ in 0..200 {
        let text: String = server.ask(&["CLUSTER", "INFO"]).await;
        if text.contains("cluster_state:ok") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let connection = client.get_async_connection().await.unwrap();
    let mut here = instance(&provider, &clock, connection.clone(), connection);
    here.sign_in(&provider).await;
    clock.pass(300);
    assert!(here.get("/me").await.body.ends_with(" with access-2"));
    let alone =
        json!({"sub": null, "iat": crate::support::NOW + 300, "exp": crate::support::NOW + 400});
    assert_eq!(
        told(&mut here, &provider, &alone).await.status,
        StatusCode::OK
    );
    assert!(!lives(&mut here).await);
}

#[tokio::test]
async fn sign_ins_are_not_shared_by_halves() {
    let server = Server::start().await;
    let builder = Oidc::builder("https://idp.example")
        .public_client("bookings")
        .redirect_uri(REDIRECT)
        .redis(RedisSignIns::new(server.connection().await).prefix("bookings"));
    let error = builder.build().unwrap_err().to_string();
    assert!(error.contains("cookie_secret"), "{error}");
    let oidc = Oidc::builder("https://idp.example")
        .public_client("bookings")
        .redirect_uri(REDIRECT)
        .cookie_secret(OTHER_SECRET)
        .redis(RedisSignIns::new(server.connection().await));
    let sessions = Sessions::memory().build().unwrap();
    let routes = SignInRoutes::builder(oidc.build().unwrap(), sessions);
    let error = routes.build().unwrap_err().to_string();
    assert!(error.contains("RedisSessions"), "{error}");
}
