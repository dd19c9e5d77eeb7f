use std::future::{Ready, ready};

use http::{Request, Response};
use palisade_core::{
    Code, EventKind, Rejection, RejectionContext, RequestScope, ResponseBody, SecurityEvent,
};

use crate::{BreakerError, Rejected};

/// What a caller gets for a call that the breaker refused: an error, a response, or the answer of a fallback.
///
/// It also decides the types of the guarded service, because these differ between the three.
pub trait Refuse<Req, Out, Err> {
    /// What the guarded service answers.
    type Output;
    /// What the guarded service fails with.
    type Error;
    /// Makes the answer to a refused call.
    type Future: Future<Output = Result<Self::Output, Self::Error>>;

    /// Answers a refused call.
    fn refuse(&self, request: Req, rejected: Rejected) -> Self::Future;

    /// Passes on the answer of a call that was let through.
    fn output(&self, out: Out) -> Self::Output;

    /// Passes on the error of a call that was let through.
    fn error(&self, error: Err) -> Self::Error;
}

/// Refuses with [`BreakerError::Open`]: the default, for clients.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct FailWhenOpen;

impl<Req, Out, Err> Refuse<Req, Out, Err> for FailWhenOpen {
    type Output = Out;
    type Error = BreakerError<Err>;
    type Future = Ready<Result<Out, BreakerError<Err>>>;

    fn refuse(&self, _: Req, rejected: Rejected) -> Self::Future {
        ready(Err(BreakerError::Open(rejected)))
    }

    #[inline]
    fn output(&self, out: Out) -> Out {
        out
    }

    #[inline]
    fn error(&self, error: Err) -> BreakerError<Err> {
        BreakerError::Inner(error)
    }
}

/// Refuses with a response, 503 or gRPC status 14, in the one format of palisade, and leaves the service's error type
/// as it is.
///
/// The response says when to try again, and not which breaker refused; that stands in the request's scope.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct RespondWhenOpen;

impl<Rq, B, Err> Refuse<Request<Rq>, Response<B>, Err> for RespondWhenOpen {
    type Output = Response<ResponseBody<B>>;
    type Error = Err;
    type Future = Ready<Result<Self::Output, Err>>;

    fn refuse(&self, mut request: Request<Rq>, rejected: Rejected) -> Self::Future {
        RequestScope::enter(request.extensions_mut()).record(
            SecurityEvent::new(EventKind::BreakerRejection)
                .policy(rejected.name)
                .reason(rejected.reason.as_str()),
        );
        let context = RejectionContext::of(&request);
        // Where nobody knows better, come back soon but not at once.
        let wait = rejected.retry_after.unwrap_or_default();
        let response = Rejection::new(Code::Unavailable)
            .retry_after(wait.max(std::time::Duration::from_secs(1)))
            .into_response(&context);
        ready(Ok(response))
    }

    #[inline]
    fn output(&self, out: Response<B>) -> Self::Output {
        out.map(ResponseBody::inner)
    }

    #[inline]
    fn error(&self, error: Err) -> Err {
        error
    }
}
