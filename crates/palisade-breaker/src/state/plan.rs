use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::extent::{Extent, LONGEST, MOST_CALLS};

/// The most trials that may be in flight at once; they have thirteen bits of the word.
pub(crate) const MOST_TRIALS: u32 = 8_191;

/// Everything that the machine is told before it starts.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) failures: FailureRules,
    /// The time of the exact count, a minute unless it is set.
    pub(crate) within: Option<Duration>,
    pub(crate) extent: Extent,
    pub(crate) minimum: NonZeroU32,
    pub(crate) slow: Option<SlowRule>,
    pub(crate) open_for: Duration,
    pub(crate) growth: f64,
    pub(crate) jitter: f64,
    pub(crate) longest_open: Duration,
    pub(crate) trials: NonZeroU32,
    pub(crate) successes_to_close: NonZeroU32,
    /// Trials that may fail before it opens again.
    pub(crate) trials_may_fail: u32,
    /// The open time by how often it has opened since it was closed.
    pub(crate) open_by: Option<OpenBy>,
    pub(crate) lease: Option<Duration>,
    pub(crate) ramp: Duration,
    /// Every call is told to the machine, even if no rule asks for it.
    pub(crate) count_calls: bool,
}

/// Rules for failures: each that is set, or the first one with its default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct FailureRules {
    /// So many within a time.
    pub(crate) threshold: Option<NonZeroU32>,
    /// So many in a row.
    pub(crate) consecutive: Option<NonZeroU32>,
    /// This share of the calls in the window.
    pub(crate) rate: Option<f64>,
}

/// The rule for slow calls: a share of the calls in the window that took at least `bound`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SlowRule {
    pub(crate) bound: Duration,
    pub(crate) share: f64,
}

impl Plan {
    /// The lease of a trial: what was set, or the open time, at least 30 s.
    pub(crate) fn lease(&self) -> Duration {
        let default = self.open_for.max(Duration::from_secs(30));
        self.lease.unwrap_or(default).min(LONGEST)
    }

    /// Whether every call must be recorded, and not only those that fail.
    pub(crate) fn records_every_call(&self) -> bool {
        self.slow.is_some() || self.failures.rate.is_some()
    }
}

const MINUTE: Duration = Duration::from_secs(60);

impl Default for Plan {
    fn default() -> Self {
        Self {
            failures: FailureRules::default(),
            within: None,
            extent: Extent::Time(MINUTE),
            minimum: at_least_one(20),
            slow: None,
            open_for: MINUTE,
            growth: 1.0,
            jitter: 0.0,
            longest_open: Duration::from_secs(600),
            trials: NonZeroU32::MIN,
            successes_to_close: NonZeroU32::MIN,
            trials_may_fail: 0,
            open_by: None,
            lease: None,
            ramp: Duration::ZERO,
            count_calls: false,
        }
    }
}

/// The open time as a function of how often the breaker has opened since it was last closed, from 1.
#[derive(Clone)]
pub(crate) struct OpenBy(pub(crate) Arc<dyn Fn(u32) -> Duration + Send + Sync>);

impl OpenBy {
    /// `None` where it is no time, because it is zero or the function panics: the lock of the breaker is held.
    pub(super) fn time(&self, opening: u32) -> Option<Duration> {
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.0)(opening)));
        asked.ok().filter(|time| !time.is_zero())
    }
}

impl fmt::Debug for OpenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenBy")
    }
}

/// The least number of successes that are this share of so many trials.
pub(crate) fn successes_of(share: f64, trials: NonZeroU32) -> NonZeroU32 {
    let trials = trials.get();
    let is_enough = |successes: u32| f64::from(successes) / f64::from(trials) >= share;
    // One off at most, where the product was rounded.
    let near = (share * f64::from(trials)) as u32;
    let found = (near.saturating_sub(1)..=near.saturating_add(1)).find(|count| is_enough(*count));
    at_least_one(found.unwrap_or(trials).min(trials))
}

/// `count`, or one where it is zero.
pub(crate) fn at_least_one(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
}

/// A share within 0 (excluded) and 1; what is no number, or out of bounds, becomes the nearest that is allowed.
pub(crate) fn share(share: f64) -> f64 {
    if share.is_nan() {
        1.0
    } else {
        share.clamp(f64::MIN_POSITIVE, 1.0)
    }
}

impl Plan {
    /// Calls before a rate counts: a window of fewer calls can hold no more than all of them.
    pub(crate) fn minimum_calls(&self) -> u64 {
        let minimum = match self.extent {
            Extent::Calls(calls) => self.minimum.get().min(calls.get()).min(MOST_CALLS),
            Extent::Time(_) => self.minimum.get(),
        };
        minimum.into()
    }

    /// The time of the exact count, or its default where another rule holds.
    pub(crate) fn within(&self) -> Duration {
        self.within.unwrap_or(MINUTE)
    }

    /// The time for which a breaker without calls remembers failures: by the window that has a time, or a minute where
    /// calls are counted and time is not.
    pub(crate) fn memory(&self) -> Duration {
        match self.extent {
            Extent::Time(time) if self.records_every_call() => time.max(self.within()),
            _ => self.within(),
        }
    }

    /// The threshold of the exact count: what was set, or the default where no other rule is.
    pub(crate) fn threshold(&self) -> Option<NonZeroU32> {
        let FailureRules {
            threshold,
            consecutive,
            rate,
        } = self.failures;
        let is_alone = consecutive.is_none() && rate.is_none();
        threshold.or_else(|| is_alone.then(|| at_least_one(5)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn failures_are_remembered_for_the_longest_window_that_counts_them() {
        let rated = FailureRules {
            rate: Some(0.5),
            ..FailureRules::default()
        };
        let plan = |failures: FailureRules, extent: Extent| Plan {
            failures,
            extent,
            within: Some(secs(10)),
            ..Plan::default()
        };
        let calls = Extent::Calls(at_least_one(100));
        for (failures, extent, expected) in [
            (FailureRules::default(), Extent::Time(MINUTE), 10),
            (FailureRules::default(), calls, 10),
            (rated, Extent::Time(secs(300)), 300),
            (rated, Extent::Time(secs(5)), 10),
            (rated, calls, 10),
        ] {
            let plan = plan(failures, extent);
            assert_eq!(plan.memory(), secs(expected), "{plan:?}");
        }
        let slow = Plan {
            slow: Some(SlowRule {
                bound: secs(1),
                share: 0.5,
            }),
            ..plan(FailureRules::default(), Extent::Time(secs(300)))
        };
        assert_eq!(slow.memory(), secs(300));
        assert_eq!(Plan::default().memory(), MINUTE);
    }

    #[test]
    fn a_function_of_the_openings_is_shown_by_its_name() {
        let plan = Plan {
            open_by: Some(OpenBy(Arc::new(|_| MINUTE))),
            ..Plan::default()
        };
        assert!(format!("{plan:?}").contains("open_by: Some(OpenBy)"));
    }
}
