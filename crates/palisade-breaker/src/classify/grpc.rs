use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};

use super::http::verdict_of_error;
use super::{Classify, Streaming};
use crate::hint;
use crate::state::grant::Verdict;
use crate::{GuardedBody, Outcome, Permit};

const GRPC_STATUS: &str = "grpc-status";

/// Judges a gRPC server by the status at the end of its stream: the classifier of
/// [`BreakerLayer::grpc`](crate::BreakerLayer::grpc).
///
/// | status | outcome |
/// |---|---|
/// | `UNKNOWN` 2, `DEADLINE_EXCEEDED` 4, `INTERNAL` 13, `UNAVAILABLE` 14, `DATA_LOSS` 15, and what is no status | failure |
/// | `RESOURCE_EXHAUSTED` 8 | overload, which counts as a failure |
/// | `CANCELLED` 1 | ignored |
/// | any other | success |
/// | an error of the caller's own, as for [`HttpHealth`](crate::HttpHealth) | ignored |
///
/// A response without messages has its status in the head, others in the trailers, and the permit waits for them. A
/// stream that ends without a status failed. One that the caller drops after the first message succeeded; one that is
/// dropped before is cancelled. A response that is not 200 is read as the gRPC protocol says (`http-grpc-status-mapping`).
///
/// A trial has succeeded at the first message, so that streams that last do not keep a breaker half-open; should its
/// status then be a failure, that counts as one. As for a slow-call rate, a stream lasts until its first message.
///
/// `grpc-retry-pushback-ms` on a failure keeps a breaker that opens by it open at least for so long.
#[derive(Debug, Clone, Copy)]
pub struct GrpcHealth {
    /// A bit for each status.
    failures: u32,
}

impl Default for GrpcHealth {
    fn default() -> Self {
        Self {
            failures: 1 << 2 | 1 << 4 | 1 << 13 | 1 << 14 | 1 << 15,
        }
    }
}

impl GrpcHealth {
    /// Makes these statuses failures too, such as 16 for a server that may forget its tokens. Adds to the usual ones.
    #[must_use]
    pub fn fail_on(mut self, codes: impl IntoIterator<Item = u8>) -> Self {
        for code in codes.into_iter().filter(|code| *code <= 16) {
            self.failures |= 1 << code;
        }
        self
    }

    /// Returns the outcome of a call that ended with this status.
    #[must_use]
    pub const fn outcome(self, code: u8) -> Outcome {
        match code {
            0..=16 if self.failures & 1 << code != 0 => Outcome::Failure,
            1 => Outcome::Ignored,
            8 => Outcome::Overload,
            0..=16 => Outcome::Success,
            _ => Outcome::Failure,
        }
    }

    /// The verdict of trailers, or of a head that stands for them.
    fn verdict_of_status(self, headers: &HeaderMap) -> Verdict {
        let code = headers
            .get(GRPC_STATUS)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        self.verdict_of_code(code.unwrap_or(2), headers)
    }

    fn verdict_of_code(self, code: u8, headers: &HeaderMap) -> Verdict {
        match self.outcome(code) {
            Outcome::Success => Verdict::Success,
            outcome => outcome.verdict(pushback(headers)),
        }
    }
}

#[cold]
fn pushback(headers: &HeaderMap) -> Option<Duration> {
    hint::pushback(headers)?.wait()
}

/// The status of a response that never came from a gRPC server, as the protocol maps it.
fn code_of_http(status: StatusCode) -> u8 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

impl<Req, B, Err: 'static> Classify<Req, Response<B>, Err> for GrpcHealth {
    type RequestInfo = ();
    type Output = Response<GuardedBody<B>>;

    #[inline]
    fn inspect(&self, _: &Req) {}

    fn settle(
        &self,
        (): (),
        result: Result<Response<B>, Err>,
        mut permit: Permit,
    ) -> Result<Self::Output, Err> {
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                permit.end(verdict_of_error(&error));
                return Err(error);
            }
        };
        if response.headers().contains_key(GRPC_STATUS) {
            permit.end(self.verdict_of_status(response.headers()));
        } else if response.status() != StatusCode::OK {
            permit.end(self.verdict_of_code(code_of_http(response.status()), response.headers()));
        } else {
            let watch = GrpcWatch {
                call: Streaming::new(permit),
                health: *self,
            };
            return Ok(response.map(|body| GuardedBody::until_trailers(body, watch)));
        }
        Ok(response.map(GuardedBody::free))
    }
}

/// A gRPC call whose status has not come yet.
#[derive(Debug)]
pub(crate) struct GrpcWatch {
    call: Streaming,
    health: GrpcHealth,
}

impl GrpcWatch {
    pub(crate) fn message(&mut self) {
        self.call.message();
    }

    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        self.call.end(self.health.verdict_of_status(trailers));
    }

    /// The stream broke off, or ended without a status.
    pub(crate) fn broke_off(&mut self) {
        self.call.end(Verdict::Failure(None));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_statuses_stand_for_those_of_grpc() {
        // From the gRPC documentation, http-grpc-status-mapping.md.
        let mapped = |code: u16| match code {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502 | 503 | 504 => 14,
            _ => 2,
        };
        for code in 100..1_000 {
            let status = StatusCode::from_u16(code).unwrap();
            assert_eq!(code_of_http(status), mapped(code), "{code}");
        }
    }
}
