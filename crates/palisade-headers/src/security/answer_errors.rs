use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use tower_service::Service;

/// Passes the errors of the inner service on, the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PassErrors;

/// Answers the errors of the inner service with the response that a closure makes of them; see
/// [`SecurityHeadersLayer::with_error_response`](super::SecurityHeadersLayer::with_error_response).
#[derive(Clone, Copy)]
pub struct AnswerErrors<F>(pub(super) F);

impl<F: Clone> AnswerErrors<F> {
    pub(super) fn layer<S>(&self, inner: S, on: bool) -> AnswerErrorsService<S, F> {
        let answer = on.then(|| self.0.clone());
        AnswerErrorsService { inner, answer }
    }
}

impl<F> fmt::Debug for AnswerErrors<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerErrors")
    }
}

/// A service whose errors become responses.
#[derive(Clone)]
pub struct AnswerErrorsService<S, F> {
    inner: S,
    answer: Option<F>,
}

impl<S, F, Rq, B> Service<Request<Rq>> for AnswerErrorsService<S, F>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    F: Fn(S::Error) -> Response<B> + Clone,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = AnswerErrorsFuture<S::Future, F>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<Rq>) -> Self::Future {
        AnswerErrorsFuture {
            inner: self.inner.call(request),
            answer: self.answer.clone(),
        }
    }
}

pin_project_lite::pin_project! {
    /// The response future of [`AnswerErrorsService`].
    pub struct AnswerErrorsFuture<F, M> {
        #[pin]
        inner: F,
        answer: Option<M>,
    }
}

impl<F, M, B, E> Future for AnswerErrorsFuture<F, M>
where
    F: Future<Output = Result<Response<B>, E>>,
    M: Fn(E) -> Response<B>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let outcome = ready!(this.inner.poll(cx));
        Poll::Ready(match (outcome, this.answer) {
            (Err(error), Some(answer)) => Ok(answer(error)),
            (outcome, _) => outcome,
        })
    }
}

impl<S, F> fmt::Debug for AnswerErrorsService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerErrorsService")
            .finish_non_exhaustive()
    }
}

impl<F, M> fmt::Debug for AnswerErrorsFuture<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerErrorsFuture").finish_non_exhaustive()
    }
}
