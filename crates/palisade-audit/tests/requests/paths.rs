//! Rules are about the path that the client sent, and a `HEAD` is a `GET` to them.

use crate::support::{self, Trail, fetch};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Method, Request};
use palisade_audit::{Level, Policy, any, path, prefix};
use tower::ServiceExt;

#[tokio::test]
async fn inside_a_nested_router_rules_and_records_have_the_path_as_it_was_sent() {
    let policy = Policy::first_match()
        .rule(path("/metrics"), Level::None)
        .rule(prefix("/admin"), Level::Metadata)
        .rule(any(), Level::None);
    let mut trail = Trail::with(|builder| builder.policy(policy));
    let admin = Router::new()
        .route("/metrics", get(async || "of the administration"))
        .route("/users", get(async || "users"))
        .layer(trail.layer());
    let router = Router::new().nest("/admin", admin);
    for uri in ["/admin/metrics", "/admin/users?page=2"] {
        let request = Request::get(uri).body(Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), 200);
    }
    let records = trail.records();
    let paths: Vec<_> = records.iter().map(|record| &record["path"]).collect();
    assert_eq!(paths, ["/admin/metrics", "/admin/users"]);
    assert_eq!(records[1]["query"], "page=2");
}

#[tokio::test]
async fn a_rule_for_get_covers_head_and_no_other_method() {
    let policy = Policy::first_match()
        .rule(path("/export").method(Method::GET), Level::Metadata)
        .rule(any(), Level::None);
    let mut trail = Trail::with(|builder| builder.policy(policy));
    let service = trail.service(support::answers(support::hello()));
    for method in [Method::GET, Method::HEAD, Method::POST] {
        let mut request = support::get("/export");
        *request.method_mut() = method;
        fetch(service.clone(), request).await;
    }
    let records = trail.records();
    let methods: Vec<_> = records.iter().map(|record| &record["method"]).collect();
    assert_eq!(methods, ["GET", "HEAD"]);
}
