use std::convert::Infallible;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use palisade_core::filter::{Exchange, Filter, Filtered, ReplaceBody, Step};
use palisade_core::{RequestId, RequestScope};
use tower_layer::Layer;

use super::layer::{RequestIdLayer, Settings, X_CORRELATION_ID, X_REQUEST_ID, only};
use super::trace::{self, TraceState};

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
            // Asked before, because a span that nobody reads would still be filled in.
            if tracing::span_enabled!(target: crate::TARGET, tracing::Level::INFO)
                && let Some(id) = exchange.scope().and_then(RequestScope::request_id)
            {
                let span =
                    tracing::info_span!(target: crate::TARGET, "request", request_id = id.as_str());
                exchange.set_span(span);
            }
        }
        Step::Pass(())
    }

    #[inline]
    fn needs_response(&self, (): &()) -> bool {
        self.0.is_some()
    }

    #[inline]
    fn on_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        (): (),
        response: &mut Response<B>,
    ) {
        if let Some(settings) = &self.0
            && let Some(id) = exchange.scope().and_then(RequestScope::request_id)
        {
            let id = id.as_header().clone();
            let _ = response.headers_mut().try_insert(&settings.header, id);
        }
    }
}

impl Settings {
    /// Gives the request its id. What is not believed, and what is no id or no place in a trace, must not reach a
    /// handler or an upstream as if it were the request's.
    fn identify<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) {
        let trusted = self.trusts(request.extensions());
        let sent = trusted.then(|| self.sent_id(request.headers())).flatten();
        let parent = trusted.then(|| trace::trace_parent(request.headers()));
        let parent = parent.flatten();
        let state = parent.and_then(|_| TraceState::list(request.headers()));
        let now = sent.is_none().then(|| exchange.unix_now(&self.clock));
        let scope = exchange.enter(request.extensions_mut());
        if let Some(parent) = parent {
            scope.set_trace_parent(parent);
        }
        if let Some(state) = state {
            scope.set_trace_state(state);
        }
        // A layer further out may have set it: then that one stays.
        if scope.request_id().is_none()
            && let Some(id) = sent.or_else(|| self.make(now?))
        {
            scope.set_request_id(id);
        }
        let headers = request.headers_mut();
        if !headers.is_empty() {
            self.clean(headers, trusted, parent.is_some(), scope.request_id());
        }
        if self.on_request
            && let Some(id) = scope.request_id()
        {
            let _ = headers.try_insert(&self.header, id.as_header().clone());
        }
    }

    /// Removes what is not believed, and what is no id or no place in a trace.
    fn clean(&self, headers: &mut HeaderMap, trusted: bool, traced: bool, id: Option<&RequestId>) {
        if !trusted {
            // Most requests have none of them, and to look at their names is faster than to hash a dozen.
            if headers.keys().any(|name| self.is_claim(name)) {
                headers.remove(&self.header);
                headers.remove(X_REQUEST_ID);
                headers.remove(X_CORRELATION_ID);
                trace::remove_all(headers);
            }
            return;
        }
        let is_own = |sent: &HeaderValue| id.is_some_and(|id| id.as_header() == sent);
        keep_only(headers, &self.header, is_own);
        let may_be_id = |sent: &HeaderValue| RequestId::from_header(sent).is_ok();
        for name in [X_REQUEST_ID, X_CORRELATION_ID] {
            if name != self.header {
                keep_only(headers, &name, may_be_id);
            }
        }
        if !traced {
            trace::remove_stray(headers);
        }
    }

    /// Whether the field claims an id or a place in a trace.
    #[inline]
    fn is_claim(&self, name: &HeaderName) -> bool {
        // The first letter tells most other fields apart.
        let is_usual = matches!(name.as_str().as_bytes(), [b'x' | b't' | b'b', ..])
            && (*name == X_REQUEST_ID || *name == X_CORRELATION_ID || trace::is_about_trace(name));
        is_usual || *name == self.header
    }
}

/// Removes a field that is there more than once, or whose value does not hold.
fn keep_only(headers: &mut HeaderMap, name: &HeaderName, holds: impl Fn(&HeaderValue) -> bool) {
    if !only(headers, name).is_some_and(holds) {
        headers.remove(name);
    }
}
