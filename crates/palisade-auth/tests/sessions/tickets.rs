//! Tickets and open WebSockets end with what proved their principal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{NOW, clock, get, good_token, hs256, issuer, through};
use http::{HeaderMap, Method, Request};
use palisade_auth::revocation::{
    Answer, CheckRevocation, MemoryRevocation, RevocationStatus, TokenRef,
};
use palisade_auth::websocket::Tickets;
use palisade_auth::{ApiKeyOwner, AuthLayer, JwtVerifier, MemoryApiKeys, Sessions};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{Principal, RequestScope};
use tower::{Layer, ServiceExt};

fn opening(ticket: &str) -> Request<()> {
    Request::get(format!("/ws?ticket={ticket}"))
        .header("host", "api.example")
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap()
}

fn verifier(store: impl CheckRevocation) -> JwtVerifier {
    JwtVerifier::builder()
        .issuer(issuer())
        .revocation(store)
        .clock(clock())
        .build()
        .unwrap()
}

fn moving_clock() -> (Arc<AtomicU64>, WallClock) {
    let seconds = Arc::new(AtomicU64::new(NOW));
    let read = Arc::clone(&seconds);
    let clock = WallClock::from_fn(move || UnixTime::from_secs(read.load(Ordering::Relaxed)));
    (seconds, clock)
}

/// The principal that a request is let in with.
async fn proved(layer: &AuthLayer, mut request: Request<()>) -> Arc<Principal> {
    let scope = RequestScope::enter(request.extensions_mut());
    let inner = tower::service_fn(|_: Request<()>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    });
    layer.layer(inner).oneshot(request).await.unwrap();
    let principal = scope.principal().unwrap();
    drop(scope);
    principal
}

#[tokio::test]
async fn a_ticket_is_void_once_its_token_was_revoked() {
    for revoke in [
        |store: &MemoryRevocation| {
            store.revoke_token("bookings", "t-1", UnixTime::from_secs(NOW + 600));
        },
        |store: &MemoryRevocation| store.revoke_subject("bookings", "alice"),
    ] {
        let revoked = MemoryRevocation::with_clock(std::time::Duration::from_secs(900), clock());
        let jwt = verifier(revoked.clone());
        let tickets = Tickets::with_clock(clock());
        let layer = AuthLayer::new()
            .bearer(jwt.clone())
            .tickets(tickets.clone());
        let principal = jwt.verify(&good_token()).unwrap();

        let good = tickets.issue(Arc::clone(&principal)).unwrap();
        assert_eq!(through(&layer, opening(&good)).await.status, 200);
        let ticket = tickets.issue(principal).unwrap();
        revoke(&revoked);
        let answered = through(&layer, opening(&ticket)).await;
        assert_eq!((answered.status, answered.reason()), (401, "token_revoked"));
    }
}

#[tokio::test]
async fn a_ticket_is_void_once_its_token_has_expired() {
    let (seconds, clock) = moving_clock();
    let claims = crate::support::claims_with(serde_json::json!({"exp": NOW + 10}));
    let token = hs256(crate::support::HEADER, &claims, crate::support::SECRET);
    let principal = crate::support::verifier().verify(&token).unwrap();
    let tickets = Tickets::with_clock(clock);
    let layer = crate::support::layer().tickets(tickets.clone());
    let ticket = tickets.issue(principal).unwrap();
    seconds.store(NOW + 10, Ordering::Relaxed);
    let answered = through(&layer, opening(&ticket)).await;
    assert_eq!((answered.status, answered.reason()), (401, "token_expired"));
}

struct Down;

impl CheckRevocation for Down {
    fn check(&self, _: &TokenRef<'_>) -> Answer {
        Answer::Later(Box::pin(async { RevocationStatus::Unknown }))
    }
}

#[tokio::test]
async fn a_ticket_is_not_believed_while_nobody_can_say_whether_its_token_was_revoked() {
    let tickets = Tickets::with_clock(clock());
    let layer = AuthLayer::new()
        .bearer(verifier(Down))
        .tickets(tickets.clone());
    let principal = crate::support::verifier().verify(&good_token()).unwrap();
    let ticket = tickets.issue(principal).unwrap();
    let answered = through(&layer, opening(&ticket)).await;
    assert_eq!(
        (answered.status, answered.reason()),
        (503, "store_unavailable")
    );
}

#[tokio::test]
async fn a_ticket_is_void_once_its_session_is_over() {
    let sessions = Sessions::memory().clock(clock()).build().unwrap();
    let tickets = Tickets::with_clock(clock());
    let layer = AuthLayer::new()
        .sessions(sessions.clone())
        .tickets(tickets.clone());
    let alice = Principal::user("bookings", "alice");
    let set = sessions.begin(alice, &HeaderMap::new()).unwrap();
    let cookie = set.to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut request = get("/");
    request
        .headers_mut()
        .insert("cookie", cookie.parse().unwrap());
    let headers = request.headers().clone();
    let principal = proved(&layer, request).await;

    let good = tickets.issue(Arc::clone(&principal)).unwrap();
    assert_eq!(through(&layer, opening(&good)).await.status, 200);
    let ticket = tickets.issue(principal).unwrap();
    let _ = sessions.end(&headers);
    let answered = through(&layer, opening(&ticket)).await;
    assert_eq!((answered.status, answered.reason()), (401, "token_revoked"));
}

#[tokio::test]
async fn a_ticket_is_void_once_its_api_key_is_gone() {
    let keys = MemoryApiKeys::with_clock("pal", clock()).unwrap();
    let owner = ApiKeyOwner::new(Principal::service("any", "partner"));
    let key = keys.create(owner).unwrap();
    let tickets = Tickets::with_clock(clock());
    let layer = AuthLayer::new()
        .api_keys(keys.clone())
        .tickets(tickets.clone());
    let request = Request::get("/").header("x-api-key", key.as_str());
    let principal = proved(&layer, request.body(()).unwrap()).await;

    let good = tickets.issue(Arc::clone(&principal)).unwrap();
    assert_eq!(through(&layer, opening(&good)).await.status, 200);
    let ticket = tickets.issue(principal).unwrap();
    keys.revoke(key.id());
    let answered = through(&layer, opening(&ticket)).await;
    assert_eq!((answered.status, answered.reason()), (401, "key_unknown"));
}

#[tokio::test]
async fn only_an_opening_handshake_redeems_a_ticket() {
    let tickets = Tickets::with_clock(clock());
    let layer = crate::support::layer().tickets(tickets.clone());
    let alice = || Principal::user("bookings", "alice").into();
    let ticket = tickets.issue(alice()).unwrap();
    let with = |method: Method, upgrade: Option<&str>| {
        let mut request = opening(&ticket);
        *request.method_mut() = method;
        request.headers_mut().remove("upgrade");
        if let Some(upgrade) = upgrade {
            let value = upgrade.parse().unwrap();
            request.headers_mut().insert("upgrade", value);
        }
        request
    };
    for other in [
        with(Method::POST, Some("websocket")),
        with(Method::DELETE, None),
        with(Method::GET, None),
        with(Method::GET, Some("h2c")),
        with(Method::GET, Some("websockets")),
    ] {
        assert_eq!(through(&layer, other).await.reason(), "no_credential");
    }
    let listed = with(Method::GET, Some("h2c, WebSocket"));
    assert_eq!(through(&layer, listed).await.status, 200);
    let ticket = tickets.issue(alice()).unwrap();
    let mut extended = opening(&ticket);
    *extended.method_mut() = Method::CONNECT;
    extended.headers_mut().remove("upgrade");
    assert_eq!(through(&layer, extended).await.status, 200);
}

#[tokio::test]
async fn signing_out_ends_the_session_of_every_cookie_of_the_name() {
    let sessions = Sessions::memory().clock(clock()).build().unwrap();
    let layer = AuthLayer::new().sessions(sessions.clone());
    let begin = || {
        let alice = Principal::user("bookings", "alice");
        let set = sessions.begin(alice, &HeaderMap::new()).unwrap();
        set.to_str().unwrap().split(';').next().unwrap().to_owned()
    };
    let headers = |cookies: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", cookies.parse().unwrap());
        headers
    };
    let status = async |cookie: &str| {
        let mut request = get("/");
        *request.headers_mut() = headers(cookie);
        through(&layer, request).await.status
    };
    let own = begin();
    let _ = sessions.end(&headers(&format!("{own}; __Host-session=planted")));
    assert_eq!(status(&own).await, 401);

    let old = begin();
    let again = Principal::user("bookings", "alice");
    let both = headers(&format!("__Host-session=planted; {old}"));
    assert!(sessions.begin(again, &both).is_ok());
    assert_eq!(status(&old).await, 401, "the one that a sign-in replaces");
}

#[cfg(feature = "websocket")]
mod ended {
    use std::time::Duration;

    use palisade_auth::websocket::Ended;
    use tokio::time::{Instant, sleep};

    use super::*;

    fn paused() -> WallClock {
        let start = Instant::now();
        WallClock::from_fn(move || UnixTime::from_secs(NOW).saturating_add(start.elapsed()))
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_websocket_ends_within_a_second_of_its_sign_out() {
        let sessions = Sessions::memory().clock(paused()).build().unwrap();
        let alice = Principal::user("bookings", "alice");
        let set = sessions.begin(alice, &HeaderMap::new()).unwrap();
        let cookie = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        let layer = AuthLayer::new().sessions(sessions.clone());
        let mut request = get("/");
        request
            .headers_mut()
            .insert("cookie", cookie.parse().unwrap());
        let headers = request.headers().clone();
        let principal = proved(&layer, request).await;
        let start = Instant::now();
        let ending = sessions.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(1500)).await;
            let _ = ending.end(&headers);
        });
        assert_eq!(sessions.ended(&principal).await, Ended::Revoked);
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        let nobody = Principal::user("bookings", "alice");
        assert_eq!(sessions.ended(&nobody).await, Ended::Revoked);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_websocket_ends_when_its_session_idles() {
        let sessions = Sessions::memory().clock(paused()).build().unwrap();
        let alice = Principal::user("bookings", "alice");
        let set = sessions.begin(alice, &HeaderMap::new()).unwrap();
        let cookie = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        let layer = AuthLayer::new().sessions(sessions.clone());
        let mut request = get("/");
        request
            .headers_mut()
            .insert("cookie", cookie.parse().unwrap());
        let principal = proved(&layer, request).await;
        let start = Instant::now();
        assert_eq!(sessions.ended(&principal).await, Ended::Expired);
        assert_eq!(start.elapsed(), Duration::from_secs(30 * 60));
    }
}
