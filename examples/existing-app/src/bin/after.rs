//! A service of notes, behind palisade.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Json, Router, routing::get};
use palisade::audit::{Audit, AuditLayer, RollingFile};
use palisade::auth::AuthLayer;
use palisade::axum::{method_not_allowed, not_found, protect, serve};
use palisade::headers::{CorsLayer, RequestIdLayer, SecurityHeadersLayer};
use palisade::ratelimit::{Limit, Policy, RateLimitLayer, burst, per_second};
use palisade::{PathSet, Stack};
use tokio::net::TcpListener;

type Notes = Arc<Mutex<Vec<String>>>;

async fn list(State(notes): State<Notes>) -> Json<Vec<String>> {
    Json(notes.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

async fn add(State(notes): State<Notes>, note: String) -> StatusCode {
    notes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(note);
    StatusCode::CREATED
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let token = std::env::var("API_TOKEN")?; // a placeholder is an error
    let clients = Policy::new("clients").limit(Limit::token_bucket(per_second(10), burst(20)));
    let (audit, _trail) = Audit::builder("notes")
        .file(RollingFile::new(std::env::var("LOGS")?))
        .open()?;
    let stack = Stack::new()
        .request_id(RequestIdLayer::new())
        .security_headers(SecurityHeadersLayer::api())
        .audit(AuditLayer::new(audit))
        .cors(CorsLayer::api())
        .limit_clients(RateLimitLayer::builder().policy(clients).build()?)
        .auth(
            AuthLayer::new()
                .service_token("notes", &token)?
                .skip(PathSet::operational()),
        );

    let router = Router::new()
        .route("/notes", get(list).post(add))
        .route("/healthz", get(async || "ok"))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Notes::default());

    let listener = TcpListener::bind(std::env::var("ADDR")?).await?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener, protect(router, stack)).await;
    Ok(())
}
