use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Request};
use palisade_core::{RequestScope, TraceParent};
use tower_layer::Layer;
use tower_service::Service;

use super::layer::X_REQUEST_ID;
use super::trace::{TRACEPARENT, TRACESTATE, TraceState};

/// Puts the id and the trace of the request being served onto a call to another service. For clients.
///
/// They come from the [`RequestScope`] in the extensions of the outgoing request; put
/// [`RequestScope::outbound`] there. The id replaces an `X-Request-ID` that is there already, as in a request that is
/// being forwarded; a `traceparent` that is there already stays, because a tracer wrote it for this very call, and so does
/// its `tracestate`. Beside the trace of the scope goes the [`TraceState`] in the extensions, else that of the scope.
///
/// # Example
///
/// ```
/// use palisade_core::{RequestId, RequestScope};
/// use palisade_headers::PropagateRequestIdLayer;
/// use tower::{Layer, ServiceExt};
///
/// # tokio_test::block_on(async {
/// let client = PropagateRequestIdLayer::new().layer(tower::service_fn(|request: http::Request<()>| async move {
///     assert_eq!(request.headers()["x-request-id"], "id-1");
///     Ok::<_, std::convert::Infallible>(http::Response::new(()))
/// }));
/// # let scope = RequestScope::detached();
/// # scope.set_request_id(RequestId::new("id-1").unwrap());
/// let mut call = http::Request::new(());
/// call.extensions_mut().insert(scope.outbound());
/// client.oneshot(call).await.unwrap();
/// # });
/// ```
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it wraps a client"]
pub struct PropagateRequestIdLayer {
    /// The header that carries the id; nothing where the layer is off.
    header: Option<HeaderName>,
}

impl PropagateRequestIdLayer {
    /// A layer that passes both on.
    pub const fn new() -> Self {
        Self {
            header: Some(X_REQUEST_ID),
        }
    }

    /// Switched off: every call passes as it is.
    pub const fn off() -> Self {
        Self { header: None }
    }

    /// Sets the header that carries the id; default `X-Request-ID`.
    pub fn header(self, name: HeaderName) -> Self {
        Self {
            header: self.header.map(|_| name),
        }
    }

    /// Does nothing, because there is nothing to share; it is here so that every layer has it.
    pub const fn leak(self) -> Self {
        self
    }
}

impl Default for PropagateRequestIdLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for PropagateRequestIdLayer {
    type Service = PropagateRequestId<S>;

    fn layer(&self, inner: S) -> PropagateRequestId<S> {
        PropagateRequestId {
            inner,
            header: self.header.clone(),
        }
    }
}

/// The service made by [`PropagateRequestIdLayer`].
#[derive(Debug, Clone)]
pub struct PropagateRequestId<S> {
    inner: S,
    header: Option<HeaderName>,
}

impl<S, Rq> Service<Request<Rq>> for PropagateRequestId<S>
where
    S: Service<Request<Rq>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Rq>) -> S::Future {
        if let Some(header) = &self.header {
            propagate(header, &mut request);
        }
        self.inner.call(request)
    }
}

fn propagate<Rq>(header: &HeaderName, request: &mut Request<Rq>) {
    let Some(scope) = RequestScope::current(request.extensions()) else {
        return;
    };
    let id = scope.request_id().map(|id| id.as_header().clone());
    let parent = scope.trace_parent();
    let state = scope.trace_state().cloned();
    if let Some(id) = id {
        let _ = request.headers_mut().try_insert(header, id);
    }
    if !request.headers().contains_key(TRACEPARENT) {
        propagate_trace(parent, state, request);
    }
}

/// Sends the state with its trace alone: one without, or of another trace, must not go on (W3C Trace Context,
/// section 3.3).
fn propagate_trace<Rq>(
    parent: Option<TraceParent>,
    of_scope: Option<HeaderValue>,
    request: &mut Request<Rq>,
) {
    request.headers_mut().remove(TRACESTATE);
    // Hexadecimal digits and dashes are visible ASCII.
    let parent = parent.and_then(|parent| HeaderValue::from_str(&parent.to_string()).ok());
    let Some(parent) = parent else { return };
    let state = request.extensions().get::<TraceState>();
    let state = state.map(|state| state.as_header().clone()).or(of_scope);
    let headers = request.headers_mut();
    let _ = headers.try_insert(TRACEPARENT, parent);
    if let Some(state) = state {
        let _ = headers.try_insert(TRACESTATE, state);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use super::*;

    /// A service that is not ready, and fails once it is asked again.
    struct Busy(bool);

    impl Service<Request<()>> for Busy {
        type Response = ();
        type Error = &'static str;
        type Future = Ready<Result<(), &'static str>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            match std::mem::replace(&mut self.0, false) {
                true => Poll::Pending,
                false => Poll::Ready(Err("gone")),
            }
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            ready(Ok(()))
        }
    }

    #[test]
    fn the_client_is_ready_when_its_inner_service_is() {
        let mut client = PropagateRequestId {
            inner: Busy(true),
            header: None,
        };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert_eq!(client.poll_ready(&mut cx), Poll::Pending);
        assert_eq!(client.poll_ready(&mut cx), Poll::Ready(Err("gone")));
    }
}
