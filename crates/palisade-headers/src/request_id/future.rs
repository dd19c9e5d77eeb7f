use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderValue, Response};
use tracing::Span;

use super::layer::X_REQUEST_ID;

pin_project_lite::pin_project! {
    /// The response future of [`RequestIdService`](super::RequestIdService).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        id: Option<HeaderValue>,
        span: Span,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn off(inner: F) -> Self {
        Self {
            inner,
            id: None,
            span: Span::none(),
        }
    }

    pub(super) const fn new(inner: F, id: Option<HeaderValue>, span: Span) -> Self {
        Self { inner, id, span }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let entered = this.span.enter();
        let mut response = ready!(this.inner.poll(cx))?;
        drop(entered);
        if let Some(id) = this.id.take() {
            let _ = response.headers_mut().try_insert(X_REQUEST_ID, id);
        }
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
