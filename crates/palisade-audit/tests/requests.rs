//! Every request leaves one record, however it ends.

mod support;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use palisade_audit::{AuditLayer, Level, Policy, any, path};
use palisade_core::{
    EventKind, PeerAddr, Principal, RequestId, RequestScope, ScopeLayer, SecurityEvent,
    TraceParent, time,
};
use support::{Trail, answers, fetch, get, hello};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

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
async fn an_error_of_the_service_is_recorded_and_comes_through_unchanged() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(async |_: Request<()>| {
        Err::<Response<Full<Bytes>>, _>("the very error")
    }));
    let error = service.oneshot(get("/")).await.unwrap_err();
    assert_eq!(error, "the very error");
    let record = trail.record();
    assert_eq!(record["outcome"], "error");
    assert_eq!(record.get("status"), None);
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_response_leaves_its_record() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(async |request: Request<()>| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        scope.push_principal(Principal::user("iss", "ada").into());
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    }));
    let mut call = Box::pin(service.oneshot(get("/slow")));
    let _ = futures_poll(call.as_mut());
    drop(call);
    let record = trail.record();
    assert_eq!(record["outcome"], "aborted");
    assert_eq!(record["path"], "/slow");
    assert_eq!(record["actor"], "ada", "what was known is kept");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_leaves_the_record_of_an_aborted_request() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(async |_: Request<()>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    }));
    let call = service.oneshot(get("/"));
    assert!(
        tokio::time::timeout(Duration::from_secs(3), call)
            .await
            .is_err()
    );
    let record = trail.record();
    assert_eq!(record["outcome"], "aborted");
    assert_eq!(record["duration_us"], 3_000_000);
}

#[tokio::test]
async fn a_body_that_is_dropped_halfway_is_incomplete() {
    let mut trail = Trail::new();
    let service = trail.service(answers_two_frames());
    let response = service.oneshot(get("/")).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let record = trail.record();
    assert_eq!(record["outcome"], "incomplete");
    assert_eq!(record["bytes"], 3);
    assert_eq!(record["status"], 200);
}

#[tokio::test]
async fn a_body_that_was_sent_in_full_and_dropped_unasked_is_complete() {
    // As hyper does with a body whose length is known.
    #[derive(Clone)]
    struct Sized(bool);
    impl Body for Sized {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let first = !std::mem::replace(&mut self.0, true);
            Poll::Ready(first.then(|| Ok(Frame::data(Bytes::from_static(b"hello")))))
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(if self.0 { 0 } else { 5 })
        }
    }
    let mut trail = Trail::new();
    let response = trail
        .service(answers(Sized(false)))
        .oneshot(get("/"))
        .await
        .unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(trail.record()["outcome"], "success");
}

#[tokio::test]
async fn a_response_to_head_needs_no_body_to_be_complete() {
    let mut trail = Trail::new();
    let request = Request::head("/").body(()).unwrap();
    drop(trail.service(answers(hello())).oneshot(request).await);
    assert_eq!(trail.record()["outcome"], "success");
}

#[tokio::test]
async fn a_body_that_fails_is_incomplete_and_its_error_unchanged() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(async |_: Request<()>| {
        let frames = vec![
            Ok(Frame::data(Bytes::from_static(b"one"))),
            Err("broken pipe"),
        ];
        Ok::<_, Infallible>(Response::new(StreamBody::new(futures_util::stream::iter(
            frames,
        ))))
    }));
    let body = service.oneshot(get("/")).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap_err(), "broken pipe");
    assert_eq!(trail.record()["outcome"], "incomplete");
}

#[tokio::test]
async fn trailers_and_size_hints_pass_and_a_grpc_status_is_seen() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(async |_: Request<()>| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "7".parse().unwrap());
        let body = hello().with_trailers(std::future::ready(Some(Ok(trailers))));
        Ok::<_, Infallible>(Response::new(body))
    }));
    let response = service.oneshot(get("/pkg.Rooms/List")).await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(5));
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "7");
    assert_eq!(collected.to_bytes(), "hello");
    let record = trail.record();
    assert_eq!(record["grpc_status"], 7);
    assert_eq!(record["outcome"], "denied");
}

#[tokio::test]
async fn a_panic_of_the_handler_is_recorded_even_when_it_was_caught() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(
        async |_: Request<()>| -> Result<Response<Full<Bytes>>, Infallible> {
            tokio::task::yield_now().await;
            panic!("in the handler");
        },
    ));
    let task = tokio::spawn(async move { service.oneshot(get("/")).await.map(drop) });
    assert!(task.await.unwrap_err().is_panic());
    let record = trail.record();
    assert_eq!(record["outcome"], "panic");
    assert_eq!(record["severity"], "critical");
}

#[test]
fn a_panic_is_told_from_an_abort_although_the_future_is_dropped_after_it_was_caught() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(
        async |_: Request<()>| -> Result<Response<Full<Bytes>>, Infallible> {
            panic!("in the handler")
        },
    ));
    let mut call = Box::pin(service.oneshot(get("/")));
    let polled =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| futures_poll(call.as_mut())));
    assert!(polled.is_err());
    drop(call);
    assert_eq!(trail.record()["outcome"], "panic");
}

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

fn answers_two_frames() -> impl Service<
    Request<()>,
    Response = Response<impl Body<Data = Bytes, Error = Infallible>>,
    Error = Infallible,
> {
    service_fn(async |_: Request<()>| {
        let frames =
            ["one", "two"].map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
        Ok::<_, Infallible>(Response::new(StreamBody::new(futures_util::stream::iter(
            frames,
        ))))
    })
}

fn futures_poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}
