use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use palisade_core::time::WallClock;

use super::{Classify, is_of_the_caller};
use crate::hint;
use crate::state::grant::Verdict;
use crate::{GuardedBody, Outcome, Permit};

/// Judges an HTTP server by its status: the classifier of [`BreakerLayer::http`](crate::BreakerLayer::http).
///
/// | result | outcome |
/// |---|---|
/// | an error: no connection, a timeout, a broken stream | failure |
/// | an error of the caller's own: the request's body broke off, the request could not be built | ignored |
/// | 5xx | failure |
/// | 429 | overload, which counts as a failure |
/// | any other status | success |
///
/// A call has succeeded when its body has ended or is dropped, as servers drop the body of a `HEAD` and clients drop
/// bodies that they do not need; if the body breaks off with an error the call failed. A trial decides at the headers, so
/// that a long body does not keep a breaker half-open; if its body then breaks off, that counts as a failure. As for a
/// slow-call rate, a call lasts until its headers.
///
/// Errors of the caller are known in those of hyper, hyper-util's client and reqwest (features `hyper`, which is on by
/// default, and `reqwest`), also where another layer has boxed them.
///
/// `Retry-After` on a failure keeps a breaker that opens by it open at least for so long.
#[derive(Clone, Default)]
pub struct HttpHealth {
    /// Statuses that fail besides the usual ones; without any, cloning is free.
    more: Option<Arc<StatusSet>>,
}

/// A bit for each status below 1,024.
type StatusSet = [u64; 16];

impl HttpHealth {
    /// Makes these statuses failures too, such as 401 for a server that may forget its tokens. Adds to earlier ones;
    /// what is no status (100 to 999) is left out.
    #[must_use]
    pub fn fail_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        let mut set = self.more.take().map_or([0; 16], |set| *set);
        for status in statuses.into_iter().filter(|s| (100..1_000).contains(s)) {
            set[usize::from(status / 64)] |= 1 << (status % 64);
        }
        self.more = Some(Arc::new(set));
        self
    }

    /// Returns the outcome of a response with this status.
    #[inline]
    #[must_use]
    pub fn outcome(&self, status: StatusCode) -> Outcome {
        let code = status.as_u16();
        if (500..600).contains(&code) || self.more.as_ref().is_some_and(|set| holds(set, code)) {
            Outcome::Failure
        } else if code == 429 {
            Outcome::Overload
        } else {
            Outcome::Success
        }
    }

    /// Settles the permit by the head of a response.
    #[inline(always)]
    fn settle_head<B>(
        &self,
        response: Response<B>,
        permit: &mut Permit,
    ) -> Response<GuardedBody<B>> {
        let outcome = self.outcome(response.status());
        if outcome == Outcome::Success {
            let body_permit = permit.success_so_far();
            return response.map(|body| GuardedBody::until_error(body, body_permit));
        }
        permit.end(outcome.verdict(retry_after(response.headers())));
        response.map(GuardedBody::free)
    }
}

/// The verdict on a call that ended in an error.
pub(super) fn verdict_of_error<Err: 'static>(error: &Err) -> Verdict {
    match is_of_the_caller(error) {
        true => Outcome::Ignored.verdict(None),
        false => Verdict::Failure(None),
    }
}

fn holds(set: &StatusSet, code: u16) -> bool {
    // `StatusCode` ends at 999.
    set[usize::from(code / 64)] & 1 << (code % 64) != 0
}

#[cold]
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    hint::retry_after(headers, || WallClock::system().now())
}

impl<Req, B, Err: 'static> Classify<Req, Response<B>, Err> for HttpHealth {
    type RequestInfo = ();
    type Output = Response<GuardedBody<B>>;

    #[inline]
    fn inspect(&self, _: &Req) {}

    #[inline]
    fn settle(
        &self,
        (): (),
        result: Result<Response<B>, Err>,
        mut permit: Permit,
    ) -> Result<Self::Output, Err> {
        <Self as Classify<Req, Response<B>, Err>>::settle_in_place(self, (), result, &mut permit)
    }

    #[inline(always)]
    fn settle_in_place(
        &self,
        (): (),
        result: Result<Response<B>, Err>,
        permit: &mut Permit,
    ) -> Result<Self::Output, Err> {
        match result {
            Ok(response) => Ok(self.settle_head(response, permit)),
            Err(error) => {
                permit.end(verdict_of_error(&error));
                Err(error)
            }
        }
    }
}

impl fmt::Debug for HttpHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more: Vec<u16> = (100..1_000)
            .filter(|code| self.more.as_ref().is_some_and(|set| holds(set, *code)))
            .collect();
        f.debug_struct("HttpHealth")
            .field("fail_on", &more)
            .finish()
    }
}
