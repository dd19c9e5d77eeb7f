use std::collections::VecDeque;

use palisade_core::time::Instant;

use super::plan::Plan;
use super::window::{Tally, Window};

/// The end of a call, as the rules distinguish it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Succeeded,
    Failed,
    /// The caller gave up on a call that was slow already.
    Abandoned,
}

/// The counts of a closed breaker, and the decision to trip.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The failures within the time, the oldest first; never more than the threshold.
    times: VecDeque<Instant>,
    in_a_row: u32,
    window: Option<Box<Window>>,
    /// The time of the latest failure or slow call.
    last_failure: Option<Instant>,
}

impl Rules {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            times: VecDeque::new(),
            in_a_row: 0,
            window: plan
                .records_every_call()
                .then(|| Box::new(Window::new(plan.extent))),
            last_failure: None,
        }
    }

    /// Counts one call; `true` means that it is one too many.
    pub(crate) fn record(&mut self, plan: &Plan, now: Instant, ending: Ending, slow: bool) -> bool {
        let failed = ending == Ending::Failed;
        if failed || slow {
            self.last_failure = Some(now);
        }
        let failures_trip = ending != Ending::Abandoned && self.count(plan, now, failed);
        let Some(window) = &mut self.window else {
            return failures_trip;
        };
        window.record(now, failed, slow);
        let Tally {
            calls,
            failed,
            slow,
        } = window.tally(now);
        let enough = calls >= plan.minimum_calls();
        // The quotient is the number that the share is written as, which a product need not be: 7 of 100 is 0.07.
        // Shares are above zero, so a count of zero never reaches one.
        let over = |count: u64, share: f64| count as f64 / calls as f64 >= share;
        let failing = plan.failures.rate.is_some_and(|share| over(failed, share));
        let slowing = plan.slow.is_some_and(|rule| over(slow, rule.share));
        failures_trip || enough && (failing || slowing)
    }

    fn count(&mut self, plan: &Plan, now: Instant, failed: bool) -> bool {
        let too_many = failed && self.count_time(plan, now);
        let Some(in_a_row) = plan.failures.consecutive else {
            return too_many;
        };
        self.in_a_row = if failed {
            self.in_a_row.saturating_add(1)
        } else {
            0
        };
        too_many || self.in_a_row >= in_a_row.get()
    }

    fn count_time(&mut self, plan: &Plan, now: Instant) -> bool {
        let Some(threshold) = plan.threshold() else {
            return false;
        };
        self.forget_before(now, plan.within());
        self.times.push_back(now);
        let threshold = threshold.get() as usize;
        // In the shadow mode the count goes on.
        if self.times.len() > threshold {
            self.times.pop_front();
        }
        self.times.len() >= threshold
    }

    /// A failure that is exactly as old as the time no longer counts.
    fn forget_before(&mut self, now: Instant, within: std::time::Duration) {
        while let Some(oldest) = self.times.front() {
            if now.saturating_duration_since(*oldest) < within {
                break;
            }
            self.times.pop_front();
        }
    }

    /// Whether the latest failure is older than the windows.
    pub(crate) fn has_no_failures(&self, plan: &Plan, now: Instant) -> bool {
        let memory = plan.memory();
        self.last_failure
            .is_none_or(|at| now.saturating_duration_since(at) >= memory)
    }

    /// Failures in a row, which a success ends.
    pub(crate) const fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Failures that count towards the next trip.
    pub(crate) fn failures(&self) -> u32 {
        self.in_a_row
            .max(u32::try_from(self.times.len()).unwrap_or(u32::MAX))
    }

    /// The counts in the windows.
    pub(crate) fn tally(&mut self, plan: &Plan, now: Instant) -> (u32, Option<Tally>) {
        self.forget_before(now, plan.within());
        let failures = self.failures();
        (
            failures,
            self.window.as_mut().map(|window| window.tally(now)),
        )
    }

    pub(crate) fn clear(&mut self) {
        self.times.clear();
        self.in_a_row = 0;
        self.last_failure = None;
        if let Some(window) = &mut self.window {
            window.clear();
        }
    }
}
