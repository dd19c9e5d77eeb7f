//! A small booking API whose permissions are written in Cedar.

mod policy;

use axum::Router;
use axum::routing::get;
use palisade::Stack;
use palisade::auth::{Auth, AuthLayer, JwtVerifier};
use palisade::axum::{ProtectedRouter, not_found, protect};

pub use self::policy::{Policies, PolicyError};

/// The router: tokens are verified around it, and each route asks the policies.
pub fn app(jwt: JwtVerifier, policies: Policies) -> ProtectedRouter {
    let done = async |auth: Auth| format!("done, {}\n", auth.subject());
    let any = || get(done).post(done).put(done).delete(done);
    // Nested on purpose: the guard sees the path as the client sent it, with `/api` in front.
    let api = Router::new()
        .route("/rooms", any())
        .route("/rooms/{room}", any())
        .route("/rooms/{room}/bookings", any())
        .route("/users/{name}", any())
        .route_layer(policies.guard());
    let router = Router::new().nest("/api", api).fallback(not_found);
    protect(router, Stack::new().auth(AuthLayer::new().bearer(jwt)))
}
