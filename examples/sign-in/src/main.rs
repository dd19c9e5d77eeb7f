//! Sign-in at an OpenID Connect provider, such as Google, that ends in a session.
//!
//! Start the provider for development in `provider/`, then `cargo run -p sign-in`; or say which one with `OIDC_ISSUER`,
//! `OIDC_CLIENT_ID` and `OIDC_CLIENT_SECRET`. With `REDIS_URL` several of it are one service. The README says how.

use std::env;
use std::time::Duration;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use palisade::Principal;
use palisade::Stack;
use palisade::auth::oidc::{Identity, Oidc, RedisSignIns, SignInRoutes};
use palisade::auth::{
    Algorithm, Auth, AuthLayer, HmacKeys, OptionalAuth, RedisSessions, SessionStore, Sessions,
    SigningKey, SigningKeys,
};
use palisade::axum::{not_found, protect, serve};
use palisade::headers::CrossOriginGuardLayer;
use redis::aio::ConnectionManager;

type Error = Box<dyn std::error::Error>;

/// Of the provider in `provider/`, for development alone.
const DEV_ISSUER: &str = "http://localhost:9000";
const DEV_CLIENT: &str = "bookings";
const DEV_SECRET: &str = "secret-of-bookings-for-development";
/// For a laptop that is busy; the default is 50 ms.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = setting("ADDR", "127.0.0.1:8080");
    let here = setting("BASE_URL", "http://localhost:8080");
    let issuer = setting("OIDC_ISSUER", DEV_ISSUER);

    let provider = Oidc::builder(&issuer).redirect_uri(&format!("{here}/callback"));
    let id = setting("OIDC_CLIENT_ID", DEV_CLIENT);
    let provider = match env::var("OIDC_PRIVATE_KEY") {
        Ok(path) => {
            let key = SigningKey::from_pem(Algorithm::ES256, &std::fs::read_to_string(path)?)?;
            provider.private_key_client(&id, SigningKeys::new(key))
        }
        Err(_) => provider.client(&id, &setting("OIDC_CLIENT_SECRET", DEV_SECRET)),
    };
    let provider = match &*setting("OIDC_RESPONSE_MODE", "query") {
        "form_post" => provider.form_post(),
        _ => provider,
    };
    let provider = match &*setting("OIDC_USERINFO", "any") {
        "signed" => provider.require_signed_userinfo(),
        _ => provider,
    };
    // The cookie of a session needs https anywhere but in development.
    let plain = !here.starts_with("https:");
    let (provider, sessions) = match env::var("REDIS_URL") {
        Ok(url) => {
            let redis = ConnectionManager::new(redis::Client::open(url)?).await?;
            let secret = env::var("COOKIE_SECRET").map_err(|_| "COOKIE_SECRET is missing")?;
            let provider = provider
                .cookie_secret(&secret)
                .redis(RedisSignIns::new(redis.clone()).timeout(PATIENCE));
            (provider, shared(redis, &secret, plain)?)
        }
        Err(_) => (provider, alone(plain)?),
    };
    let sign_in = SignInRoutes::builder(provider.build()?, sessions.clone())
        .adapt(with_address)
        .signed_out_at(&format!("{here}/"))
        .build()?;

    let router = Router::new()
        .route("/", get(home))
        .route("/me", get(me))
        .merge(sign_in.router())
        .fallback(not_found);
    // The form of a provider comes from a page of another site; the state proves that this browser asked for it.
    let guard = CrossOriginGuardLayer::new().add_insecure_bypass("POST /callback")?;
    let stack = Stack::new()
        .cross_origin_guard(guard)
        .auth(AuthLayer::new().sessions(sessions).optional());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    println!("open {here}/ to sign in at {issuer}");
    serve(listener, protect(router, stack)).await;
    Ok(())
}

/// Sessions that end with this process.
fn alone(plain: bool) -> Result<SessionStore, Error> {
    let sessions = Sessions::memory();
    let sessions = match plain {
        true => sessions.insecure_plain_http(),
        false => sessions,
    };
    Ok(sessions.build()?.into())
}

/// Sessions of every process with this Redis and this secret.
fn shared(redis: ConnectionManager, secret: &str, plain: bool) -> Result<SessionStore, Error> {
    let sessions = RedisSessions::builder(HmacKeys::current(secret)?, redis).timeout(PATIENCE);
    let sessions = match plain {
        true => sessions.insecure_plain_http(),
        false => sessions,
    };
    Ok(sessions.build()?.into())
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// An address that the provider has verified is shown as the tenant of this example; others are not.
fn with_address(principal: Principal, identity: &Identity) -> Principal {
    match identity.verified_email() {
        Some(email) => principal.tenant(email),
        None => principal,
    }
}

async fn home(OptionalAuth(auth): OptionalAuth) -> Html<String> {
    Html(match auth {
        Some(auth) => format!(
            "<!doctype html><title>Signed in</title><p id=who>{} ({})</p>\
             <form method=post action=/logout><button id=out>Sign out</button></form>",
            escaped(auth.subject()),
            escaped(auth.tenant_name().unwrap_or("no verified address")),
        ),
        None => "<!doctype html><title>Signed out</title>\
                 <a id=in href=\"/login?return_to=/%3Fback\">Sign in</a>"
            .to_owned(),
    })
}

async fn me(auth: Auth) -> String {
    format!("{} of {}", auth.subject(), auth.issuer())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
