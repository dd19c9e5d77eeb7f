//! The service that `/api/quote` calls: embedded, over real HTTP, and as bad as an operator wants it to be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use http::StatusCode;
use palisade::auth::AuthLayer;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;

/// The behaviour of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Answers at once.
    Ok,
    /// Answers 500.
    Fail,
    /// Answers after longer than the gateway waits.
    Slow,
    /// Never answers.
    Hang,
}

/// The switch that `POST /demo/upstream` turns.
#[derive(Debug, Clone)]
pub(crate) struct Switch(Arc<AtomicU8>);

impl Switch {
    pub(crate) fn set(&self, mode: Mode) {
        self.0.store(mode as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Mode {
        const MODES: [Mode; 4] = [Mode::Ok, Mode::Fail, Mode::Slow, Mode::Hang];
        MODES[usize::from(self.0.load(Ordering::Relaxed)) % MODES.len()]
    }
}

/// Starts the upstream on a free port of the loopback; it answers whom `auth` lets in.
pub(crate) async fn start(auth: AuthLayer) -> std::io::Result<(SocketAddr, Switch)> {
    let switch = Switch(Arc::new(AtomicU8::new(Mode::Ok as u8)));
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    let router = Router::new()
        .route("/quote", get(quote))
        .layer(auth)
        .with_state(switch.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((addr, switch))
}

async fn quote(State(switch): State<Switch>) -> Response {
    const SLOW: Duration = Duration::from_millis(1_500);
    match switch.get() {
        Mode::Ok => {}
        Mode::Fail => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mode::Slow => tokio::time::sleep(SLOW).await,
        Mode::Hang => std::future::pending().await,
    }
    Json(json!({ "room": "Blue", "price_per_hour": "42.00", "currency": "CHF" })).into_response()
}
