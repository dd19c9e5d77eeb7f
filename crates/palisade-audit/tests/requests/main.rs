//! Every request leaves one record, however it ends.

mod endings;
mod events;
#[cfg(feature = "axum")]
mod paths;
#[path = "../support/mod.rs"]
mod support;

use crate::support::{Trail, answers, fetch, get, hello};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use palisade_audit::AuditLayer;
use palisade_core::{PeerAddr, Principal, RequestId, RequestScope, ScopeLayer, TraceParent, time};
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service, ServiceBuilder, service_fn};

#[tokio::test]
async fn a_record_says_who_did_what_from_where_when_and_how_it_went() {
    // 2026-11-20T16:00:00.250Z, seconds by `date -u -d 2026-11-20T16:00:00Z +%s`.
    let clock = time::WallClock::from_fn(|| {
        time::UnixTime::from_duration(Duration::from_millis(1_795_190_400_250))
    });
    let mut trail = Trail::with(|builder| builder.clock(clock));
    let service = trail.service(service_fn(async |request: Request<()>| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        scope.push_principal(
            Principal::user("https://idp.example/", "ada")
                .tenant("acme")
                .into(),
        );
        Ok::<_, Infallible>(Response::new(hello()))
    }));
    let mut request = Request::get("https://user:pw@api.example/rooms/7?page=2")
        .header("user-agent", "curl/8")
        .body(())
        .unwrap();
    request
        .extensions_mut()
        .insert(PeerAddr("203.0.113.7:4433".parse().unwrap()));
    let scope = RequestScope::enter(request.extensions_mut());
    scope.set_request_id(RequestId::new("id-1").unwrap());
    scope.set_trace_parent(
        TraceParent::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap(),
    );

    fetch(service, request).await;

    let mut record = trail.record();
    assert!(record["duration_us"].take().is_u64());
    assert!(record["seq"].take().is_u64());
    assert_eq!(
        record,
        serde_json::json!({
            "timestamp": "2026-11-20T16:00:00.250Z", "seq": null, "event": "http_request", "severity": "info",
            "class": "access", "service": "bookings", "outcome": "success", "actor": "ada", "actor_type": "user",
            "issuer": "https://idp.example/", "tenant": "acme", "client_ip": "203.0.113.7", "request_id": "id-1",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "method": "GET", "path": "/rooms/7", "query": "page=2",
            "host": "api.example", "user_agent": "curl/8", "status": 200, "bytes": 5, "duration_us": null,
        })
    );
}

#[tokio::test]
async fn statuses_decide_the_outcome() {
    for (status, outcome, severity) in [
        (204, "success", "info"),
        (302, "success", "info"),
        (401, "denied", "warn"),
        (403, "denied", "warn"),
        (404, "failure", "info"),
        (429, "denied", "warn"),
        (500, "failure", "warn"),
    ] {
        let mut trail = Trail::new();
        let service = trail.service(service_fn(move |_: Request<()>| {
            let mut response = Response::new(hello());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            std::future::ready(Ok::<_, Infallible>(response))
        }));
        fetch(service, get("/")).await;
        let record = trail.record();
        assert_eq!(record["status"], status);
        assert_eq!(record["outcome"], outcome, "{status}");
        assert_eq!(record["severity"], severity, "{status}");
    }
}

#[tokio::test]
async fn what_a_client_sends_stays_on_one_line_and_its_secrets_out() {
    let mut trail =
        Trail::with(|builder| builder.headers(["user-agent", "authorization", "x-note"]));
    let request = Request::get("/rooms?api_key=s3cr3t-1&q=%0a%0d")
        .header("user-agent", &b"evil\xe2\x80\xae\xff\tagent\"}"[..])
        .header("authorization", "Bearer s3cr3t-2")
        .header("x-note", "plain")
        .body(())
        .unwrap();
    fetch(trail.service(answers(hello())), request).await;
    let record = trail.record();
    assert_eq!(record["user_agent"], "evil\u{202e}\u{fffd}\tagent\"}");
    assert_eq!(record["headers"]["authorization"], "[redacted]");
    assert_eq!(record["headers"]["x-note"], "plain");
    let line = trail
        .lines()
        .into_iter()
        .find(|line| line.contains("/rooms"))
        .unwrap();
    assert!(!line.contains("s3cr3t") && !line.contains('\u{202e}') && line.contains("\\u202e"));
}

#[tokio::test]
async fn an_outer_scope_is_shared_and_its_client_address_kept() {
    let mut trail = Trail::new();
    let service = ServiceBuilder::new()
        .layer(ScopeLayer::new(
            palisade_core::ClientIp::trusting(["10.0.0.0/8"]).unwrap(),
        ))
        .layer(trail.layer())
        .service(answers(hello()));
    let mut request = Request::get("/")
        .header("x-forwarded-for", "198.51.100.9")
        .body(())
        .unwrap();
    request
        .extensions_mut()
        .insert(PeerAddr("10.0.0.1:1".parse().unwrap()));
    fetch(service, request).await;
    assert_eq!(trail.record()["client_ip"], "198.51.100.9");
}

#[tokio::test]
async fn off_passes_through_without_a_scope() {
    let service = AuditLayer::off().layer(service_fn(async |request: Request<()>| {
        assert!(RequestScope::current(request.extensions()).is_none());
        Ok::<_, Infallible>(Response::new(hello()))
    }));
    assert_eq!(fetch(service, get("/")).await.into_body(), "hello");
}

#[tokio::test]
async fn only_the_service_that_was_polled_ready_is_called() {
    /// Panics unless this very value was polled ready.
    struct Strict(bool);
    impl Clone for Strict {
        fn clone(&self) -> Self {
            Self(false)
        }
    }
    impl Service<Request<()>> for Strict {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.0 = true;
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(std::mem::take(&mut self.0), "not ready");
            std::future::ready(Ok(Response::new(hello())))
        }
    }
    let trail = Trail::new();
    let service = trail.service(Strict(false));
    fetch(service.clone(), get("/")).await;
    fetch(service, get("/")).await;
}
