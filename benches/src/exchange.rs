//! One request through one service, as a server sends it.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use axum::extract::ConnectInfo;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use tower_service::Service;

use crate::harness::Side;
use crate::scaling::Shared;

/// The innermost service: answers 200 with a body that is `B`'s default.
#[derive(Debug)]
pub(crate) struct Handler<B>(PhantomData<fn() -> B>);

impl<B> Handler<B> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<B> Clone for Handler<B> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<Rq, B: Default> Service<Request<Rq>> for Handler<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Rq>) -> Self::Future {
        black_box(&request);
        ready(Ok(Response::new(B::default())))
    }
}

/// The form of each request: a `GET` whose peer is known, as axum hands it on.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    peer: IpAddr,
}

impl Template {
    pub(crate) fn get() -> Self {
        Self {
            uri: Uri::from_static("/v1/ping"),
            method: Method::GET,
            headers: HeaderMap::new(),
            peer: Ipv4Addr::new(203, 0, 113, 7).into(),
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    pub(crate) fn bearer(mut self, token: &str) -> Result<Self, Box<dyn Error>> {
        let value = HeaderValue::from_str(&format!("Bearer {token}"))?;
        self.headers.insert(http::header::AUTHORIZATION, value);
        Ok(self)
    }

    pub(crate) fn request<B: Default>(&self) -> Request<B> {
        self.request_from(self.peer)
    }

    /// The same request from another address.
    pub(crate) fn request_from<B: Default>(&self, peer: IpAddr) -> Request<B> {
        let mut request = Request::new(B::default());
        *request.uri_mut() = self.uri.clone();
        *request.method_mut() = self.method.clone();
        if !self.headers.is_empty() {
            *request.headers_mut() = self.headers.clone();
        }
        let peer = SocketAddr::new(peer, 4433);
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    }
}

/// Sends one request through a clone of the service, which is what axum and hyper-util do for each request.
#[inline]
pub(crate) fn exchange<S, Rq>(service: &S, request: Rq) -> Result<S::Response, S::Error>
where
    S: Service<Rq> + Clone,
{
    let mut service = service.clone();
    let mut context = Context::from_waker(Waker::noop());
    while service.poll_ready(&mut context)?.is_pending() {
        std::thread::yield_now();
    }
    drive(service.call(black_box(request)))
}

/// Sends one request and reads the answer to its end, as a server does for its client.
pub(crate) fn finish<S, Rq, H>(service: &S, request: Rq) -> bool
where
    S: Service<Rq, Response = Response<H>> + Clone,
    H: http_body::Body,
{
    let Ok(response) = exchange(service, request) else {
        return false;
    };
    let mut body = pin!(response.into_body());
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match body.as_mut().poll_frame(&mut context) {
            Poll::Ready(Some(Ok(frame))) => drop(black_box(frame)),
            Poll::Ready(Some(Err(_))) => return false,
            Poll::Ready(None) => return true,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// Polls a future until it is ready. What is measured here hardly ever waits.
#[inline]
pub(crate) fn drive<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::yield_now();
    }
}

/// A side that sends `template` through `service`, whose innermost is [`Handler`], less the same through the handler.
///
/// # Errors
///
/// When the first request is not answered with `status`: then the two sides would not do the same.
pub(crate) fn side<S, B, H>(
    service: S,
    template: &Template,
    status: StatusCode,
) -> Result<Side, Box<dyn Error>>
where
    S: Service<Request<B>, Response = Response<H>> + Clone + 'static,
    S::Error: std::fmt::Debug,
    B: Default + 'static,
    H: 'static,
{
    expect(&service, template.request(), status)?;
    let bare = template.clone();
    let template = template.clone();
    Ok(
        Side::new(move || exchange(&service, template.request::<B>()).is_ok())
            .over(move || exchange(&Handler::<B>::new(), bare.request::<B>()).is_ok()),
    )
}

/// Sends one request and checks how it is answered.
pub(crate) fn expect<S, B, H>(
    service: &S,
    request: Request<B>,
    status: StatusCode,
) -> Result<Response<H>, Box<dyn Error>>
where
    S: Service<Request<B>, Response = Response<H>> + Clone,
    S::Error: std::fmt::Debug,
{
    match exchange(service, request) {
        Ok(response) if response.status() == status => Ok(response),
        Ok(response) => Err(format!("answered {} instead of {status}", response.status()).into()),
        Err(error) => Err(format!("failed with {error:?}").into()),
    }
}

/// A batch of requests from changing peers, which any number of threads send through clones of one service.
///
/// Each batch begins elsewhere, so that all peers come in their turn, and so that two threads do not ask for the same one
/// at the same moment all the time: that would be the measure of one address.
pub(crate) fn shared<S, B>(service: S, template: Template, peers: u32) -> Shared
where
    S: Service<Request<B>> + Clone + Sync + 'static,
    B: Default,
{
    let begun = AtomicU32::new(0);
    Box::new(move |times| {
        let place = begun.fetch_add(1, Ordering::Relaxed).wrapping_mul(APART);
        let mut addresses = Addresses::starting_at(peers, place);
        for _ in 0..times {
            let request = template.request_from(addresses.next());
            let _ = black_box(exchange(&service, request).is_ok());
        }
    })
}

/// The distance between the beginnings of batches: odd, so that they begin everywhere in their turn.
const APART: u32 = 40_503;

/// Addresses of v4 in an order without a pattern, each of a fixed number of them equally often.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    state: u32,
    mask: u32,
}

impl Addresses {
    /// The next power of two of `count` addresses.
    pub(crate) const fn new(count: u32) -> Self {
        Self {
            state: 1,
            mask: count.next_power_of_two() - 1,
        }
    }

    /// The same addresses, beginning elsewhere.
    pub(crate) const fn starting_at(count: u32, place: u32) -> Self {
        let addresses = Self::new(count);
        Self {
            state: place & addresses.mask,
            ..addresses
        }
    }

    /// A linear congruential step modulo a power of two, which has full period (Hull and Dobell).
    pub(crate) fn next(&mut self) -> IpAddr {
        self.state = self
            .state
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223)
            & self.mask;
        // The low bits of such a sequence alternate, so they are spread over the address.
        Ipv4Addr::from_bits(0x0b00_0000 | self.state).into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_address_comes_once_a_period() {
        let mut addresses = Addresses::new(1_024);
        let seen: HashSet<_> = (0..1_024).map(|_| addresses.next()).collect();
        assert_eq!(seen.len(), 1_024);
        assert!(seen.contains(&addresses.next()));
    }
}
