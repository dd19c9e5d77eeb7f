//! The routes, and who may use each.

mod admin;
mod bookings;
mod dashboard;
mod health;
mod quote;
mod sign_in;
mod websocket;

use std::time::Duration;

use axum::Router;
use axum::extract::State as Extract;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use http::{StatusCode, header};
use palisade::PrincipalKind;
use palisade::auth::{Auth, Guard, RequireRole, RequireScope, RequireService};
use palisade::axum::{method_not_allowed, not_found};
use palisade::{Code, Rejection, Stack};
use palisade_core::time::WallClock;
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::app::{App, State};
use crate::cache::cached;
use crate::keys::SERVICES;

/// The time after which a caller gets 503 instead of the handler's answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The routes, each with its guard. The dashboard is open to everybody only where `open_dashboard` says so.
pub(crate) fn router(app: &'static App, ping_limit: Stack, open_dashboard: bool) -> Router {
    let writers = RequireScope::all(["write"]).leak();
    let readers = RequireScope::all(["read"]).leak();
    let admins = RequireRole::at_least("admin", &app.roles).leak();
    let operators = if open_dashboard {
        Guard::off()
    } else {
        admins.clone()
    };
    let signed_in = Guard::authenticated().leak();
    let partners = Guard::check(|principal| principal.has_role("partner")).leak();

    Router::new()
        .route(
            "/",
            get(dashboard::page)
                .route_layer(dashboard::headers())
                .route_layer(operators.clone()),
        )
        .route("/live", get(dashboard::live).route_layer(operators))
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/.well-known/jwks.json", get(jwks))
        .route("/v1/ping", get(ping).route_layer(ping_limit))
        .route(
            "/api/public",
            get(public).route_layer(from_fn_with_state(app.public.clone(), cached)),
        )
        .route("/auth/token", post(sign_in::token))
        .route("/auth/refresh", post(sign_in::refresh))
        .route(
            "/auth/logout",
            post(sign_in::logout).route_layer(signed_in.clone()),
        )
        .route("/api/me", get(me).route_layer(signed_in.clone()))
        .route("/ws", get(websocket::open).route_layer(signed_in))
        .route(
            "/api/bookings",
            post(bookings::create)
                .route_layer(writers)
                .merge(get(bookings::list).route_layer(readers.clone())),
        )
        .route(
            "/api/bookings/by-email",
            get(bookings::by_email).route_layer(admins.clone()),
        )
        .route(
            "/api/bookings/{id}",
            get(bookings::read).route_layer(readers),
        )
        .route(
            "/api/partner/bookings",
            get(bookings::for_partner).route_layer(partners),
        )
        .route(
            "/api/admin/audit",
            get(admin::audit).route_layer(admins.clone()),
        )
        .route(
            "/api/admin/bookings/{id}",
            delete(admin::delete_booking).route_layer(admins.clone()),
        )
        .route(
            "/internal/notify",
            post(notify).route_layer(RequireService::named(SERVICES.map(|(name, _)| name)).leak()),
        )
        .route("/api/quote", get(quote::quote))
        .route(
            "/demo/upstream",
            post(quote::set_upstream).route_layer(admins),
        )
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        // Inside the stack, so that what they answer gets its headers and its record too.
        .layer(CatchPanicLayer::custom(|_| {
            IntoResponse::into_response(Rejection::new(Code::Internal))
        }))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            TIMEOUT,
        ))
        .with_state(app)
}

async fn ping() -> axum::Json<Value> {
    axum::Json(json!({ "pong": true }))
}

/// The public keys of access tokens, for services that verify them on their own; none where a shared secret signs.
async fn jwks(Extract(app): State) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/jwk-set+json"),
        // Half of the time for which a key is published before it signs.
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, app.tokens.jwks())
}

/// The same for everybody, and so answered from the cache.
async fn public() -> axum::Json<Value> {
    let as_of = WallClock::system().now().to_string();
    axum::Json(json!({ "service": "gateway", "rooms": ["Blue", "Green", "Red"], "as_of": as_of }))
}

async fn me(Auth(principal): Auth) -> axum::Json<Value> {
    axum::Json(json!({
        "kind": principal.kind().as_str(),
        "issuer": principal.issuer(),
        "subject": principal.subject(),
        "roles": principal.role_names().collect::<Vec<_>>(),
        "scopes": principal.scope_names().collect::<Vec<_>>(),
        "expires_at": principal.expiry().map(|expiry| expiry.to_string()),
    }))
}

async fn notify(Auth(service): Auth) -> (StatusCode, axum::Json<Value>) {
    debug_assert_eq!(service.kind(), PrincipalKind::Service);
    (
        StatusCode::ACCEPTED,
        axum::Json(json!({ "accepted": true, "from": service.subject() })),
    )
}
