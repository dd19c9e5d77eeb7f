//! Helpers of the tests of requests: a handler that counts, and requests from an address.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use palisade_core::{PeerAddr, Principal, RequestScope, ResponseBody};
use palisade_ratelimit::{RateLimit, RateLimitLayer};
use tower::{Layer, Service, ServiceExt};

pub(crate) type Answer = Response<ResponseBody<Full<Bytes>>>;

/// Answers 200, or the status in the header `want`, and counts its calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handler {
    calls: Arc<AtomicUsize>,
}

impl Handler {
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Service<Request<()>> for Handler {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut response = Response::new(Full::from("ok"));
        if let Some(status) = request.headers().get("want") {
            *response.status_mut() = status.to_str().unwrap().parse().unwrap();
        }
        ready(Ok(response))
    }
}

pub(crate) fn serve(layer: &RateLimitLayer) -> RateLimit<Handler> {
    layer.layer(Handler::default())
}

/// `GET /` from an address.
pub(crate) fn from(ip: &str) -> Request<()> {
    let ip: IpAddr = ip.parse().unwrap();
    let mut request = Request::new(());
    request.extensions_mut().insert(PeerAddr((ip, 4433).into()));
    request
}

/// The request with one more header.
pub(crate) fn with(mut request: Request<()>, name: &'static str, value: &str) -> Request<()> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

/// The request to another method and path.
pub(crate) fn to(mut request: Request<()>, method: &str, path: &str) -> Request<()> {
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = path.parse().unwrap();
    request
}

/// The request with a principal whom an authentication layer has verified.
pub(crate) fn by(mut request: Request<()>, principal: Principal) -> Request<()> {
    RequestScope::enter(request.extensions_mut()).push_principal(principal.into());
    request
}

pub(crate) async fn send<S>(service: &S, request: Request<()>) -> S::Response
where
    S: Service<Request<()>, Error = Infallible> + Clone,
{
    service.clone().oneshot(request).await.unwrap()
}

pub(crate) async fn status<S, B>(service: &S, request: Request<()>) -> u16
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible> + Clone,
{
    send(service, request).await.status().as_u16()
}

/// The number of `count` equal requests that pass.
pub(crate) async fn passed<S, B>(
    service: &S,
    count: usize,
    request: impl Fn() -> Request<()>,
) -> usize
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible> + Clone,
{
    let mut passed = 0;
    for _ in 0..count {
        passed += usize::from(status(service, request()).await == 200);
    }
    passed
}

pub(crate) fn header<'a, B>(response: &'a Response<B>, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

pub(crate) async fn json(response: Answer) -> serde_json::Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

pub(crate) async fn advance(millis: u64) {
    tokio::time::advance(std::time::Duration::from_millis(millis)).await;
}
