use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, HeaderMap, HeaderValue, Response, StatusCode};
use palisade_core::time::WallClock;

use super::unprocessed::was_not_processed;
use crate::classify::comes_from_the_caller;
use crate::hint::{self, Pushback};
use crate::{BreakerError, Rejected};

/// The advice of a [`Judge`] on a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAdvice {
    /// It is final.
    No,
    /// Try again after the usual wait.
    Again,
    /// Try again, but not before so long. If that is longer than the longest wait, the result is final.
    NotBefore(Duration),
    /// Try again after the usual wait, whatever the method, because no server has processed the request.
    Unprocessed,
}

/// Judges whether a result is worth another attempt; [`retry_if`] makes one of a closure.
pub trait Judge<Res, Err> {
    /// Judges the result of one attempt.
    fn judge(&self, result: Result<&Res, &Err>) -> RetryAdvice;
}

/// Retries what an HTTP or gRPC server may do better next time: the judge of [`RetryLayer`](crate::RetryLayer).
///
/// | result | retried |
/// |---|---|
/// | no connection; a request that never left; over HTTP/2 `REFUSED_STREAM`, or a `GOAWAY` whose last stream is lower (RFC 9113, section 8.7): surely not processed | yes, whatever the method |
/// | another error: a timeout, a broken stream | yes |
/// | an error that is, or comes from, an open breaker, and the response that one gives in its place | no |
/// | an error of the caller's own: the request's body broke off, the request could not be built | no |
/// | 5xx other than 501 and 505 | yes |
/// | 408, 425 or 429 with `Retry-After`: the server says that it may be tried again, and when | yes |
/// | gRPC status `UNAVAILABLE` (14) in the head | yes |
/// | anything else: other 4xx, and so what is wrong with the credentials or with the request | no |
///
/// `Retry-After` and `grpc-retry-pushback-ms` are honoured. A negative pushback says never.
#[derive(Clone, Default)]
pub struct HttpRetry {
    /// Statuses that are retried besides the usual ones.
    more: Option<Arc<[u16]>>,
    /// A bit for each gRPC status that is retried besides the usual one.
    more_codes: u32,
}

impl HttpRetry {
    /// Retries these statuses too, such as 429 for a server that says when it has room again.
    #[must_use]
    pub fn retry_on(self, statuses: impl IntoIterator<Item = u16>) -> Self {
        let before = self.more.iter().flat_map(|more| more.iter().copied());
        Self {
            more: Some(before.chain(statuses).collect()),
            more_codes: self.more_codes,
        }
    }

    /// Retries these gRPC statuses too, such as 8 (`RESOURCE_EXHAUSTED`) or 10 (`ABORTED`); what is no status (0 to 16) is
    /// left out, and so is 0. A status in the head counts, which is where a call without messages has it; one after
    /// messages comes too late for a retry.
    #[must_use]
    pub fn retry_on_grpc(mut self, codes: impl IntoIterator<Item = u8>) -> Self {
        for code in codes.into_iter().filter(|code| (1..=16).contains(code)) {
            self.more_codes |= 1 << code;
        }
        self
    }

    fn retries_code(&self, code: &HeaderValue) -> bool {
        let code = code.to_str().ok().and_then(|code| code.parse::<u8>().ok());
        code.is_some_and(|code| code == 14 || code <= 16 && self.more_codes & 1 << code != 0)
    }

    /// The same for services whose error is a `Box<dyn Error>`, as behind tower's own timeout, guarded or not. Such a box
    /// is itself no `Error`, and so needs a judge of its own.
    #[must_use]
    pub const fn boxed(self) -> HttpRetryBoxed {
        HttpRetryBoxed(self)
    }

    /// Judges the head of a response.
    pub(super) fn judge_head(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> RetryAdvice {
        // The answer of a breaker, which bids the caller's caller to wait, and not this layer.
        if extensions.get::<Rejected>().is_some() {
            return RetryAdvice::No;
        }
        let status = status.as_u16();
        let retry_after = || hint::retry_after(headers, || WallClock::system().now());
        let again = match headers.get("grpc-status") {
            Some(code) => self.retries_code(code),
            // RFC 9110, sections 15.5.9 and 10.2.3; RFC 8470, section 5.2; RFC 6585, section 4.
            None if matches!(status, 408 | 425 | 429) && retry_after().is_some() => true,
            None => {
                let usual = (500..600).contains(&status) && status != 501 && status != 505;
                usual
                    || self
                        .more
                        .as_ref()
                        .is_some_and(|more| more.contains(&status))
            }
        };
        if !again {
            return RetryAdvice::No;
        }
        match hint::pushback(headers) {
            Some(Pushback::Never) => return RetryAdvice::No,
            Some(Pushback::After(wait)) => return RetryAdvice::NotBefore(wait),
            None => {}
        }
        retry_after().map_or(RetryAdvice::Again, RetryAdvice::NotBefore)
    }
}

impl<B, Err: Error + 'static> Judge<Response<B>, Err> for HttpRetry {
    fn judge(&self, result: Result<&Response<B>, &Err>) -> RetryAdvice {
        match result {
            Ok(response) => {
                self.judge_head(response.status(), response.headers(), response.extensions())
            }
            Err(error) => judge_error(error),
        }
    }
}

/// [`HttpRetry`] for boxed errors; see [`HttpRetry::boxed`].
#[derive(Debug, Clone, Default)]
pub struct HttpRetryBoxed(pub(super) HttpRetry);

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

impl<B> Judge<Response<B>, BoxError> for HttpRetryBoxed {
    fn judge(&self, result: Result<&Response<B>, &BoxError>) -> RetryAdvice {
        match result {
            Ok(response) => {
                self.0
                    .judge_head(response.status(), response.headers(), response.extensions())
            }
            Err(error) => judge_error(&**error),
        }
    }
}

impl<B> Judge<Response<B>, BreakerError<BoxError>> for HttpRetryBoxed {
    fn judge(&self, result: Result<&Response<B>, &BreakerError<BoxError>>) -> RetryAdvice {
        match result {
            Ok(response) => {
                self.0
                    .judge_head(response.status(), response.headers(), response.extensions())
            }
            Err(BreakerError::Open(_)) => RetryAdvice::No,
            Err(BreakerError::Inner(error)) => judge_error(&**error),
        }
    }
}

pub(super) fn judge_error(error: &(dyn Error + 'static)) -> RetryAdvice {
    if comes_from_a_breaker(error) || comes_from_the_caller(error) {
        RetryAdvice::No
    } else if was_not_processed(error) {
        RetryAdvice::Unprocessed
    } else {
        RetryAdvice::Again
    }
}

/// Whether a breaker refused the call: then nothing was wrong with it, and trying at once is what a breaker is against.
fn comes_from_a_breaker(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<Rejected>() {
            return true;
        }
        next = error.source();
    }
    false
}

impl fmt::Debug for HttpRetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more: &[u16] = self.more.as_deref().unwrap_or_default();
        f.debug_struct("HttpRetry")
            .field("retry_on", &more)
            .field("retry_on_grpc", &format_args!("{:#b}", self.more_codes))
            .finish()
    }
}

/// The judge made by [`retry_if`].
#[derive(Clone, Copy)]
pub struct RetryIf<F>(F);

/// Makes a judge of a closure over the result.
///
/// Where a breaker inside answers instead of failing, its answer bears a [`Rejected`] in its extensions: do not try it
/// again.
///
/// # Example
///
/// ```
/// use http::Response;
/// use palisade_breaker::{RetryAdvice, RetryLayer, retry_if};
///
/// let layer = RetryLayer::default().judge(retry_if(
///     |result: Result<&Response<String>, &std::io::Error>| match result {
///         Ok(response) if response.status() == 503 => RetryAdvice::Again,
///         Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => RetryAdvice::Again,
///         _ => RetryAdvice::No,
///     },
/// ));
/// # let _ = layer;
/// ```
pub const fn retry_if<F, Res, Err>(judge: F) -> RetryIf<F>
where
    F: Fn(Result<&Res, &Err>) -> RetryAdvice,
{
    RetryIf(judge)
}

impl<F, Res, Err> Judge<Res, Err> for RetryIf<F>
where
    F: Fn(Result<&Res, &Err>) -> RetryAdvice,
{
    fn judge(&self, result: Result<&Res, &Err>) -> RetryAdvice {
        (self.0)(result)
    }
}

impl<F> fmt::Debug for RetryIf<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryIf")
    }
}
