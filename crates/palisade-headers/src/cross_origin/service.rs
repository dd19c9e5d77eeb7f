use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use palisade_core::{
    Code, EventKind, Handle, Rejection, RejectionContext, RequestScope, ResponseBody, SecurityEvent,
};
use tower_service::Service;

use super::ResponseFuture;
use super::check::{CrossOrigin, Rules};

/// The service made by [`CrossOriginGuardLayer`](super::CrossOriginGuardLayer).
#[derive(Debug, Clone)]
pub struct CrossOriginGuard<S> {
    inner: S,
    rules: Option<Handle<Rules>>,
}

impl<S> CrossOriginGuard<S> {
    pub(super) const fn new(inner: S, rules: Option<Handle<Rules>>) -> Self {
        Self { inner, rules }
    }
}

impl<S, Rq, B> Service<Request<Rq>> for CrossOriginGuard<S>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let Some(rules) = &self.rules else {
            return ResponseFuture::inner(self.inner.call(request));
        };
        match rules.check(&request) {
            Ok(()) => ResponseFuture::inner(self.inner.call(request)),
            Err(why) => {
                rules.count(why);
                ResponseFuture::refused(refuse(&mut request, why))
            }
        }
    }
}

#[cold]
fn refuse<Rq, B>(request: &mut Request<Rq>, why: CrossOrigin) -> Response<ResponseBody<B>> {
    RequestScope::enter(request.extensions_mut())
        .record(SecurityEvent::new(EventKind::CrossOriginRequest).reason(why.reason()));
    tracing::info!(target: crate::TARGET, reason = why.reason(), "request from another origin");
    Rejection::new(Code::Authorization)
        .message("Requests from other origins are not allowed")
        .into_response(&RejectionContext::of(request))
}
