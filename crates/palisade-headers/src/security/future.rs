use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use palisade_core::Handle;

use super::HeaderOverrides;
use super::policy::{Policy, Seen};
use super::service::AnswerError;

pin_project_lite::pin_project! {
    /// The response future of [`SecurityHeaders`](super::SecurityHeaders).
    pub struct ResponseFuture<F, M> {
        #[pin]
        inner: F,
        policy: Option<Handle<Policy>>,
        seen: Seen,
        on_error: M,
    }
}

impl<F, M> ResponseFuture<F, M> {
    pub(super) const fn new(inner: F, policy: Handle<Policy>, seen: Seen, on_error: M) -> Self {
        Self {
            inner,
            policy: Some(policy),
            seen,
            on_error,
        }
    }

    pub(super) fn off(inner: F, on_error: M) -> Self {
        Self {
            inner,
            policy: None,
            seen: Seen::default(),
            on_error,
        }
    }
}

impl<F, M, B, E> Future for ResponseFuture<F, M>
where
    F: Future<Output = Result<Response<B>, E>>,
    M: AnswerError<E, B>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let outcome = ready!(this.inner.poll(cx));
        let Some(policy) = this.policy else {
            return Poll::Ready(outcome);
        };
        let mut response = match outcome {
            Ok(response) => response,
            Err(error) => this.on_error.answer(error)?,
        };
        // It stays in the response, because a layer further out may have to heed it too.
        let overrides = response.extensions().get::<HeaderOverrides>().cloned();
        policy.apply(this.seen, response.headers_mut(), overrides.as_ref());
        Poll::Ready(Ok(response))
    }
}

impl<F, M> fmt::Debug for ResponseFuture<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
