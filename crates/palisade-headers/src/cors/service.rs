use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use palisade_core::{
    Code, EventKind, Handle, Rejection, RejectionContext, RequestScope, ResponseBody, SecurityEvent,
};
use tower_service::Service;

use super::ResponseFuture;
use super::policy::{Asked, Policy};

/// The service made by [`CorsLayer`](super::CorsLayer).
#[derive(Debug, Clone)]
pub struct Cors<S> {
    inner: S,
    policy: Option<Handle<Policy>>,
}

impl<S> Cors<S> {
    pub(super) const fn new(inner: S, policy: Option<Handle<Policy>>) -> Self {
        Self { inner, policy }
    }
}

impl<S, Rq, B> Service<Request<Rq>> for Cors<S>
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
        let Some(policy) = &self.policy else {
            return ResponseFuture::off(self.inner.call(request));
        };
        match policy.ask(&request) {
            Asked::Preflight(origin) => {
                let mut response = Response::new(ResponseBody::empty());
                *response.status_mut() = policy.status;
                *response.headers_mut() = policy.preflight_headers(origin);
                ResponseFuture::ready(response)
            }
            Asked::DeniedPreflight => {
                policy.denied.cors_denied();
                ResponseFuture::ready(refuse(&mut request))
            }
            Asked::Actual(verdict) => {
                ResponseFuture::inner(self.inner.call(request), policy.clone(), verdict)
            }
        }
    }
}

#[cold]
fn refuse<Rq, B>(request: &mut Request<Rq>) -> Response<ResponseBody<B>> {
    RequestScope::enter(request.extensions_mut())
        .record(SecurityEvent::new(EventKind::MaliciousCors).reason("origin_not_allowed"));
    let origin = request.headers().get(header::ORIGIN);
    tracing::info!(
        target: crate::TARGET,
        origin = %origin.map_or_else(Default::default, shown),
        "preflight from an origin that is not allowed"
    );
    let mut response = Rejection::new(Code::Authorization)
        .message("This origin is not allowed")
        .into_response(&RejectionContext::of(request));
    let _ = response
        .headers_mut()
        .try_insert(header::VARY, Policy::VARY_PREFLIGHT);
    response
}

/// The start of what a client sent, without anything that could change a line of a log.
fn shown(value: &HeaderValue) -> String {
    let start = &value.as_bytes()[..value.len().min(128)];
    start.escape_ascii().to_string()
}
