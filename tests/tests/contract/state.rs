//! State lives in the layer: clones, repeated calls of `layer` and the leaked form share it.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use palisade_audit::{AuditLayer, MemorySink};
use palisade_breaker::{BreakerLayer, RetryLayer};
use palisade_core::{PeerAddr, Renderer, ScopeLayer};
use palisade_ratelimit::{Limit, Policy, RateLimitLayer, burst, per_hour};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::layers;

fn request() -> Request<()> {
    let mut request = Request::new(());
    let peer: SocketAddr = "203.0.113.7:4433".parse().unwrap();
    request.extensions_mut().insert(PeerAddr(peer));
    request
}

type Answers = fn(Request<()>) -> std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>>;

fn answering_200(_: Request<()>) -> std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>> {
    std::future::ready(Ok(Response::new(Empty::new())))
}

fn answering_500(_: Request<()>) -> std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    std::future::ready(Ok(response))
}

async fn status<S, B>(service: S) -> u16
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let Ok(response) = service.oneshot(request()).await;
    response.status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn one_limit_holds_over_every_service_that_a_layer_makes() {
    let once = Policy::new("once").limit(Limit::token_bucket(per_hour(1), burst(1)));
    let layer = RateLimitLayer::builder().policy(once).build().unwrap();
    let handler = || service_fn(answering_200 as Answers);
    assert_eq!(status(layer.layer(handler())).await, 200);
    assert_eq!(status(layer.layer(handler())).await, 429);
    assert_eq!(status(layer.clone().layer(handler())).await, 429);
    assert_eq!(status(layer.clone().leak().layer(handler())).await, 429);
}

#[tokio::test(start_paused = true)]
async fn one_breaker_trips_for_every_service_that_a_layer_makes() {
    let layer = BreakerLayer::http("shared")
        .failure_threshold(1)
        .respond_when_open();
    assert_eq!(
        status(layer.layer(service_fn(answering_500 as Answers))).await,
        500
    );
    let handler = || service_fn(answering_200 as Answers);
    assert_eq!(status(layer.layer(handler())).await, 503);
    assert_eq!(status(layer.clone().layer(handler())).await, 503);
    assert_eq!(status(layer.clone().leak().layer(handler())).await, 503);
}

#[tokio::test(start_paused = true)]
async fn one_budget_of_retries_holds_over_every_service_that_a_layer_makes() {
    // One retry a second for ten seconds, and none for what is called; no wait, in which the budget would grow.
    let layer = RetryLayer::default()
        .backoff(Duration::ZERO, 1.0)
        .budget(0.0, 1);
    let calls = Rc::new(Cell::new(0));
    let failing = || {
        let calls = Rc::clone(&calls);
        service_fn(move |request| {
            calls.set(calls.get() + 1);
            answering_500(request)
        })
    };
    for _ in 0..10 {
        assert_eq!(status(layer.layer(failing())).await, 500);
        assert_eq!(status(layer.clone().layer(failing())).await, 500);
        assert_eq!(status(layer.clone().leak().layer(failing())).await, 500);
    }
    assert_eq!(calls.get(), 30 + 10);
}

#[tokio::test]
async fn one_trail_takes_the_records_of_every_service_that_a_layer_makes() {
    let sink = MemorySink::new();
    let (audit, guard) = palisade_audit::Audit::builder("shared")
        .sink(sink.clone())
        .open()
        .unwrap();
    let layer = AuditLayer::new(audit);
    let handler = || service_fn(answering_200 as Answers);
    assert_eq!(status(layer.layer(handler())).await, 200);
    assert_eq!(status(layer.clone().layer(handler())).await, 200);
    assert_eq!(status(layer.clone().leak().layer(handler())).await, 200);
    guard.shutdown(Duration::from_secs(5));
    let requests = sink
        .lines()
        .into_iter()
        .filter(|line| line.contains("http_request"));
    assert_eq!(requests.count(), 3);
}

#[tokio::test]
async fn one_stack_counts_over_every_service_that_it_makes() {
    let once = Policy::new("once").limit(Limit::token_bucket(per_hour(1), burst(1)));
    let limits = RateLimitLayer::builder().policy(once).build().unwrap();
    let stack = palisade::Stack::new().limit_clients(limits);
    let handler = || service_fn(answering_200 as Answers);
    assert_eq!(status(stack.layer(handler())).await, 200);
    assert_eq!(status(stack.clone().layer(handler())).await, 429);
    assert_eq!(status(stack.leak().layer(handler())).await, 429);
}

#[tokio::test]
async fn a_renderer_of_the_scope_speaks_for_the_layers_inside() {
    let teapot = Renderer::new(|rejection, _| {
        let mut response = Response::new(Bytes::from(rejection.code().as_str()));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    });
    let inside = layers::auth().layer(service_fn(answering_200 as Answers));
    let service = ScopeLayer::default().renderer(teapot).layer(inside);
    assert_eq!(status(service).await, 418);
}
