//! The layer and the extractors in axum 0.8, as a user writes them.
#![cfg(feature = "axum")]

#[cfg(feature = "oidc")]
mod oidc;
mod support;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use palisade_auth::{Auth, AuthLayer, Claims, OptionalAuth, RequireRole, RequireScope, Roles};
use serde::Deserialize;
use serde_json::json;
use support::{HEADER, SECRET, claims_with, good_token, hs256, layer};
use tower::ServiceExt;

#[derive(Deserialize)]
struct Team {
    team: String,
}

fn router(layer: AuthLayer) -> Router {
    let roles = Roles::ladder(["user", "admin"]).unwrap();
    Router::new()
        .route(
            "/me",
            get(|auth: Auth| async move { auth.subject().to_owned() }),
        )
        .route(
            "/maybe",
            get(|OptionalAuth(auth): OptionalAuth| async move { auth.is_some().to_string() }),
        )
        .route(
            "/team",
            get(|Claims(Team { team }): Claims<Team>| async move { team }),
        )
        .route(
            "/bookings",
            get(|| async { "booked" }).route_layer(RequireScope::all(["write"])),
        )
        .route(
            "/admin",
            get(|| async { "admin" }).route_layer(RequireRole::at_least("admin", &roles)),
        )
        .layer(layer)
}

async fn asked(router: &Router, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn extractors_and_route_guards_work_in_a_router() {
    let router = router(layer());
    let token = good_token();
    assert_eq!(asked(&router, "/me", Some(&token)).await.1, "alice");
    assert_eq!(asked(&router, "/me", None).await.0, 401);
    assert_eq!(asked(&router, "/maybe", Some(&token)).await.1, "true");
    assert_eq!(asked(&router, "/bookings", Some(&token)).await.1, "booked");
    assert_eq!(asked(&router, "/admin", Some(&token)).await.0, 403);
}

#[tokio::test]
async fn custom_claims_come_as_the_applications_own_type() {
    let router = router(layer());
    let blue = hs256(HEADER, &claims_with(json!({"team": "blue"})), SECRET);
    assert_eq!(asked(&router, "/team", Some(&blue)).await.1, "blue");
    assert_eq!(asked(&router, "/team", Some(&good_token())).await.0, 401);
}

#[tokio::test]
async fn extractors_inside_an_optional_layer() {
    let router = router(layer().optional());
    assert_eq!(asked(&router, "/maybe", None).await.1, "false");
    assert_eq!(asked(&router, "/me", None).await.0, 401);
    assert_eq!(asked(&router, "/maybe", Some("bad")).await.0, 401);
}

#[tokio::test]
async fn extractors_without_the_layer_fail_closed() {
    let router = router(AuthLayer::off());
    for path in ["/me", "/maybe", "/team", "/bookings", "/admin"] {
        assert_eq!(
            asked(&router, path, Some(&good_token())).await.0,
            500,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_path_that_a_router_has_stripped_is_not_skipped() {
    let skipping = || layer().skip(palisade_core::PathSet::of(["/metrics", "/open/metrics"]));
    let customers = Router::new()
        .route("/metrics", get(async || "of a customer"))
        .layer(skipping());
    let open = Router::new()
        .route("/metrics", get(async || "open").layer(skipping()))
        .route("/other", get(async || "closed").layer(skipping()));
    let router = Router::new()
        .nest("/customers", customers)
        .nest("/open", open)
        .merge(
            Router::new()
                .route("/metrics", get(async || "ours"))
                .layer(skipping()),
        );
    for (path, status) in [
        ("/metrics", 200),
        ("/customers/metrics", 401),
        ("/open/metrics", 200),
        ("/open/other", 401),
    ] {
        assert_eq!(asked(&router, path, None).await.0, status, "{path}");
    }
}
