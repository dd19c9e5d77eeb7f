//! What is counted through the `metrics` facade, behind the feature of that name. No label takes an unbounded value:
//! breakers of keys share the name of their layer.

/// Transitions, by `name` and `to`.
pub const TRANSITIONS: &str = "palisade_breaker_transitions_total";
/// Calls refused, by `name` and `reason`.
pub const REJECTED: &str = "palisade_breaker_rejected_total";
/// Calls by `name` and `outcome`: `failure`, `ignored`, `cancelled`, and `success` where every call is recorded; see
/// [`BreakerLayer::count_calls`](crate::BreakerLayer::count_calls).
pub const CALLS: &str = "palisade_breaker_calls_total";
/// Calls that passed without a breaker, for want of room among the keys, by `name`.
pub const UNGUARDED: &str = "palisade_breaker_unguarded_total";
/// Trials that did not settle in time, by `name`.
pub const LEASES_LOST: &str = "palisade_breaker_leases_lost_total";
/// The state, by `name`: 0 closed, 1 half-open, 2 open, 3 forced open, 4 disabled, 5 metrics only. Not of breakers by
/// key, of which many bear one name.
pub const STATE: &str = "palisade_breaker_state";
/// Retries, by `outcome`: `retried`, or why not: `budget_spent`, `body_lost`.
pub const RETRIES: &str = "palisade_breaker_retries_total";
/// News of peers by `name` and `outcome`: `published`, `heard`, `delayed` where there was more of it than the task kept up
/// with, `lost` with the connection, `refused` where Redis would not note it.
pub const SHARED: &str = "palisade_breaker_shared_total";

#[cfg(not(feature = "metrics"))]
pub(crate) use self::off::Counters;
#[cfg(all(not(feature = "metrics"), feature = "retry"))]
pub(crate) use self::off::retry;
#[cfg(all(not(feature = "metrics"), feature = "redis"))]
pub(crate) use self::off::shared;
#[cfg(feature = "metrics")]
pub(crate) use self::on::Counters;
#[cfg(all(feature = "metrics", feature = "retry"))]
pub(crate) use self::on::retry;
#[cfg(all(feature = "metrics", feature = "redis"))]
pub(crate) use self::on::shared;

#[cfg(feature = "metrics")]
mod on {
    use std::fmt;
    use std::sync::OnceLock;

    use metrics::{Counter, counter, gauge};
    use palisade_core::Name;

    use crate::state::grant::Verdict;
    use crate::{Reason, State};

    /// Handles are made at the first use and not before, because only then is the recorder sure to be installed.
    #[derive(Default)]
    pub(crate) struct Counters {
        success: OnceLock<Counter>,
        failure: OnceLock<Counter>,
        ignored: OnceLock<Counter>,
        cancelled: OnceLock<Counter>,
        open: OnceLock<Counter>,
    }

    impl Counters {
        pub(crate) fn call(&self, name: Name, verdict: Verdict) {
            let (counter, outcome) = match verdict {
                Verdict::Success => (&self.success, "success"),
                Verdict::Failure(_) => (&self.failure, "failure"),
                Verdict::Ignored => (&self.ignored, "ignored"),
                Verdict::Cancelled => (&self.cancelled, "cancelled"),
            };
            let make = || counter!(super::CALLS, "name" => name.as_str(), "outcome" => outcome);
            counter.get_or_init(make).increment(1);
        }

        pub(crate) fn rejected(&self, name: Name, reason: Reason) {
            let make =
                || counter!(super::REJECTED, "name" => name.as_str(), "reason" => reason.as_str());
            if reason == Reason::Open {
                self.open.get_or_init(make).increment(1);
            } else {
                make().increment(1);
            }
        }

        // Rare enough to be looked up each time.

        /// `is_only`: no other breaker bears this name, so that the name has a state.
        pub(crate) fn transition(&self, name: Name, to: State, is_only: bool) {
            counter!(super::TRANSITIONS, "name" => name.as_str(), "to" => to.as_str()).increment(1);
            if !is_only {
                return;
            }
            let number = match to {
                State::Closed => 0.0,
                State::HalfOpen => 1.0,
                State::Open => 2.0,
                State::ForcedOpen => 3.0,
                State::Disabled => 4.0,
                State::MetricsOnly => 5.0,
            };
            gauge!(super::STATE, "name" => name.as_str()).set(number);
        }

        pub(crate) fn unguarded(&self, name: Name) {
            counter!(super::UNGUARDED, "name" => name.as_str()).increment(1);
        }

        pub(crate) fn lease_lost(&self, name: Name) {
            counter!(super::LEASES_LOST, "name" => name.as_str()).increment(1);
        }
    }

    #[cfg(feature = "retry")]
    pub(crate) fn retry(outcome: &'static str) {
        counter!(super::RETRIES, "outcome" => outcome).increment(1);
    }

    #[cfg(feature = "redis")]
    pub(crate) fn shared(name: Name, outcome: &'static str) {
        counter!(super::SHARED, "name" => name.as_str(), "outcome" => outcome).increment(1);
    }

    impl fmt::Debug for Counters {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Counters")
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod off {
    use palisade_core::Name;

    use crate::state::grant::Verdict;
    use crate::{Reason, State};

    /// Nothing is counted without the feature.
    #[derive(Debug, Default)]
    pub(crate) struct Counters;

    impl Counters {
        pub(crate) const fn call(&self, _: Name, _: Verdict) {}

        pub(crate) const fn rejected(&self, _: Name, _: Reason) {}

        pub(crate) const fn transition(&self, _: Name, _: State, _: bool) {}

        pub(crate) const fn unguarded(&self, _: Name) {}

        pub(crate) const fn lease_lost(&self, _: Name) {}
    }

    #[cfg(feature = "retry")]
    pub(crate) const fn retry(_: &'static str) {}

    #[cfg(feature = "redis")]
    pub(crate) const fn shared(_: Name, _: &'static str) {}
}
