//! A reservation of a guarded service is given back when the call is refused.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use palisade_breaker::{BreakerError, BreakerLayer, KeepReserved, key_fn};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::upstream::Upstream;

/// A breaker, and two services that share one place, of which the breaker guards the first.
macro_rules! setup {
    ($breaker:ident, $guarded:ident, $other:ident) => {
        let layer = BreakerLayer::new("x");
        let $breaker = layer.handle();
        let shared =
            ConcurrencyLimitLayer::new(1).layer(service_fn(|(): ()| async { Ok::<u8, &str>(1) }));
        let mut $guarded = layer.layer(shared.clone());
        let mut $other = shared;
    };
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_between_ready_and_call_holds_no_place() {
    setup!(breaker, guarded, other);
    guarded.ready().await.unwrap();
    breaker.force_open();
    let refused = guarded.call(()).await;
    assert!(matches!(refused, Err(BreakerError::Open(_))));
    let ready = other.ready().now_or_never().expect("the place is free");
    assert_eq!(ready.unwrap().call(()).await, Ok(1));
    // The guarded service can be called again once the breaker lets it.
    breaker.reset();
    assert_eq!(guarded.ready().await.unwrap().call(()).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_asked_again_while_open_holds_no_place() {
    setup!(breaker, guarded, other);
    guarded.ready().await.unwrap();
    breaker.force_open();
    guarded.ready().await.unwrap();
    assert!(other.ready().now_or_never().is_some(), "the place is free");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_waited_for_a_place_leaves_the_queue_when_it_opens() {
    setup!(breaker, guarded, other);
    let mut third = other.clone();
    other.ready().await.unwrap();
    assert!(guarded.ready().now_or_never().is_none(), "it queues");
    breaker.force_open();
    guarded.ready().await.unwrap();
    drop(other);
    assert!(third.ready().now_or_never().is_some(), "the place is free");
}

/// A service that cannot be cloned: one connection over HTTP/1, as hyper has it.
struct Connection(hyper::client::conn::http1::SendRequest<String>);

impl Service<Request<String>> for Connection {
    type Response = Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

impl Connection {
    async fn to(addr: SocketAddr) -> Self {
        let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self(sender)
    }
}

fn get(addr: SocketAddr) -> Request<String> {
    let request = Request::get("/").header("host", addr.to_string());
    request.body(String::new()).unwrap()
}

#[tokio::test]
async fn a_connection_that_cannot_be_cloned_is_guarded_all_the_same() {
    let upstream = Upstream::start().await;
    let layer = BreakerLayer::http("x").failure_threshold(1);
    let breaker = layer.handle();
    let mut guarded = layer.layer(KeepReserved::new(Connection::to(upstream.addr).await));
    for round in 0..3 {
        let ready = guarded.ready().await.unwrap();
        // It is ready, and then refused.
        breaker.force_open();
        assert!(ready.call(get(upstream.addr)).await.is_err());
        breaker.reset();
        let ready = guarded.ready().await.unwrap();
        let response = ready.call(get(upstream.addr)).await.unwrap();
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "well");
        assert_eq!(upstream.requests(), round + 1);
    }

    let keyed = BreakerLayer::http("x").keyed(key_fn(|_: &Request<String>| Some("x".into())));
    let mut guarded = keyed.layer(KeepReserved::new(Connection::to(upstream.addr).await));
    let response = guarded.ready().await.unwrap().call(get(upstream.addr));
    assert_eq!(response.await.unwrap().status(), 200);
    keyed.handle().breaker("x").unwrap().force_open();
    assert!(
        guarded
            .ready()
            .await
            .unwrap()
            .call(get(upstream.addr))
            .await
            .is_err()
    );
}
