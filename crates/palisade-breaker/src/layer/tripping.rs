use std::time::Duration;

use super::BreakerLayer;
use crate::RateWindow;
use crate::state::extent::MOST_CALLS;
use crate::state::plan::{SlowRule, at_least_one, share};

/// Rules for opening.
///
/// The rules for failures hold together: it opens by whichever is met first. Without any of them the default holds, 5
/// failures within 60 s.
impl<C, A> BreakerLayer<C, A> {
    /// Opens after so many failures within the [`window`](Self::window), counted exactly; default 5 where no other rule
    /// is set, at least 1.
    ///
    /// Five is enough to tell an outage from bad luck, and few enough that callers hardly notice.
    #[must_use]
    pub fn failure_threshold(self, failures: u32) -> Self {
        self.at_least_one("failure_threshold", failures)
            .plan(|plan| plan.failures.threshold = Some(at_least_one(failures)))
    }

    /// The time within which the failures of [`failure_threshold`](Self::failure_threshold) must lie; default 60 s. Zero
    /// would never trip, and leaves it as it is.
    #[must_use]
    pub fn window(self, within: Duration) -> Self {
        self.longer_than_zero("window", within).plan(|plan| {
            if !within.is_zero() {
                plan.within = Some(within);
            }
        })
    }

    /// Opens after so many failures in a row; default never, at least 1.
    #[must_use]
    pub fn consecutive_failures(self, failures: u32) -> Self {
        self.at_least_one("consecutive_failures", failures)
            .plan(|plan| plan.failures.consecutive = Some(at_least_one(failures)))
    }

    /// Opens when this share of the calls in the [`rate_window`](Self::rate_window) failed; default never. Above 0 and up
    /// to 1; what is outside becomes the nearest.
    #[must_use]
    pub fn failure_rate(self, rate: f64) -> Self {
        self.share_above_zero("failure_rate", rate)
            .plan(|plan| plan.failures.rate = Some(share(rate)))
    }

    /// Opens as well when this share of the calls in the [`rate_window`](Self::rate_window) took `bound` or longer;
    /// default never. A slow trial fails. With a bound of zero every call would be slow, so it leaves things as they are.
    ///
    /// From then on two clock readings belong to every call.
    #[must_use]
    pub fn slow_call_rate(self, rate: f64, bound: Duration) -> Self {
        let share = share(rate);
        self.share_above_zero("slow_call_rate", rate)
            .longer_than_zero("slow_call", bound)
            .plan(|plan| {
                if !bound.is_zero() {
                    plan.slow = Some(SlowRule { bound, share });
                }
            })
    }

    /// Sets the window of the rates; default the last 60 s.
    #[must_use]
    pub fn rate_window(self, window: RateWindow) -> Self {
        let (field, reason) = window.problem.unwrap_or_default();
        self.note(field, window.problem.is_some(), reason)
            .plan(|plan| plan.extent = window.extent)
    }

    /// Calls that the [`rate_window`](Self::rate_window) must hold before a rate counts; default 20, from 1 to 1,048,576.
    /// With a window of fewer calls, all of it.
    ///
    /// Fewer say little: of three calls one is a third.
    #[must_use]
    pub fn minimum_calls(self, calls: u32) -> Self {
        let most = calls > MOST_CALLS;
        self.at_least_one("minimum_calls", calls)
            .note("minimum_calls", most, "must be at most 1,048,576")
            .plan(|plan| plan.minimum = at_least_one(calls.min(MOST_CALLS)))
    }

    pub(super) fn at_least_one(self, field: &str, count: u32) -> Self {
        self.note(field, count == 0, "is 0, must be at least 1")
    }

    pub(super) fn longer_than_zero(self, field: &str, time: Duration) -> Self {
        self.note(field, time.is_zero(), "is 0, must be longer")
    }

    pub(super) fn share_above_zero(self, field: &str, share: f64) -> Self {
        let fits = share > 0.0 && share <= 1.0;
        self.note(field, !fits, "must be a share above 0 and up to 1")
    }
}
