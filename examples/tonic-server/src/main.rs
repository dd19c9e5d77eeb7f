//! A gRPC server behind request ids, a limit by address and sign-in; see this package's README.
//!
//! `cargo run -p tonic-server [ADDRESS]`

use std::error::Error;

use palisade::Stack;
use palisade::auth::AuthLayer;
use palisade::headers::RequestIdLayer;
use palisade::ratelimit::{Limit, Policy, RateLimitLayer, burst, per_second};
use palisade::secrets::{ExposeSecret, generate};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic_health::ServingStatus;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A real service reads it from where its secrets are, and refuses a placeholder.
    let token = generate::token_urlsafe(32)?;
    let clients = Policy::new("clients").limit(Limit::token_bucket(per_second(10), burst(20)));
    let stack = Stack::new()
        .request_id(RequestIdLayer::new())
        .limit_clients(RateLimitLayer::builder().policy(clients).build()?)
        .auth(AuthLayer::new().service_token("crm", token.expose_secret())?);

    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("bookings", ServingStatus::Serving)
        .await;
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:50051")).await?;
    println!("listening on {}", listener.local_addr()?);
    println!("token {}", token.expose_secret());
    Server::builder()
        .layer(stack.leak())
        .add_service(health)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}
