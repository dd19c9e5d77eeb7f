//! Credentials of WebSockets through the layer.

use std::sync::Arc;

use http::{HeaderMap, Request};
use palisade_auth::AuthLayer;
use palisade_auth::websocket::Tickets;
use tower::{Layer, ServiceExt};

use super::session::{Clock, alice, sent_back, sessions};
use crate::support::{get, good_token, layer, through};

fn opening(uri: &str) -> http::request::Builder {
    Request::get(uri)
        .header("host", "api.example")
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

#[tokio::test]
async fn a_websocket_may_offer_its_token_as_a_subprotocol() {
    let offer = format!("chat, bearer.{}", good_token());
    let request = opening("/ws")
        .header("sec-websocket-protocol", &offer)
        .body(())
        .unwrap();
    assert_eq!(
        through(&layer(), request.clone()).await.body,
        "user alice of bookings"
    );

    let handler = tower::service_fn(|request: Request<()>| async move {
        let offered = request.headers().get("sec-websocket-protocol").cloned();
        let body = offered.map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
        Ok::<_, std::convert::Infallible>(http::Response::new(body))
    });
    let response = layer().layer(handler).oneshot(request);
    let body = http_body_util::BodyExt::collect(response.await.unwrap())
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, "chat", "the handler never sees the token");

    let beside = opening("/ws")
        .header("sec-websocket-protocol", &offer)
        .header("authorization", "Bearer abc")
        .body(())
        .unwrap();
    assert_eq!(
        through(&layer(), beside).await.reason(),
        "several_credentials"
    );
    let plain = Request::get("/")
        .header("sec-websocket-protocol", &offer)
        .body(())
        .unwrap();
    assert_eq!(
        through(&layer(), plain).await.reason(),
        "no_credential",
        "only a WebSocket may"
    );
    let header = opening("/ws")
        .header("authorization", format!("Bearer {}", good_token()))
        .body(())
        .unwrap();
    assert_eq!(through(&layer(), header).await.status, 200);
    let query = opening(&format!("/ws?access_token={}", good_token()))
        .body(())
        .unwrap();
    assert_eq!(
        through(&layer(), query).await.reason(),
        "no_credential",
        "off"
    );
}

#[tokio::test]
async fn a_ticket_opens_one_websocket_within_thirty_seconds() {
    let clock = Clock::new();
    let tickets = Tickets::with_clock(clock.wall());
    let layer = layer().tickets(tickets.clone());
    let issue = || tickets.issue(Arc::new(alice())).unwrap();
    let open = |ticket: &str| {
        opening(&format!("/ws?a=1&ticket={ticket}"))
            .body(())
            .unwrap()
    };
    let ticket = issue();
    let plain = get(&format!("/ws?ticket={ticket}"));
    assert_eq!(
        through(&layer, plain).await.reason(),
        "no_credential",
        "only a WebSocket may"
    );
    assert_eq!(
        through(&layer, open(&ticket)).await.body,
        "user alice of bookings"
    );
    assert_eq!(
        through(&layer, open(&ticket)).await.reason(),
        "unknown_token"
    );
    let late = issue();
    clock.pass(30);
    assert_eq!(through(&layer, open(&late)).await.status, 401);
    let with_token = opening(&format!("/ws?ticket={}", issue()))
        .header("authorization", format!("Bearer {}", good_token()))
        .body(())
        .unwrap();
    assert_eq!(
        through(&layer, with_token).await.reason(),
        "several_credentials"
    );
}

#[tokio::test]
async fn a_cookie_opens_a_websocket_from_allowed_origins_alone() {
    let clock = Clock::new();
    let sessions = sessions(&clock).build().unwrap();
    let layer = AuthLayer::new()
        .sessions(sessions.clone())
        .websocket_origin("https://app.example");
    let cookie = sent_back(&sessions.begin(alice(), &HeaderMap::new()).unwrap());
    for (origin, status) in [
        (Some("https://api.example"), 200),
        (Some("https://app.example"), 200),
        (Some("https://evil.example"), 403),
        (Some("null"), 403),
        (None, 403),
    ] {
        let mut request = opening("/ws").header("cookie", &cookie);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let answered = through(&layer, request.body(()).unwrap()).await;
        assert_eq!(answered.status, status, "{origin:?}");
        if status == 403 {
            assert_eq!(answered.reason(), "origin_not_allowed");
        }
    }
}
