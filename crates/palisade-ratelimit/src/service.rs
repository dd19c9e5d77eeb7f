use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use palisade_core::{Handle, ResponseBody};
use tower_service::Service;

use crate::future::{ResponseFuture, Ticket};
use crate::limits::{Limits, Verdict};
use crate::refusal::{Refusal, note};
use crate::view::RequestView;

/// The service made by [`RateLimitLayer`](crate::RateLimitLayer).
#[derive(Debug, Clone)]
pub struct RateLimit<S> {
    inner: S,
    limits: Option<Handle<Limits>>,
}

impl<S> RateLimit<S> {
    pub(crate) const fn new(inner: S, limits: Option<Handle<Limits>>) -> Self {
        Self { inner, limits }
    }
}

/// `S` is cloned only where a store has to be asked over the network before the call.
impl<S, Rq, B> Service<Request<Rq>> for RateLimit<S>
where
    S: Service<Request<Rq>, Response = Response<B>> + Clone,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, Rq>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let Some(limits) = &self.limits else {
            return ResponseFuture::passing(self.inner.call(request));
        };
        let view = RequestView::new(&request, &limits.client_ip);
        let Verdict::Counted(ruling) = limits.admit(&view) else {
            return ResponseFuture::passing(self.inner.call(request));
        };
        note(&ruling, view.scope());
        if ruling.decision.is_allowed() {
            let ticket = Ticket::new(&ruling, limits, view.scope());
            return ResponseFuture::counted(self.inner.call(request), ticket);
        }
        if ruling.shadow {
            request.extensions_mut().insert(ruling.decision);
            return ResponseFuture::passing(self.inner.call(request));
        }
        ResponseFuture::refused(Refusal::of(ruling, limits.headers, &request))
    }
}
