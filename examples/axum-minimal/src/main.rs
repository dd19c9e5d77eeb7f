//! The shortest useful stack around an axum router: request ids, security headers and a limit by address.
//!
//! `cargo run -p axum-minimal [ADDRESS]`, then `curl -i http://127.0.0.1:8080/`.

use axum::{Router, routing::get};
use palisade::Stack;
use palisade::axum::{not_found, protect, serve};
use palisade::headers::{RequestIdLayer, SecurityHeadersLayer};
use palisade::ratelimit::{Limit, Policy, RateLimitLayer, burst, per_second};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clients = Policy::new("clients").limit(Limit::token_bucket(per_second(10), burst(20)));
    let stack = Stack::new()
        .request_id(RequestIdLayer::new())
        .security_headers(SecurityHeadersLayer::api())
        .limit_clients(RateLimitLayer::builder().policy(clients).build()?);

    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .fallback(not_found);
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, protect(router, stack)).await;
    Ok(())
}
