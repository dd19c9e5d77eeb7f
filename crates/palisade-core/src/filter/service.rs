use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;

use super::future::{Held, Parked};
use super::{Exchange, Filter, Park, ResponseFuture, Step};
use crate::ResponseBody;

/// A service with a filter around it; the one service of all server-side layers.
#[derive(Clone)]
pub struct Filtered<S, F> {
    inner: S,
    filter: F,
}

impl<S, F> Filtered<S, F> {
    /// Puts the filter around the service.
    pub const fn new(inner: S, filter: F) -> Self {
        Self { inner, filter }
    }
}

impl<S, F: fmt::Debug> fmt::Debug for Filtered<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filtered")
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}

impl<S, F, Rq, B> Service<Request<Rq>> for Filtered<S, F>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    F: Filter<Wait: Park<S>> + Clone,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B, F::Watch>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, F, Rq, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let mut exchange = Exchange::begin();
        match self.filter.on_request(&mut exchange, &mut request) {
            Step::Pass(kept) => {
                let held = Held::until_response(&self.filter, kept);
                let found = exchange.pause();
                // Here and not in a function of its own, and one way for each: that saves a move of the request, and one
                // of the future.
                match found.span() {
                    None => ResponseFuture::running(self.inner.call(request), found, held),
                    Some(span) => {
                        let inner = call_in_span(&mut self.inner, request, span);
                        ResponseFuture::running(inner, found, held)
                    }
                }
            }
            Step::Answer(answer, kept) => {
                let held = kept.map(|kept| Held::new(self.filter.clone(), kept));
                ResponseFuture::answer(*answer, exchange, held)
            }
            Step::Wait(wait) => {
                let service = wait.park(&mut self.inner);
                let parked = Parked::new(self.filter.clone(), service, request, wait);
                ResponseFuture::wait(parked, exchange)
            }
        }
    }
}

#[inline(never)]
fn call_in_span<S, Rq>(service: &mut S, request: Request<Rq>, span: &Span) -> S::Future
where
    S: Service<Request<Rq>>,
{
    let _entered = span.enter();
    service.call(request)
}

/// The layer of a filter.
///
/// The filter is cloned for each request, as servers clone services: where it is more than a pointer, put it into a
/// [`SharedFilter`](super::SharedFilter), which is a filter too.
#[derive(Debug, Clone, Copy)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct FilterLayer<F>(F);

impl<F> FilterLayer<F> {
    /// A layer that puts the filter around services.
    pub const fn new(filter: F) -> Self {
        Self(filter)
    }
}

impl<S, F: Filter + Clone> Layer<S> for FilterLayer<F> {
    type Service = Filtered<S, F>;

    fn layer(&self, inner: S) -> Filtered<S, F> {
        Filtered::new(inner, self.0.clone())
    }
}
