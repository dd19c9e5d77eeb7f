//! `cargo run -- [ADDRESS] [POLICIES]` prints a token for each of three users; the README says what to try with them.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use cedar_policy_example::{Policies, app};
use palisade::Principal;
use palisade::auth::{Algorithm, HmacKeys, JwtVerifier, SigningKey, TokenIssuer};
use palisade::axum::serve;
use tokio::net::TcpListener;

/// The users to try it with, and their roles.
const USERS: [(&str, &[&str]); 3] = [("alice", &["admin"]), ("bob", &["member"]), ("carol", &[])];

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let policies = arguments.next().map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/rooms.cedar")),
        PathBuf::from,
    );
    // The policies come first: a service whose rules cannot be read does not listen.
    let policies = Policies::open(&policies)?;

    // A secret of this process alone, which is enough to try it.
    let secret = SigningKey::generate_pkcs8(Algorithm::EdDSA)?;
    let tokens = TokenIssuer::hmac("bookings", HmacKeys::current(&secret)?)
        .audience("api://bookings")
        .build()?;
    let jwt = JwtVerifier::builder().issuer(tokens.issuer()).build()?;

    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    for (name, roles) in USERS {
        let user = Principal::user("bookings", name).roles(roles);
        println!("{name}={}", tokens.issue(&user)?.as_str());
    }
    serve(listener, app(jwt, policies)).await;
    Ok(())
}
