//! The breaker of each server and the retries around it.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response};
use palisade_breaker::{
    BreakerError, ByAuthority, Classify, HttpHealth, HttpRetry, Judge, KeyedBreaker, Outcome,
    Permit, Retry, RetryAdvice,
};

use crate::HttpClientError;
use crate::attempt::Attempt;

pub(crate) type Guarded = Retry<KeyedBreaker<Attempt, ByAuthority, Health>, Advice>;

/// Judges a server by a response that has been read to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health(HttpHealth);

impl Classify<Request<Bytes>, Response<Bytes>, HttpClientError> for Health {
    type RequestInfo = ();
    type Output = Response<Bytes>;

    fn inspect(&self, _: &Request<Bytes>) {}

    fn settle(
        &self,
        (): (),
        result: Result<Response<Bytes>, HttpClientError>,
        permit: Permit,
    ) -> Result<Response<Bytes>, HttpClientError> {
        match &result {
            Ok(response) => {
                let outcome = self.0.outcome(response.status());
                permit.settle(outcome, retry_after(response.headers()));
            }
            // It works, and its answer is of no use to this client alone.
            Err(HttpClientError::TooLarge { .. }) => permit.settle(Outcome::Ignored, None),
            Err(_) => permit.settle(Outcome::Failure, None),
        }
        result
    }
}

/// The seconds of `Retry-After`; a date is left to the retries, which read both forms.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    seconds.parse().ok().map(Duration::from_secs)
}

/// Advises on another attempt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Advice(HttpRetry);

impl Judge<Response<Bytes>, BreakerError<HttpClientError>> for Advice {
    fn judge(
        &self,
        result: Result<&Response<Bytes>, &BreakerError<HttpClientError>>,
    ) -> RetryAdvice {
        match result {
            Ok(response) => Judge::<Response<Bytes>, HttpClientError>::judge(&self.0, Ok(response)),
            Err(BreakerError::Inner(HttpClientError::Connect { .. })) => RetryAdvice::Unprocessed,
            Err(BreakerError::Inner(
                HttpClientError::Exchange { .. } | HttpClientError::TimedOut { .. },
            )) => RetryAdvice::Again,
            Err(_) => RetryAdvice::No,
        }
    }
}
