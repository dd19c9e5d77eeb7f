use std::sync::Arc;

use axum::extract::State as Extract;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use palisade::auth::Auth;
use palisade::auth::websocket::{CLOSE_UNAUTHENTICATED, Ended};
use palisade::{Code, Principal, Rejection};

use crate::app::{App, State};

/// The subprotocol that a client may offer beside its token: browsers want one of what they offered back.
const PROTOCOL: &str = "echo";
/// The longest message.
const MAX_MESSAGE: usize = 64 << 10;

/// Opens a WebSocket that sends every message back, for as long as its principal may act.
pub(super) async fn open(
    Extract(app): State,
    Auth(principal): Auth,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Rejection> {
    let upgrade = upgrade.map_err(|_| {
        Rejection::new(Code::Validation).message("This path opens WebSockets and nothing else")
    })?;
    Ok(upgrade
        .protocols([PROTOCOL])
        .max_message_size(MAX_MESSAGE)
        .on_upgrade(move |socket| serve(app, principal, socket)))
}

async fn serve(app: &'static App, principal: Arc<Principal>, mut socket: WebSocket) {
    let mut stopping = app.stopping.clone();
    let (code, reason) = tokio::select! {
        () = echo(&mut socket) => return,
        ended = app.verifier.ended(&principal) => (CLOSE_UNAUTHENTICATED, said(ended)),
        _ = stopping.wait_for(|stopping| *stopping) => (close_code::AWAY, "the server stops"),
    };
    let reason = reason.into();
    // Who has gone already needs no farewell.
    let _ = socket
        .send(Message::Close(Some(CloseFrame { code, reason })))
        .await;
}

/// Ends when the client is gone.
async fn echo(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_))
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}

/// The client may know whether to refresh its token or to sign in again.
const fn said(ended: Ended) -> &'static str {
    match ended {
        Ended::Expired => "expired",
        Ended::Revoked => "revoked",
        _ => "unknown",
    }
}
