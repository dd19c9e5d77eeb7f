use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use palisade_core::{Handle, RequestScope, TraceParent};
use tower_service::Service;

use super::ResponseFuture;
use super::layer::{Settings, TRACEPARENT, X_CORRELATION_ID, X_REQUEST_ID, sent_id};

/// The service made by [`RequestIdLayer`](super::RequestIdLayer).
#[derive(Debug, Clone)]
pub struct RequestIdService<S> {
    inner: S,
    settings: Option<Handle<Settings>>,
}

impl<S> RequestIdService<S> {
    pub(super) const fn new(inner: S, settings: Option<Handle<Settings>>) -> Self {
        Self { inner, settings }
    }
}

impl<S, Rq, B> Service<Request<Rq>> for RequestIdService<S>
where
    S: Service<Request<Rq>, Response = Response<B>>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let Some(settings) = &self.settings else {
            return ResponseFuture::off(self.inner.call(request));
        };
        let id = settings.identify(&mut request);
        let span = match id.as_ref().and_then(|id| id.to_str().ok()) {
            Some(id) => tracing::info_span!(target: crate::TARGET, "request", request_id = id),
            None => tracing::Span::none(),
        };
        let entered = span.enter();
        let inner = self.inner.call(request);
        drop(entered);
        ResponseFuture::new(inner, id, span)
    }
}

impl Settings {
    /// Gives the request its id, and answers what the response is to say.
    fn identify<Rq>(&self, request: &mut Request<Rq>) -> Option<HeaderValue> {
        let trusted = self.trusts(request.extensions());
        let sent = if trusted {
            sent_id(request.headers())
        } else {
            None
        };
        let trace = trusted.then(|| trace_parent(request.headers())).flatten();
        if !trusted && !request.headers().is_empty() {
            // What is not believed must not reach a handler or an upstream as if it were the request's id.
            for name in [X_REQUEST_ID, X_CORRELATION_ID, TRACEPARENT] {
                request.headers_mut().remove(name);
            }
        }
        let scope = RequestScope::enter(request.extensions_mut());
        if let Some(trace) = trace {
            scope.set_trace_parent(trace);
        }
        // A layer further out may have set it: then that one stays.
        if let Some(id) = scope.request_id() {
            return Some(id.as_header().clone());
        }
        let id = sent.or_else(|| self.format.make(&self.clock))?;
        Some(scope.set_request_id(id).as_header().clone())
    }
}

/// The caller's place in a trace; a header that is there twice is none (W3C Trace Context, section 3.2).
fn trace_parent(headers: &http::HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => TraceParent::parse(value.as_bytes()),
        _ => None,
    }
}
