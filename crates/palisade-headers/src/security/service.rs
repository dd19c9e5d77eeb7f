use std::task::{Context, Poll};

use http::{Request, Response};
use palisade_core::Handle;
use tower_service::Service;

use super::ResponseFuture;
use super::policy::Policy;

/// The service made by [`SecurityHeadersLayer`](super::SecurityHeadersLayer).
#[derive(Debug, Clone)]
pub struct SecurityHeaders<S, M = PassErrors> {
    inner: S,
    policy: Option<Handle<Policy>>,
    on_error: M,
}

/// Lets the errors of the inner service pass; what a layer does unless it is told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PassErrors;

/// Makes a response of an error, or passes it on. Closures from an error to a response do the former.
pub trait AnswerError<E, B> {
    /// The response to send in place of this error, or the error.
    ///
    /// # Errors
    ///
    /// The error itself, when it is to be passed on.
    fn answer(&self, error: E) -> Result<Response<B>, E>;
}

impl<E, B> AnswerError<E, B> for PassErrors {
    #[inline]
    fn answer(&self, error: E) -> Result<Response<B>, E> {
        Err(error)
    }
}

impl<E, B, F: Fn(E) -> Response<B>> AnswerError<E, B> for F {
    fn answer(&self, error: E) -> Result<Response<B>, E> {
        Ok(self(error))
    }
}

impl<S, M> SecurityHeaders<S, M> {
    pub(super) const fn new(inner: S, policy: Option<Handle<Policy>>, on_error: M) -> Self {
        Self {
            inner,
            policy,
            on_error,
        }
    }
}

impl<S, M, Rq, B> Service<Request<Rq>> for SecurityHeaders<S, M>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    M: AnswerError<S::Error, B> + Clone,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, M>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let Some(policy) = &self.policy else {
            return ResponseFuture::off(self.inner.call(request), self.on_error.clone());
        };
        let seen = policy.see(&mut request);
        ResponseFuture::new(
            self.inner.call(request),
            policy.clone(),
            seen,
            self.on_error.clone(),
        )
    }
}
