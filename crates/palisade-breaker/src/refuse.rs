use std::future::{Ready, ready};
use std::time::Duration;

use http::{Request, Response};
use palisade_core::{
    Code, EventKind, Rejection, RejectionContext, RequestScope, ResponseBody, SecurityEvent,
};

use crate::{BreakerError, Rejected};

/// Answers a call that the breaker refused: with an error, a response, or a fallback.
///
/// It also decides the types of the guarded service, because these differ between the three.
pub trait Refuse<Req, Out, Err> {
    /// The response of the guarded service.
    type Output;
    /// The error of the guarded service.
    type Error;
    /// The part of an admitted request that is kept until its response.
    type RequestInfo;
    /// Makes the answer to a refused call.
    type Future: Future<Output = Result<Self::Output, Self::Error>>;

    /// Answers a refused call.
    fn refuse(&self, request: Req, rejected: Rejected) -> Self::Future;

    /// Looks at a request that is let through.
    fn inspect(&self, request: &Req) -> Self::RequestInfo;

    /// Passes on the answer of a call that was let through.
    fn output(&self, info: Self::RequestInfo, out: Out) -> Self::Output;

    /// Passes on the error of a call that was let through.
    fn error(&self, error: Err) -> Self::Error;
}

/// Refuses with [`BreakerError::Open`]: the default, for clients.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct FailWhenOpen;

impl<Req, Out, Err> Refuse<Req, Out, Err> for FailWhenOpen {
    type RequestInfo = ();
    type Output = Out;
    type Error = BreakerError<Err>;
    type Future = Ready<Result<Out, BreakerError<Err>>>;

    fn refuse(&self, _: Req, rejected: Rejected) -> Self::Future {
        ready(Err(BreakerError::Open(rejected)))
    }

    #[inline]
    fn inspect(&self, _: &Req) {}

    #[inline]
    fn output(&self, (): (), out: Out) -> Out {
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
/// The response says when to try again, and not which breaker refused: the [`Rejected`] stands in the response's
/// extensions, by which [`HttpRetry`](crate::HttpRetry) knows it for final, and in the request's scope.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct RespondWhenOpen;

impl<Rq, B, Err> Refuse<Request<Rq>, Response<B>, Err> for RespondWhenOpen {
    type RequestInfo = ();
    type Output = Response<ResponseBody<B>>;
    type Error = Err;
    type Future = Ready<Result<Self::Output, Err>>;

    fn refuse(&self, mut request: Request<Rq>, rejected: Rejected) -> Self::Future {
        ready(Ok(unavailable(&mut request, rejected)))
    }

    #[inline]
    fn inspect(&self, _: &Request<Rq>) {}

    #[inline]
    fn output(&self, (): (), out: Response<B>) -> Self::Output {
        out.map(ResponseBody::inner)
    }

    #[inline]
    fn error(&self, error: Err) -> Err {
        error
    }
}

/// Notes the refusal in the request's scope, and answers 503 or gRPC status 14.
pub(crate) fn unavailable<Rq, B>(
    request: &mut Request<Rq>,
    rejected: Rejected,
) -> Response<ResponseBody<B>> {
    RequestScope::enter(request.extensions_mut()).record(
        SecurityEvent::new(EventKind::BreakerRejection)
            .policy(rejected.name)
            .reason(rejected.reason.as_str()),
    );
    // Where nobody knows better, come back soon but not at once.
    let wait = rejected.retry_after.unwrap_or_default();
    let mut response = Rejection::new(Code::Unavailable)
        .retry_after(wait.max(Duration::from_secs(1)))
        .into_response(&RejectionContext::of(request));
    response.extensions_mut().insert(rejected);
    response
}
