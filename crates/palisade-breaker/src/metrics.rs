//! Counts through the `metrics` facade, or does not.

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
    use crate::{Reason, State, metric_names};

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
            let make =
                || counter!(metric_names::CALLS, "name" => name.as_str(), "outcome" => outcome);
            counter.get_or_init(make).increment(1);
        }

        pub(crate) fn rejected(&self, name: Name, reason: Reason) {
            let make = || counter!(metric_names::REJECTED, "name" => name.as_str(), "reason" => reason.as_str());
            if reason == Reason::Open {
                self.open.get_or_init(make).increment(1);
            } else {
                make().increment(1);
            }
        }

        // Rare enough to be looked up each time.

        /// `is_only`: no other breaker bears this name, so that the name has a state.
        pub(crate) fn transition(&self, name: Name, to: State, is_only: bool) {
            counter!(metric_names::TRANSITIONS, "name" => name.as_str(), "to" => to.as_str())
                .increment(1);
            if is_only {
                self.state(name, to);
            }
        }

        pub(crate) fn state(&self, name: Name, state: State) {
            let number = match state {
                State::Closed => 0.0,
                State::HalfOpen => 1.0,
                State::Open => 2.0,
                State::ForcedOpen => 3.0,
                State::Disabled => 4.0,
                State::MetricsOnly => 5.0,
            };
            gauge!(metric_names::STATE, "name" => name.as_str()).set(number);
        }

        pub(crate) fn would_trip(&self, name: Name) {
            counter!(metric_names::WOULD_TRIP, "name" => name.as_str()).increment(1);
        }

        pub(crate) fn unguarded(&self, name: Name) {
            counter!(metric_names::UNGUARDED, "name" => name.as_str()).increment(1);
        }

        pub(crate) fn lease_lost(&self, name: Name) {
            counter!(metric_names::LEASES_LOST, "name" => name.as_str()).increment(1);
        }
    }

    #[cfg(feature = "retry")]
    pub(crate) fn retry(outcome: &'static str) {
        counter!(metric_names::RETRIES, "outcome" => outcome).increment(1);
    }

    #[cfg(feature = "redis")]
    pub(crate) fn shared(name: Name, outcome: &'static str) {
        counter!(metric_names::SHARED, "name" => name.as_str(), "outcome" => outcome).increment(1);
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

        pub(crate) const fn state(&self, _: Name, _: State) {}

        pub(crate) const fn would_trip(&self, _: Name) {}

        pub(crate) const fn unguarded(&self, _: Name) {}

        pub(crate) const fn lease_lost(&self, _: Name) {}
    }

    #[cfg(feature = "retry")]
    pub(crate) const fn retry(_: &'static str) {}

    #[cfg(feature = "redis")]
    pub(crate) const fn shared(_: Name, _: &'static str) {}
}
