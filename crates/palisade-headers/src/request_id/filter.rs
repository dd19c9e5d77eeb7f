use std::convert::Infallible;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use palisade_core::filter::{Exchange, Filter, Filtered, ReplaceBody, Step};
use palisade_core::{RequestId, RequestScope};
use tower_layer::Layer;

use super::layer::{RequestIdLayer, Settings, X_CORRELATION_ID, X_REQUEST_ID, only, sent_id};
use super::trace;

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
    /// Gives the request its id. What is not believed, and what is no id or no place in a trace, must not reach a
    /// handler or an upstream as if it were the request's.
    fn identify<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) {
        let trusted = self.trusts(request.extensions());
        let sent = trusted.then(|| sent_id(request.headers())).flatten();
        let parent = trusted.then(|| trace::trace_parent(request.headers()));
        let parent = parent.flatten();
        let now = sent.is_none().then(|| exchange.unix_now(&self.clock));
        let scope = exchange.enter(request.extensions_mut());
        if let Some(parent) = parent {
            scope.set_trace_parent(parent);
        }
        // A layer further out may have set it: then that one stays.
        if scope.request_id().is_none()
            && let Some(id) = sent.or_else(|| self.format.make(now?))
        {
            scope.set_request_id(id);
        }
        let headers = request.headers_mut();
        if !headers.is_empty() {
            clean(headers, trusted, parent.is_some(), scope.request_id());
        }
        if self.on_request
            && let Some(id) = scope.request_id()
        {
            let _ = headers.try_insert(X_REQUEST_ID, id.as_header().clone());
        }
    }
}

/// Removes what is not believed, and what is no id or no place in a trace.
fn clean(headers: &mut HeaderMap, trusted: bool, traced: bool, id: Option<&RequestId>) {
    if !trusted {
        // Most requests have none of them, and to look at their names is faster than to hash eleven.
        if headers.keys().any(is_claimed) {
            headers.remove(X_REQUEST_ID);
            headers.remove(X_CORRELATION_ID);
            trace::remove_all(headers);
        }
        return;
    }
    remove_other_ids(headers, id);
    if !traced {
        trace::remove_stray(headers);
    }
}

/// Whether the field claims an id or a place in a trace.
#[inline]
fn is_claimed(name: &HeaderName) -> bool {
    // The names of all others begin in another way, but for `X-Forwarded-For` and the like.
    matches!(name.as_str().as_bytes(), [b'x' | b't' | b'b', ..])
        && (*name == X_REQUEST_ID || *name == X_CORRELATION_ID || trace::is_about_trace(name))
}

/// Leaves an `X-Request-ID` that is the request's id, and an `X-Correlation-ID` that may be one.
fn remove_other_ids(headers: &mut HeaderMap, id: Option<&RequestId>) {
    let is_own = |sent: &HeaderValue| id.is_some_and(|id| id.as_header() == sent);
    if !only(headers, &X_REQUEST_ID).is_some_and(is_own) {
        headers.remove(X_REQUEST_ID);
    }
    let may_be_id = |sent: &HeaderValue| RequestId::from_header(sent).is_ok();
    if !only(headers, &X_CORRELATION_ID).is_some_and(may_be_id) {
        headers.remove(X_CORRELATION_ID);
    }
}
