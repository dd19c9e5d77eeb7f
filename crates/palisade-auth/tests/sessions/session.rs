//! Sessions through the layer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, Request};
use palisade_auth::{AuthLayer, Sessions, SessionsBuilder};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{Principal, RequestScope};
use tower::{Layer, ServiceExt};

use crate::support::{NOW, get, good_token, layer, through};

pub(super) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW)))
    }

    pub(super) fn wall(&self) -> WallClock {
        let read = Arc::clone(&self.0);
        WallClock::from_fn(move || UnixTime::from_secs(read.load(Ordering::Relaxed)))
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

pub(super) fn sessions(clock: &Clock) -> SessionsBuilder {
    Sessions::memory().clock(clock.wall())
}

pub(super) fn alice() -> Principal {
    Principal::user("bookings", "alice")
}

/// The part of a `Set-Cookie` that the browser sends back.
pub(super) fn sent_back(set_cookie: &http::HeaderValue) -> String {
    set_cookie
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

pub(super) fn with_cookie(cookie: &str) -> Request<()> {
    Request::get("/")
        .header("cookie", format!("a=1; {cookie}; b=2"))
        .body(())
        .unwrap()
}

#[tokio::test]
async fn a_session_speaks_for_who_signed_in() {
    let clock = Clock::new();
    let sessions = sessions(&clock).build().unwrap();
    let layer = AuthLayer::new().sessions(sessions.clone());
    let set = sessions.begin(alice(), &HeaderMap::new()).unwrap();
    let text = set.to_str().unwrap();
    assert!(set.is_sensitive());
    assert!(
        text.ends_with("; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Lax"),
        "{text}"
    );
    let value = text
        .strip_prefix("__Host-session=")
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    assert_eq!(crate::support::unb64(value).len(), 16, "128 bits");

    let cookie = sent_back(&set);
    assert_eq!(
        through(&layer, with_cookie(&cookie)).await.body,
        "user alice of bookings"
    );
    assert_eq!(through(&layer, get("/")).await.reason(), "no_credential");
    let doubled = with_cookie(&format!("{cookie}; {cookie}"));
    assert_eq!(
        through(&layer, doubled).await.reason(),
        "several_credentials"
    );
}

#[tokio::test]
async fn a_session_that_is_over_counts_as_nothing_presented() {
    let clock = Clock::new();
    let sessions = sessions(&clock).build().unwrap();
    let layer = AuthLayer::new().sessions(sessions);
    let stale = with_cookie("__Host-session=AAAAAAAAAAAAAAAAAAAAAA");
    let answered = through(&layer, stale.clone()).await;
    assert_eq!(
        (answered.status, answered.reason()),
        (401, "session_unknown")
    );
    assert_eq!(
        answered.header("www-authenticate"),
        Some(r#"Bearer realm="api""#)
    );
    assert_eq!(through(&layer.optional(), stale).await.body, "nobody");
}

#[tokio::test]
async fn authorization_wins_over_a_cookie() {
    let clock = Clock::new();
    let sessions = sessions(&clock).build().unwrap();
    let layer = layer().sessions(sessions.clone());
    let cookie = sent_back(
        &sessions
            .begin(Principal::user("bookings", "bob"), &HeaderMap::new())
            .unwrap(),
    );
    let mut both = with_cookie(&cookie);
    let token = format!("Bearer {}", good_token());
    both.headers_mut()
        .insert("authorization", token.parse().unwrap());
    assert_eq!(
        through(&layer, both.clone()).await.body,
        "user alice of bookings"
    );
    both.headers_mut()
        .insert("authorization", "Bearer bad".parse().unwrap());
    assert_eq!(
        through(&layer, both).await.status,
        401,
        "and is not replaced by the cookie"
    );
}

#[tokio::test]
async fn signing_in_makes_a_new_id_and_ends_the_old_session() {
    let clock = Clock::new();
    let sessions = sessions(&clock).build().unwrap();
    let layer = AuthLayer::new().sessions(sessions.clone());
    let planted = sent_back(
        &sessions
            .begin(Principal::user("bookings", "mallory"), &HeaderMap::new())
            .unwrap(),
    );
    let request = with_cookie(&planted);
    let own = sent_back(&sessions.begin(alice(), request.headers()).unwrap());
    assert_ne!(own, planted);
    assert_eq!(through(&layer, with_cookie(&planted)).await.status, 401);
    assert_eq!(
        through(&layer, with_cookie(&own)).await.body,
        "user alice of bookings"
    );
}

#[tokio::test]
async fn a_session_ends_by_idling_and_for_good() {
    let clock = Clock::new();
    let sessions = sessions(&clock).build().unwrap();
    let layer = AuthLayer::new().sessions(sessions.clone());
    let begin = || sent_back(&sessions.begin(alice(), &HeaderMap::new()).unwrap());
    let idle = begin();
    clock.pass(1799);
    assert_eq!(
        through(&layer, with_cookie(&idle)).await.status,
        200,
        "and rolls on"
    );
    clock.pass(1799);
    assert_eq!(through(&layer, with_cookie(&idle)).await.status, 200);
    clock.pass(1800);
    assert_eq!(through(&layer, with_cookie(&idle)).await.status, 401);

    let busy = begin();
    for _ in 0..(12 * 60 / 20 - 1) {
        clock.pass(20 * 60);
        assert_eq!(through(&layer, with_cookie(&busy)).await.status, 200);
    }
    clock.pass(20 * 60);
    assert_eq!(
        through(&layer, with_cookie(&busy)).await.status,
        401,
        "twelve hours"
    );
}

#[tokio::test]
async fn sessions_end_by_sign_out_by_id_and_by_subject() {
    let clock = Clock::new();
    let sessions = sessions(&clock).build().unwrap();
    let layer = AuthLayer::new().sessions(sessions.clone());
    let begin = |name: &str| {
        sent_back(
            &sessions
                .begin(Principal::user("bookings", name), &HeaderMap::new())
                .unwrap(),
        )
    };

    let first = begin("alice");
    let gone = sessions.end(with_cookie(&first).headers());
    assert!(
        gone.to_str()
            .unwrap()
            .starts_with("__Host-session=; Path=/; Max-Age=0; Secure")
    );
    assert_eq!(through(&layer, with_cookie(&first)).await.status, 401);

    let second = begin("alice");
    let mut request = with_cookie(&second);
    let scope = RequestScope::enter(request.extensions_mut());
    let handler = tower::service_fn(|_: Request<()>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(
            http_body_util::Full::<bytes::Bytes>::default(),
        ))
    });
    layer.layer(handler).oneshot(request).await.unwrap();
    let id = scope.principal().unwrap().session_id().unwrap().to_owned();
    assert!(
        !second.contains(&id),
        "the id that others see is not the cookie"
    );
    assert!(sessions.revoke(&id) && !sessions.revoke(&id));

    let (third, bob) = (begin("alice"), begin("bob"));
    assert_eq!(sessions.revoke_subject("bookings", "alice"), 1);
    assert_eq!(through(&layer, with_cookie(&third)).await.status, 401);
    assert_eq!(through(&layer, with_cookie(&bob)).await.status, 200);
    assert!(!format!("{sessions:?}").contains(&bob[15..]));
}

#[test]
fn sessions_are_bounded_and_settings_checked() {
    let clock = Clock::new();
    let few = sessions(&clock).max_sessions(2).build().unwrap();
    let begin = || few.begin(alice(), &HeaderMap::new());
    assert!(begin().is_ok() && begin().is_ok() && begin().is_err());
    clock.pass(1800);
    assert!(begin().is_ok(), "those that are over make room");
    let bad = sessions(&clock)
        .cookie_name("a;b")
        .idle(Duration::ZERO)
        .max_sessions(0);
    let text = bad.build().unwrap_err().to_string();
    for field in ["cookie_name", "idle", "max_sessions"] {
        assert!(text.contains(field), "{text}");
    }
    let plain = sessions(&clock).insecure_plain_http().build().unwrap();
    let cookie = plain.begin(alice(), &HeaderMap::new()).unwrap();
    assert!(
        cookie.to_str().unwrap().starts_with("session=")
            && !cookie.to_str().unwrap().contains("Secure")
    );
}

#[test]
fn the_sessions_of_a_user_are_listed_and_ended_one_by_one() {
    let clock = Clock::new();
    let sessions = sessions(&clock).build().unwrap();
    let none = HeaderMap::new();
    for name in ["alice", "bob"] {
        let other = Principal::user(name, "alice");
        assert!(sessions.begin(other, &none).is_ok(), "another issuer");
        assert!(
            sessions
                .begin(Principal::user("bookings", "bob"), &none)
                .is_ok()
        );
    }
    let listed = || sessions.of_subject("bookings", "alice");
    assert!(listed().is_empty());
    let first = sessions.begin(alice(), &none).unwrap();
    clock.pass(60);
    assert!(sessions.begin(alice(), &none).is_ok());
    let found = listed();
    let began: Vec<u64> = found.iter().map(|one| one.began_at.as_secs()).collect();
    assert_eq!(began, [NOW + 60, NOW], "the one that was used last first");
    assert_eq!(found[1].ends_at.as_secs(), NOW + 30 * 60);
    assert!(
        found
            .iter()
            .all(|one| !first.to_str().unwrap().contains(&one.id))
    );

    assert!(sessions.revoke(&found[0].id));
    assert_eq!(listed(), [found[1].clone()]);
    clock.pass(29 * 60);
    assert!(listed().is_empty(), "it has idled for 30 minutes");
}
