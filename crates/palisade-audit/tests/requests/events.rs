//! Events of requests, and the policy that chooses among requests.

use crate::support::{Trail, fetch, get, hello};
use http::{Request, Response};
use palisade_audit::{Level, Policy, any, path};
use palisade_core::{EventKind, RequestId, RequestScope, SecurityEvent};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tower::service_fn;

#[tokio::test]
async fn events_of_the_scope_have_records_of_their_own_before_the_request() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(async |request: Request<()>| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        scope.record(
            SecurityEvent::new(EventKind::LoginFailure)
                .reason("token_expired")
                .subject("ada"),
        );
        Ok::<_, Infallible>(Response::builder().status(401).body(hello()).unwrap())
    }));
    let mut request = get("/rooms");
    RequestScope::enter(request.extensions_mut()).set_request_id(RequestId::new("id-1").unwrap());
    fetch(service, request).await;
    let records = trail.records();
    assert_eq!(records.len(), 2);
    let (event, request) = (&records[0], &records[1]);
    assert_eq!(event["event"], "authn_login_fail");
    assert_eq!(event["class"], "authentication");
    assert_eq!(event["actor"], "ada");
    assert_eq!(event["outcome"], "denied");
    assert_eq!(event["path"], "/rooms");
    assert_eq!(request["event"], "http_request");
    for record in [event, request] {
        assert_eq!(record["reason"], "token_expired");
        assert_eq!(record["request_id"], "id-1");
    }
}

#[tokio::test]
async fn an_event_after_the_end_is_recorded_by_request_id() {
    let mut trail = Trail::new();
    let scope = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&scope);
    let service = trail.service(service_fn(move |request: Request<()>| {
        *kept.lock().unwrap() = RequestScope::current(request.extensions()).cloned();
        async { Ok::<_, Infallible>(Response::new(hello())) }
    }));
    let mut request = get("/");
    RequestScope::enter(request.extensions_mut()).set_request_id(RequestId::new("id-1").unwrap());
    fetch(service, request).await;
    let scope = scope.lock().unwrap().take().unwrap();
    scope.record(SecurityEvent::new(EventKind::TokenRevoked).subject("ada"));
    let records = trail.records();
    assert_eq!(records[1]["event"], "authn_token_revoked");
    assert_eq!(records[1]["request_id"], "id-1");
    assert_eq!(records[1]["actor"], "ada");
}

#[tokio::test]
async fn the_policy_chooses_and_events_are_recorded_all_the_same() {
    let mut trail = Trail::with(|builder| {
        builder.policy(
            Policy::first_match()
                .rule(path("/healthz"), Level::None)
                .rule(any(), Level::Metadata),
        )
    });
    let service = trail.service(service_fn(async |request: Request<()>| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        if request.uri().query().is_some() {
            scope.record(SecurityEvent::new(EventKind::ExcessRateLimit));
        }
        Ok::<_, Infallible>(Response::new(hello()))
    }));
    fetch(service.clone(), get("/healthz")).await;
    fetch(service.clone(), get("/healthz?flood")).await;
    fetch(service, get("/rooms")).await;
    let events: Vec<_> = trail
        .records()
        .into_iter()
        .map(|record| record["event"].clone())
        .collect();
    assert_eq!(events, ["excess_rate_limit_exceeded", "http_request"]);
}
