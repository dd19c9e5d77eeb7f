use std::convert::Infallible;

use http::{HeaderMap, Request, Response};
use palisade_core::filter::{Exchange, Filter, Filtered, ReplaceBody, Step};
use palisade_core::{RequestScope, TraceParent};
use tower_layer::Layer;

use super::RequestIdLayer;
use super::layer::{Settings, TRACEPARENT, X_CORRELATION_ID, X_REQUEST_ID, sent_id};

/// The service made by [`RequestIdLayer`].
pub type RequestIdService<S> = Filtered<S, RequestIdLayer>;

impl<S> Layer<S> for RequestIdLayer {
    type Service = RequestIdService<S>;

    fn layer(&self, inner: S) -> RequestIdService<S> {
        Filtered::new(inner, self.clone())
    }
}

impl Filter for RequestIdLayer {
    /// Nothing: the id lies in the scope.
    type Kept = ();
    type Wait = Infallible;
    type Watch = ();

    fn response_fields(&self) -> usize {
        usize::from(self.0.is_some())
    }

    #[inline]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        if let Some(settings) = &self.0 {
            settings.identify(exchange, request);
            if let Some(id) = exchange.scope().and_then(RequestScope::request_id) {
                let span =
                    tracing::info_span!(target: crate::TARGET, "request", request_id = id.as_str());
                exchange.set_span(span);
            }
        }
        Step::Pass(())
    }

    #[inline]
    fn on_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        (): (),
        response: &mut Response<B>,
    ) {
        if self.0.is_some()
            && let Some(id) = exchange.scope().and_then(RequestScope::request_id)
        {
            let id = id.as_header().clone();
            let _ = response.headers_mut().try_insert(X_REQUEST_ID, id);
        }
    }
}

impl Settings {
    /// Gives the request its id.
    fn identify<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) {
        let trusted = self.trusts(request.extensions());
        let sent = trusted.then(|| sent_id(request.headers())).flatten();
        let trace = trusted.then(|| trace_parent(request.headers())).flatten();
        if !trusted && !request.headers().is_empty() {
            // What is not believed must not reach a handler or an upstream as if it were the request's id.
            for name in [X_REQUEST_ID, X_CORRELATION_ID, TRACEPARENT] {
                request.headers_mut().remove(name);
            }
        }
        let now = sent.is_none().then(|| exchange.unix_now(&self.clock));
        let scope = exchange.enter(request.extensions_mut());
        if let Some(trace) = trace {
            scope.set_trace_parent(trace);
        }
        // A layer further out may have set it: then that one stays.
        if scope.request_id().is_none()
            && let Some(id) = sent.or_else(|| self.format.make(now?))
        {
            scope.set_request_id(id);
        }
    }
}

/// The caller's place in a trace; a header that is there twice is none (W3C Trace Context, section 3.2).
fn trace_parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => TraceParent::parse(value.as_bytes()),
        _ => None,
    }
}
