//! The service at the end of the tutorial, `docs/tutorial.md`, which shows this file.

use axum::{Router, routing::get};
use palisade::audit::{Audit, AuditLayer, RollingFile};
use palisade::auth::{Auth, AuthLayer, HmacKeys, JwtVerifier, TokenIssuer};
use palisade::axum::{method_not_allowed, not_found, protect, serve};
use palisade::headers::{RequestIdLayer, SecurityHeadersLayer};
use palisade::ratelimit::{Limit, Policy, RateLimitLayer, burst, per_second};
use palisade::{PathSet, Principal, Stack};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = HmacKeys::current(std::env::var("JWT_SECRET_KEY")?)?;
    let tokens = TokenIssuer::hmac("hello", keys)
        .audience("api://hello")
        .build()?;
    // `cargo run -- token alice` prints a token for alice.
    let mut args = std::env::args().skip(1);
    if let (Some("token"), Some(name)) = (args.next().as_deref(), args.next()) {
        println!(
            "{}",
            tokens.issue(&Principal::user("hello", &name))?.as_str()
        );
        return Ok(());
    }
    let jwt = JwtVerifier::builder().issuer(tokens.issuer()).build()?;
    let clients = Policy::new("clients").limit(Limit::token_bucket(per_second(10), burst(20)));
    let (audit, _trail) = Audit::builder("hello")
        .file(RollingFile::new("logs"))
        .open()?;

    let stack = Stack::new()
        .request_id(RequestIdLayer::new())
        .security_headers(SecurityHeadersLayer::api())
        .audit(AuditLayer::new(audit))
        .limit_clients(RateLimitLayer::builder().policy(clients).build()?)
        .auth(AuthLayer::new().bearer(jwt).skip(PathSet::operational()));
    let router = Router::new()
        .route(
            "/",
            get(async |Auth(me): Auth| format!("hello {}", me.subject())),
        )
        .route("/healthz", get(async || "ok"))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed);

    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, protect(router, stack))
        .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or(()) })
        .await;
    Ok(())
}
