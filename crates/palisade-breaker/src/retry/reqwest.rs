use std::error::Error;
use std::task::{Context, Poll};

use reqwest::{Request, Response};
use tokio::time::Sleep;
use tower::retry::Policy;
use tower_service::Service;

use super::judge::{BoxError, HttpRetry, HttpRetryBoxed, Judge, RetryAdvice, judge_error};
use super::layer::{Retry, RetryFuture};
use super::policy::RetryPolicy;
use super::replay::CloneBodies;
use crate::{BreakerError, ExtractKey};

impl<Err: Error + 'static> Judge<Response, Err> for HttpRetry {
    fn judge(&self, result: Result<&Response, &Err>) -> RetryAdvice {
        match result {
            Ok(response) => {
                self.judge_head(response.status(), response.headers(), response.extensions())
            }
            Err(error) => judge_error(error),
        }
    }
}

impl Judge<Response, BoxError> for HttpRetryBoxed {
    fn judge(&self, result: Result<&Response, &BoxError>) -> RetryAdvice {
        match result {
            Ok(response) => {
                self.0
                    .judge_head(response.status(), response.headers(), response.extensions())
            }
            Err(error) => judge_error(&**error),
        }
    }
}

impl Judge<Response, BreakerError<BoxError>> for HttpRetryBoxed {
    fn judge(&self, result: Result<&Response, &BreakerError<BoxError>>) -> RetryAdvice {
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

impl<J, K, Err> Policy<Request, Response, Err> for RetryPolicy<J, CloneBodies, K>
where
    J: Judge<Response, Err>,
    K: ExtractKey<Request>,
{
    type Future = Sleep;

    fn retry(
        &mut self,
        request: &mut Request,
        result: &mut Result<Response, Err>,
    ) -> Option<Sleep> {
        let advice = self.judge(result.as_ref());
        let wait = self.decide(advice, true, |_| true)?;
        self.count_attempts(request.headers_mut());
        Some(wait)
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        let (method, headers) = (request.method(), request.headers());
        if !self.wants_copy(method, headers, |key| key.extract(request)) {
            return None;
        }
        // There is none of a body that is a stream.
        request.try_clone()
    }
}

impl<S, J, K> Service<Request> for Retry<S, J, CloneBodies, K>
where
    S: Service<Request, Response = Response> + Clone,
    J: Judge<Response, S::Error> + Clone,
    K: ExtractKey<Request> + Clone,
{
    type Response = Response;
    type Error = S::Error;
    type Future = RetryFuture<RetryPolicy<J, CloneBodies, K>, S, Request>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Service::<Request>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        RetryFuture {
            inner: self.inner.call(request),
        }
    }
}
