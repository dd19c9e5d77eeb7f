//! Waits of `BearerLayer` for its token: their place, their length, and the fetch that goes on without them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use palisade_core::time::now;
use palisade_secrets::{BearerLayer, Environment, Secrets};
use tower::timeout::TimeoutLayer;
use tower::timeout::error::Elapsed;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::common::Store;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const FOR_EVER: Duration = secs(1_000_000);

async fn rotating(store: &Store) -> BearerLayer {
    let building = Secrets::builder(Environment::Development).provider(store.clone());
    BearerLayer::rotating(&building.build().await.unwrap(), "TOKEN")
}

/// Counts what is sent, and answers with the token that it saw.
#[derive(Clone, Default)]
struct Upstream {
    calls: Arc<AtomicUsize>,
    /// Only this instance was polled ready.
    ready: bool,
}

impl Service<Request<()>> for Upstream {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called before it was ready"
        );
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut response = Response::new(Full::default());
        let seen = request.headers()[header::AUTHORIZATION].clone();
        response.headers_mut().insert("x-seen", seen);
        std::future::ready(Ok(response))
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_around_it_bounds_the_wait_for_a_token() {
    let store = Store::of([("TOKEN", "one")]);
    store.slow(FOR_EVER);
    let upstream = Upstream::default();
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(secs(1)))
        .layer(rotating(&store).await)
        .service(upstream.clone());
    for _ in 0..3 {
        let start = now();
        let error = service.clone().oneshot(Request::new(())).await.unwrap_err();
        assert!(error.is::<Elapsed>(), "{error}");
        assert!(now() - start <= secs(1) + Duration::from_millis(2));
    }
    assert_eq!(upstream.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_whatever_its_source_does() {
    let store = Store::of([("TOKEN", "one")]);
    store.slow(FOR_EVER);
    let mut service = rotating(&store).await.layer(Upstream::default());
    let mut cx = Context::from_waker(Waker::noop());
    let ready = Service::<Request<()>>::poll_ready(&mut service, &mut cx);
    assert!(ready.is_ready());
    assert_eq!(store.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_read_goes_on_when_the_calls_that_wait_for_it_give_up() {
    let store = Store::of([("TOKEN", "one")]);
    store.slow(Duration::from_millis(4_500));
    let upstream = Upstream::default();
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(secs(1)))
        .layer(rotating(&store).await)
        .service(upstream.clone());
    // It begins at 0 s and ends at 4.5 s, within the fifth call.
    for _ in 0..4 {
        assert!(service.clone().oneshot(Request::new(())).await.is_err());
    }
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.headers()["x-seen"], "Bearer one");
    assert_eq!(
        (store.calls(), upstream.calls.load(Ordering::SeqCst)),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_at_once_are_each_sent_by_a_service_that_was_ready() {
    let store = Store::of([("TOKEN", "one")]);
    store.slow(secs(2));
    let upstream = Upstream::default();
    let mut service = rotating(&store).await.layer(upstream.clone());
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(tokio::spawn(
            service.ready().await.unwrap().call(Request::new(())),
        ));
    }
    for call in calls {
        let response = call.await.unwrap().unwrap();
        assert_eq!(response.headers()["x-seen"], "Bearer one");
    }
    assert_eq!(
        (store.calls(), upstream.calls.load(Ordering::SeqCst)),
        (1, 3)
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_answers_counts_as_failed_after_its_time() {
    let store = Store::of([("TOKEN", "one")]);
    store.slow(FOR_EVER);
    let upstream = Upstream::default();
    for (time, expected) in [(None, 20), (Some(secs(3)), 3)] {
        let mut building = Secrets::builder(Environment::Development).provider(store.clone());
        if let Some(time) = time {
            building = building.provider_timeout(time);
        }
        let secrets = building.build().await.unwrap();
        let service = BearerLayer::rotating(&secrets, "TOKEN").layer(upstream.clone());
        let start = now();
        let response = service.oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!((now() - start).as_secs(), expected);
        assert_eq!(
            secrets.secret("TOKEN").await.unwrap_err().to_string(),
            "secret TOKEN: store: it took too long"
        );
    }
    assert_eq!(upstream.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_is_repeated_after_a_401_as_any_other() {
    let store = Store::of([("TOKEN", "one")]);
    store.slow(secs(2));
    let secrets = Secrets::builder(Environment::Development)
        .provider(store.clone())
        .build()
        .await
        .unwrap();
    let layer = BearerLayer::rotating(&secrets, "TOKEN")
        .repeat_unauthorized(|body: &&'static str| Some(*body));
    let rotates = store.clone();
    let service = layer.layer(service_fn(move |request: Request<&'static str>| {
        let rotates = rotates.clone();
        async move {
            let good = request.headers()[header::AUTHORIZATION] == "Bearer two";
            // Old enough for a complaint to be news.
            tokio::time::sleep(secs(10)).await;
            rotates.set("TOKEN", "two");
            let status = if good { 200 } else { 401 };
            let body = Full::new(Bytes::from_static(request.body().as_bytes()));
            Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
        }
    }));
    let response = service.oneshot(Request::new("hello")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(store.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_waits_sends_nothing() {
    let store = Store::of([("TOKEN", "one")]);
    store.slow(secs(2));
    let upstream = Upstream::default();
    let mut service = rotating(&store).await.layer(upstream.clone());
    let call = service.ready().await.unwrap().call(Request::new(()));
    assert!(tokio::time::timeout(secs(1), call).await.is_err());
    tokio::time::sleep(secs(5)).await;
    assert_eq!(upstream.calls.load(Ordering::SeqCst), 0);
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.headers()["x-seen"], "Bearer one");
    assert_eq!(
        (store.calls(), upstream.calls.load(Ordering::SeqCst)),
        (1, 1)
    );
}
