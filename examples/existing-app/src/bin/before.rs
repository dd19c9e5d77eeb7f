//! A service of notes, as it is written today.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::{Json, Router, routing::get};
use tokio::net::TcpListener;
use tower_http::cors::CorsLayer;
use tower_http::trace::TraceLayer;

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

async fn check_token(request: Request, next: Next) -> Result<Response, StatusCode> {
    let token = std::env::var("API_TOKEN").unwrap_or_else(|_| "changeme".to_owned());
    match request.headers().get(header::AUTHORIZATION) {
        Some(value) if value == format!("Bearer {token}").as_str() => Ok(next.run(request).await),
        _ => Err(StatusCode::UNAUTHORIZED),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let router = Router::new()
        .route("/notes", get(list).post(add))
        .layer(from_fn(check_token))
        .route("/healthz", get(async || "ok"))
        .layer(CorsLayer::permissive())
        .layer(TraceLayer::new_for_http())
        .with_state(Notes::default());

    let listener = TcpListener::bind(std::env::var("ADDR")?).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}
