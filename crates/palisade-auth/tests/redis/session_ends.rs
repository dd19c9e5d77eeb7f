//! Sessions while Redis is away, and what ends with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, Request};
use palisade_auth::Refusal;
use palisade_auth::websocket::{Ended, Tickets};

use super::sessions::{alice, begun, layer, sessions, status};
use crate::support::redis::Server;
use crate::support::{Clock, get, good_token, through, with_cookie, with_token};

#[tokio::test]
async fn while_redis_is_away_a_session_is_a_503_and_a_made_up_one_is_not_asked_about() {
    let (mut server, clock) = (Server::start().await, Clock::default());
    let sessions = sessions(&server, &clock).await;
    let cookie = begun(&sessions, &alice()).await;
    server.kill();
    let both = crate::support::layer().sessions(sessions.clone());
    for layer in [layer(&sessions), layer(&sessions).optional()] {
        let answered = through(&layer, with_cookie(&cookie)).await;
        assert_eq!(
            (answered.status, answered.reason()),
            (503, "store_unavailable")
        );
    }
    let made_up = format!("__Host-session={}", "A".repeat(86));
    assert_eq!(status(&layer(&sessions), &made_up).await, 401);
    assert_eq!(status(&layer(&sessions).optional(), &made_up).await, 200);
    assert_eq!(
        through(&layer(&sessions).optional(), get("/")).await.status,
        200
    );
    assert_eq!(through(&both, with_token(&good_token())).await.status, 200);

    let request = with_cookie(&cookie);
    let away = Some(Refusal::StoreUnavailable);
    assert_eq!(sessions.end(request.headers()).await.err(), away);
    assert_eq!(
        sessions.revoke_subject("bookings", "alice").await.err(),
        away
    );
    assert_eq!(sessions.of_subject("bookings", "alice").await.err(), away);
    assert!(sessions.begin(&alice(), &HeaderMap::new()).await.is_err());
}

#[tokio::test]
async fn a_session_that_redis_does_not_know_leaves_room_for_nobody_and_for_a_token() {
    let (server, clock) = (Server::start().await, Clock::default());
    let sessions = sessions(&server, &clock).await;
    let cookie = begun(&sessions, &alice()).await;
    sessions.end(with_cookie(&cookie).headers()).await.unwrap();
    let optional = layer(&sessions).optional();
    let answered = through(&optional, with_cookie(&cookie)).await;
    assert_eq!((answered.status, &*answered.body), (200, "nobody"));
    let both = crate::support::layer()
        .sessions(sessions)
        .bearer_cookie("jwt")
        .unwrap();
    let answered = through(
        &both,
        with_cookie(&format!("{cookie}; jwt={}", good_token())),
    )
    .await;
    assert_eq!(
        (answered.status, &*answered.body),
        (200, "user alice of bookings")
    );
}

#[tokio::test]
async fn redis_killed_and_restarted_under_load_refuses_and_then_knows_its_sessions_again() {
    let (mut server, clock) = (Server::that_persists().await, Clock::default());
    let sessions = sessions(&server, &clock).await;
    let layer = layer(&sessions);
    let cookie = begun(&sessions, &alice()).await;
    let ended = begun(&sessions, &alice()).await;
    sessions.end(with_cookie(&ended).headers()).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (layer, cookie, ended) = (layer.clone(), cookie.clone(), ended.clone());
            let over = Arc::clone(&over);
            tokio::spawn(async move {
                let mut statuses = std::collections::BTreeSet::new();
                while !over.load(Ordering::Relaxed) {
                    statuses.insert((true, status(&layer, &cookie).await));
                    statuses.insert((false, status(&layer, &ended).await));
                    tokio::task::yield_now().await;
                }
                statuses
            })
        })
        .collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.kill();
        while status(&layer, &cookie).await != 503 {}
        server.restart().await;
        while status(&layer, &cookie).await != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    over.store(true, Ordering::Relaxed);
    for statuses in load {
        // Never 401 for the one that lives, and never 200 for the one that had ended.
        let expected = [(false, 401), (false, 503), (true, 200), (true, 503)];
        let statuses = statuses.await.unwrap();
        assert!(statuses.is_subset(&expected.into()), "{statuses:?}");
        assert!(statuses.contains(&(true, 200)));
    }
}

#[tokio::test]
async fn a_ticket_and_an_open_websocket_end_with_their_session_in_redis() {
    let (server, clock) = (Server::start().await, Clock::default());
    let sessions = sessions(&server, &clock).await;
    let tickets = Tickets::with_clock(clock.wall());
    let layer = crate::support::layer()
        .sessions(sessions.clone())
        .tickets(tickets.clone());
    let opening = |ticket: &str| {
        Request::get(format!("/ws?ticket={ticket}"))
            .header("host", "api.example")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .body(())
            .unwrap()
    };
    let session = async || {
        begun(&sessions, &alice()).await;
        let newest = sessions
            .of_subject("bookings", "alice")
            .await
            .unwrap()
            .remove(0);
        Arc::new(alice().session(&newest.id))
    };
    let principal = session().await;
    let good = tickets.issue(Arc::clone(&principal)).unwrap();
    assert_eq!(through(&layer, opening(&good)).await.status, 200);
    let open = {
        let (sessions, principal) = (sessions.clone(), Arc::clone(&principal));
        tokio::spawn(async move { sessions.ended(&principal).await })
    };
    let ticket = tickets.issue(Arc::clone(&principal)).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!open.is_finished());
    sessions
        .revoke(principal.session_id().unwrap())
        .await
        .unwrap();
    let answered = through(&layer, opening(&ticket)).await;
    assert_eq!((answered.status, answered.reason()), (401, "token_revoked"));
    let ended = tokio::time::timeout(Duration::from_secs(20), open).await;
    assert_eq!(ended.unwrap().unwrap(), Ended::Revoked);

    let principal = session().await;
    clock.pass(30 * 60);
    assert_eq!(sessions.ended(&principal).await, Ended::Expired);
    assert_eq!(sessions.ended(&alice()).await, Ended::Revoked);
}
