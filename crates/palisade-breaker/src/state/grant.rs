use std::time::Duration;

use super::trials::FIRST_TRIAL;
use super::{Cause, Reason, State};

/// A grant to make one call, which must be settled or cancelled.
///
/// One word, because it is moved with every call: the epoch above, and below it nothing for a call that is not counted,
/// one for a call that is, or the number of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant(u64);

impl Grant {
    /// Nothing is counted.
    pub(crate) const FREE: Self = Self(0);

    /// Counted while the epoch lasts.
    #[inline]
    pub(crate) const fn counted(epoch: u32) -> Self {
        Self((epoch as u64) << 32 | 1)
    }

    /// Decides over open and closed.
    pub(crate) const fn trial(epoch: u32, number: u32) -> Self {
        Self((epoch as u64) << 32 | number as u64)
    }

    #[inline]
    pub(crate) const fn is_free(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) const fn is_counted(self) -> bool {
        self.number() == 1
    }

    pub(crate) const fn is_trial(self) -> bool {
        self.number() >= FIRST_TRIAL
    }

    #[inline]
    pub(crate) const fn epoch(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(crate) const fn number(self) -> u32 {
        self.0 as u32
    }
}

/// The start of a call, in nanoseconds after the breaker was made, plus one; zero where its duration does not matter. A
/// word again, like the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Started(u64);

impl Started {
    pub(crate) const UNKNOWN: Self = Self(0);

    pub(crate) const fn at(nanos: u64) -> Self {
        Self(nanos.saturating_add(1))
    }

    /// The nanoseconds up to these after the breaker was made, unless nobody asked when the call began.
    pub(crate) const fn until(self, nanos: u64) -> Option<u64> {
        match self.0.checked_sub(1) {
            Some(began) => Some(nanos.saturating_sub(began)),
            None => None,
        }
    }
}

/// The arrival of a response's head, in nanoseconds after the breaker was made, with whether it came as late as a slow
/// call's in the lowest bit; zero where durations do not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head(u64);

impl Head {
    pub(crate) const UNKNOWN: Self = Self(0);

    pub(crate) fn new(nanos: u64, slow: bool) -> Self {
        // A bit of time is lost beyond three centuries.
        Self(nanos.clamp(1, u64::MAX >> 1) << 1 | u64::from(slow))
    }

    pub(crate) const fn is_slow(self) -> bool {
        self.0 & 1 == 1
    }

    /// Nanoseconds after the breaker was made.
    pub(crate) fn nanos(self) -> Option<u64> {
        (self != Self::UNKNOWN).then_some(self.0 >> 1)
    }
}

/// A refusal. Two words, which stay in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    /// Nanoseconds, or [`UNKNOWN`](Self::UNKNOWN).
    wait: u64,
}

impl Refusal {
    const UNKNOWN: u64 = u64::MAX;

    pub(crate) fn new(reason: Reason, retry_after: Option<Duration>) -> Self {
        match retry_after.and_then(|wait| u64::try_from(wait.as_nanos()).ok()) {
            Some(wait) => Self::of_nanos(reason, wait),
            None => Self::for_now(reason),
        }
    }

    /// For an unknown time.
    pub(crate) const fn for_now(reason: Reason) -> Self {
        Self {
            reason,
            wait: Self::UNKNOWN,
        }
    }

    /// For so many nanoseconds.
    pub(crate) const fn of_nanos(reason: Reason, wait: u64) -> Self {
        Self { reason, wait }
    }

    #[inline]
    pub(crate) fn retry_after(self) -> Option<Duration> {
        (self.wait != Self::UNKNOWN).then(|| Duration::from_nanos(self.wait))
    }
}

/// The outcome of a granted call, or its cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    /// With how long the server asked to be left alone.
    Failure(Option<Duration>),
    /// It says nothing about the server.
    Ignored,
    /// Dropped before it ended.
    Cancelled,
}

/// An event for the observers, who are called once the lock is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MachineEvent {
    Transition {
        from: State,
        to: State,
        cause: Cause,
        open_for: Option<Duration>,
    },
    Trial,
    LeaseLost,
    WouldTrip,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_keeps_its_time_and_whether_it_was_slow() {
        for nanos in [1, 2, 3, 1_000_000_007, u64::MAX >> 1] {
            for slow in [false, true] {
                let head = Head::new(nanos, slow);
                assert_eq!((head.nanos(), head.is_slow()), (Some(nanos), slow));
            }
        }
        assert_eq!(Head::UNKNOWN.nanos(), None);
        assert!(!Head::UNKNOWN.is_slow());
        // The breaker's first nanosecond stands for its beginning, which would look like no time.
        assert_eq!(Head::new(0, false).nanos(), Some(1));
    }
}
