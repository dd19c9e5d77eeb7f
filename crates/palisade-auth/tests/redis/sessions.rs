//! Sessions in Redis, against servers that the tests start for themselves.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use palisade_auth::{AuthLayer, HmacKeys, RedisSessions, RedisSessionsBuilder, TokenClaims};
use palisade_core::Principal;
use palisade_core::time::UnixTime;

use crate::support::redis::Server;
use crate::support::{Clock, NOW, OTHER_SECRET, SECRET, sent_back, through, with_cookie};

/// A timeout that holds on a machine which is busy with other tests.
pub(super) async fn builder(server: &Server, clock: &Clock) -> RedisSessionsBuilder {
    let keys = HmacKeys::current(SECRET).unwrap();
    RedisSessions::builder(keys, server.connection().await)
        .timeout(Duration::from_secs(5))
        .clock(clock.wall())
}

pub(super) async fn sessions(server: &Server, clock: &Clock) -> RedisSessions {
    builder(server, clock).await.build().unwrap()
}

pub(super) fn layer(sessions: &RedisSessions) -> AuthLayer {
    AuthLayer::new().sessions(sessions.clone())
}

pub(super) fn alice() -> Principal {
    Principal::user("bookings", "alice")
        .scopes(["read"])
        .roles(["user"])
        .tenant("acme")
}

/// The cookie of a new session.
pub(super) async fn begun(sessions: &RedisSessions, principal: &Principal) -> String {
    sent_back(&sessions.begin(principal, &HeaderMap::new()).await.unwrap())
}

pub(super) async fn status(layer: &AuthLayer, cookie: &str) -> u16 {
    through(layer, with_cookie(cookie)).await.status
}

#[tokio::test]
async fn a_session_begun_at_one_instance_is_known_at_another_and_ended_for_both() {
    let (server, clock) = (Server::start().await, Clock::default());
    let (here, there) = (
        sessions(&server, &clock).await,
        sessions(&server, &clock).await,
    );
    let set = here.begin(&alice(), &HeaderMap::new()).await.unwrap();
    let text = set.to_str().unwrap();
    assert!(set.is_sensitive() && text.starts_with("__Host-session="));
    assert!(
        text.ends_with("; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Lax"),
        "{text}"
    );
    let cookie = sent_back(&set);
    let answered = through(&layer(&there), with_cookie(&cookie)).await;
    assert_eq!(
        (answered.status, &*answered.body),
        (200, "user alice of bookings")
    );

    let gone = there.end(with_cookie(&cookie).headers()).await.unwrap();
    assert!(
        gone.to_str()
            .unwrap()
            .starts_with("__Host-session=; Path=/; Max-Age=0;")
    );
    for instance in [&here, &there] {
        let answered = through(&layer(instance), with_cookie(&cookie)).await;
        assert_eq!(
            (answered.status, answered.reason()),
            (401, "session_unknown")
        );
    }
}

#[tokio::test]
async fn a_session_in_redis_ends_by_idling_and_for_good() {
    let (server, clock) = (Server::start().await, Clock::default());
    let sessions = sessions(&server, &clock).await;
    let layer = layer(&sessions);
    let idle = begun(&sessions, &alice()).await;
    let used = begun(&sessions, &alice()).await;
    clock.pass(30 * 60 - 1);
    assert_eq!(status(&layer, &used).await, 200);
    clock.pass(1);
    assert_eq!(status(&layer, &idle).await, 401);
    assert_eq!(status(&layer, &used).await, 200);
    for _ in 0..22 {
        clock.pass(29 * 60);
        assert_eq!(status(&layer, &used).await, 200);
    }
    // 30 and 22 times 29 minutes are 668 of 720.
    clock.pass(29 * 60);
    assert_eq!(status(&layer, &used).await, 200);
    clock.pass(23 * 60 - 1);
    assert_eq!(status(&layer, &used).await, 200);
    clock.pass(1);
    assert_eq!(status(&layer, &used).await, 401, "12 hours");
}

#[tokio::test]
async fn signing_in_ends_every_session_that_the_request_came_with_in_redis() {
    let (server, clock) = (Server::start().await, Clock::default());
    let sessions = sessions(&server, &clock).await;
    let layer = layer(&sessions);
    let planted = begun(&sessions, &Principal::user("bookings", "mallory")).await;
    let before = begun(&sessions, &alice()).await;
    let request = with_cookie(&format!("{planted}; {before}; __Host-session=made-up"));
    let now = sessions.begin(&alice(), request.headers()).await.unwrap();
    assert_eq!(status(&layer, &planted).await, 401);
    assert_eq!(status(&layer, &before).await, 401);
    assert_eq!(status(&layer, &sent_back(&now)).await, 200);
}

#[tokio::test]
async fn the_sessions_of_a_user_in_redis_are_listed_and_ended_one_by_one_or_all() {
    let (server, clock) = (Server::start().await, Clock::default());
    let (here, there) = (
        sessions(&server, &clock).await,
        sessions(&server, &clock).await,
    );
    let namesake = begun(&here, &Principal::user("other", "alice")).await;
    let over = begun(&here, &alice()).await;
    clock.pass(29 * 60);
    let first = begun(&here, &alice()).await;
    clock.pass(60);
    let second = begun(&there, &alice()).await;
    clock.pass(60);
    assert_eq!(status(&layer(&there), &first).await, 200);

    let found = here.of_subject("bookings", "alice").await.unwrap();
    let at = |minutes: u64| UnixTime::from_secs(NOW + 60 * minutes);
    let times = |of: &palisade_auth::SessionInfo| (of.began_at, of.used_at, of.ends_at);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(times(&found[0]), (at(29), at(31), at(61)));
    assert_eq!(times(&found[1]), (at(30), at(30), at(60)));
    assert_eq!(status(&layer(&here), &over).await, 401);

    assert_eq!(there.revoke(&found[0].id).await, Ok(true));
    assert_eq!(there.revoke(&found[0].id).await, Ok(false));
    assert_eq!(there.revoke("made up").await, Ok(false));
    assert_eq!(status(&layer(&here), &first).await, 401);
    assert_eq!(status(&layer(&here), &second).await, 200);
    assert_eq!(
        there.of_subject("bookings", "alice").await.unwrap().len(),
        1
    );

    assert_eq!(there.revoke_subject("other", "bob").await, Ok(0));
    assert_eq!(there.revoke_subject("bookings", "alice").await, Ok(1));
    assert_eq!(status(&layer(&here), &second).await, 401);
    // It has idled for 31 minutes; its owner is another.
    let fresh = begun(&here, &Principal::user("other", "alice")).await;
    assert_eq!(there.revoke_subject("bookings", "alice").await, Ok(0));
    assert_eq!(status(&layer(&here), &namesake).await, 401);
    assert_eq!(status(&layer(&here), &fresh).await, 200);
}

#[tokio::test]
async fn a_user_has_a_hundred_sessions_at_most_and_the_longest_unused_one_ends() {
    let (server, clock) = (Server::start().await, Clock::default());
    let sessions = sessions(&server, &clock).await;
    let mut cookies = Vec::new();
    for _ in 0..100 {
        cookies.push(begun(&sessions, &alice()).await);
        clock.pass(1);
    }
    assert_eq!(status(&layer(&sessions), &cookies[0]).await, 200);
    clock.pass(1);
    begun(&sessions, &alice()).await;
    let found = sessions.of_subject("bookings", "alice").await.unwrap();
    assert_eq!(found.len(), 100);
    assert_eq!(status(&layer(&sessions), &cookies[0]).await, 200);
    assert_eq!(status(&layer(&sessions), &cookies[1]).await, 401);
    assert_eq!(status(&layer(&sessions), &cookies[2]).await, 200);
}

#[tokio::test]
async fn what_is_over_is_forgotten_in_redis() {
    let (server, clock) = (Server::start().await, Clock::default());
    let sessions = sessions(&server, &clock).await;
    begun(&sessions, &alice()).await;
    clock.pass(30 * 60);
    begun(&sessions, &alice()).await;
    let key = server.ask::<Vec<String>>(&["KEYS", "*"]).await.remove(0);
    let fields: u64 = server.ask(&["HLEN", &key]).await;
    assert_eq!(fields, 2, "of one session");
    let left: u64 = server.ask(&["TTL", &key]).await;
    assert!((43_190..=43_200).contains(&left), "12 hours: {left}");
    assert!(!key.contains("alice"), "{key}");
}

#[tokio::test]
async fn who_can_write_to_redis_cannot_make_up_a_session_or_a_role() {
    let (server, clock) = (Server::start().await, Clock::default());
    let sessions = sessions(&server, &clock).await;
    let layer = layer(&sessions);
    let cookie = begun(&sessions, &alice()).await;
    let key = server.ask::<Vec<String>>(&["KEYS", "*"]).await.remove(0);
    let fields: Vec<String> = server.ask(&["HKEYS", &key]).await;
    let field = fields.iter().find(|field| field.starts_with("s:")).unwrap();
    let kept: String = server.ask(&["HGET", &key, field]).await;
    let secret = crate::support::unb64(&cookie["__Host-session=".len()..]);
    assert!(!kept.contains(&crate::support::b64(&secret[16..32])));
    assert!(!field.contains(&crate::support::b64(&secret[16..32])));

    let role = kept.replace(r#"["user"]"#, r#"["admin"]"#);
    let later = kept.replacen(
        &format!(".{}.", NOW + 43_200),
        &format!(".{}.", NOW + 90_000),
        1,
    );
    for forged in [role, later] {
        assert_ne!(forged, kept);
        let _: i64 = server.ask(&["HSET", &key, field, &forged]).await;
        assert_eq!(status(&layer, &cookie).await, 401);
        assert!(
            sessions
                .of_subject("bookings", "alice")
                .await
                .unwrap()
                .is_empty()
        );
    }
    // Another's record does not fit in the place of this session.
    let _: i64 = server.ask(&["HSET", &key, field, &kept]).await;
    assert_eq!(status(&layer, &cookie).await, 200);
    let mallory = begun(&sessions, &Principal::user("bookings", "mallory")).await;
    let keys: Vec<String> = server.ask(&["KEYS", "*"]).await;
    let other = keys.iter().find(|other| **other != key).unwrap();
    let fields: Vec<String> = server.ask(&["HKEYS", other]).await;
    let place = fields.iter().find(|field| field.starts_with("s:")).unwrap();
    let _: i64 = server.ask(&["HSET", other, place, &kept]).await;
    assert_eq!(status(&layer, &mallory).await, 401);
}

#[tokio::test]
async fn a_session_of_the_previous_secret_lives_on_and_one_of_another_does_not() {
    let (server, clock) = (Server::start().await, Clock::default());
    let cookie = begun(&sessions(&server, &clock).await, &alice()).await;
    let with = async |keys: HmacKeys| {
        let built = RedisSessions::builder(keys, server.connection().await)
            .timeout(Duration::from_secs(5))
            .clock(clock.wall());
        layer(&built.build().unwrap())
    };
    let other = HmacKeys::current(OTHER_SECRET).unwrap();
    assert_eq!(status(&with(other.clone()).await, &cookie).await, 401);
    let rotated = other.previous(SECRET).unwrap();
    assert_eq!(status(&with(rotated).await, &cookie).await, 200);
}

#[tokio::test]
async fn claims_of_a_session_are_kept_in_redis_and_others_refused() {
    let (server, clock) = (Server::start().await, Clock::default());
    let sessions = sessions(&server, &clock).await;
    let own = serde_json::json!({"plan": "gold"});
    let cookie = begun(&sessions, &alice().claims(TokenClaims::of(&own).unwrap())).await;
    let seen: crate::support::Shared<Option<serde_json::Value>> = Arc::default();
    let layer = {
        let seen = Arc::clone(&seen);
        layer(&sessions).status(move |principal| {
            let claims = principal.claims_as::<TokenClaims>();
            *seen.lock().unwrap() = claims.and_then(|claims| claims.parse().ok());
            assert!(principal.has_scope("read") && principal.has_role("user"));
            assert_eq!(principal.tenant_name(), Some("acme"));
            assert_eq!(principal.expiry(), Some(UnixTime::from_secs(NOW + 43_200)));
            palisade_auth::AccountStatus::Active
        })
    };
    assert_eq!(status(&layer, &cookie).await, 200);
    assert_eq!(seen.lock().unwrap().take(), Some(own));
    let unknown = sessions
        .begin(&alice().claims(7_u32), &HeaderMap::new())
        .await;
    assert!(unknown.unwrap_err().to_string().contains("claims"));
}

#[tokio::test]
async fn settings_of_sessions_in_redis_are_checked() {
    let (server, clock) = (Server::start().await, Clock::default());
    let built = builder(&server, &clock).await;
    let built = built.cookie_name("a b").idle(Duration::from_millis(999));
    let refused = built.build().unwrap_err().to_string();
    assert!(
        refused.contains("cookie_name") && refused.contains("idle"),
        "{refused}"
    );
    let plain = builder(&server, &clock)
        .await
        .insecure_plain_http()
        .cookie_name("s");
    let cookie = begun(&plain.build().unwrap(), &alice()).await;
    assert!(cookie.starts_with("s="), "{cookie}");
}
