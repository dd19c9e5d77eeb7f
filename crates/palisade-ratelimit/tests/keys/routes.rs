//! Routes cannot be walked around: by `HEAD`, or by a router that strips a prefix.

use crate::support::{from, passed, serve, to};
use axum::Router;
use axum::body::Body;
use axum::routing::{any, get, post};
use http::{Method, Request};
use palisade_core::PeerAddr;
use palisade_ratelimit::{HOUR, Limit, Policy, RateLimitLayer, burst, per_second};
use tower::{Layer, ServiceExt};

const A: &str = "203.0.113.7";

/// Plenty for everybody, and two an hour where a route says so.
fn layer(route: &str) -> RateLimitLayer {
    let plenty = Limit::token_bucket(per_second(1_000), burst(1_000));
    RateLimitLayer::builder()
        .policy(Policy::new("plenty").limit(plenty))
        .policy(Policy::new("expensive").limit(Limit::exact(2, HOUR)))
        .route(route, "expensive")
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_head_counts_where_a_get_does() {
    let service = serve(&layer("GET /export"));
    let of = |method| move || to(from(A), method, "/export");
    assert_eq!(passed(&service, 1, of("GET")).await, 1);
    assert_eq!(passed(&service, 50, of("HEAD")).await, 1);
    assert_eq!(passed(&service, 50, of("GET")).await, 0);
    assert_eq!(passed(&service, 50, of("POST")).await, 50);
}

#[tokio::test(start_paused = true)]
async fn a_get_does_not_count_where_only_a_head_does() {
    let service = serve(&layer("HEAD /export"));
    let get = || to(from(A), "GET", "/export");
    assert_eq!(passed(&service, 50, get).await, 50);
}

#[tokio::test(start_paused = true)]
async fn methods_parameters_and_encoded_paths_are_no_way_around() {
    let ways = [
        ("PUT|PATCH /users/{id}", "PATCH", "/users/7"),
        ("* /export", "POST", "/export"),
        ("POST /auth/token", "POST", "/auth/t%6Fken"),
        ("/café", "GET", "/caf%C3%A9"),
        ("/files/{*rest}", "GET", "/files/a/b"),
    ];
    for (route, method, path) in ways {
        let service = serve(&layer(route));
        let request = || to(from(A), method, path);
        assert_eq!(passed(&service, 20, request).await, 2, "{route}");
    }
}

#[test]
fn a_route_that_can_never_match_is_an_error() {
    for route in ["post /x", "/users/:id", "/x?y=1", "/x#f", "POST /x y"] {
        let built = RateLimitLayer::builder()
            .policy(Policy::public())
            .route(route, "public")
            .build();
        let error = built.unwrap_err().to_string();
        assert!(error.contains(&format!("route {route:?}")), "{error}");
    }
}

/// The number of twenty such requests to the router that do not get 429.
async fn answered(router: &Router, method: Method, path: &str) -> usize {
    let mut answered = 0;
    for _ in 0..20 {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.parse().unwrap();
        request
            .extensions_mut()
            .insert(PeerAddr("203.0.113.7:4433".parse().unwrap()));
        let status = router.clone().oneshot(request).await.unwrap().status();
        answered += usize::from(status == 200);
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn inside_a_nested_router_a_route_is_the_path_as_it_was_sent() {
    let token = Router::new()
        .route("/token", post(async || "token"))
        .layer(layer("POST /auth/token"));
    let router = Router::new().nest("/auth", token);
    assert_eq!(answered(&router, Method::POST, "/auth/token").await, 2);
}

#[tokio::test(start_paused = true)]
async fn around_one_route_of_a_nested_router_too() {
    let token = Router::new().route("/token", post(async || "token").layer(layer("/a/b/token")));
    let router = Router::new().nest("/a", Router::new().nest("/b", token));
    assert_eq!(answered(&router, Method::POST, "/a/b/token").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stripped_path_is_not_exempt() {
    let exact = Policy::new("exact").limit(Limit::exact(2, HOUR));
    let limits = RateLimitLayer::builder().policy(exact).build().unwrap();
    let customers = Router::new()
        .route("/metrics", get(async || "of a customer"))
        .layer(limits.clone());
    let router = Router::new()
        .nest("/customers", customers)
        .nest_service("/service", limits.layer(any(async || "anything")))
        .merge(
            Router::new()
                .route("/metrics", get(async || "ours"))
                .layer(limits),
        );
    assert_eq!(answered(&router, Method::GET, "/metrics").await, 20);
    assert_eq!(
        answered(&router, Method::GET, "/customers/metrics").await,
        2
    );
    assert_eq!(answered(&router, Method::GET, "/service/metrics").await, 0);
}
