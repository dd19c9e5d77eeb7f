//! The life of a token or a lease, and the decisions about its end.

use std::time::Duration;

use palisade_core::time::Instant;

/// The time for which something was granted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Life {
    /// `None` for what has no end.
    end: Option<Instant>,
    /// The time that was granted first, which a renewal gives again until the longest life is near.
    full: Duration,
    renewable: bool,
    /// Attempts that failed since it was granted.
    failures: u8,
    /// The time to do something about it.
    act_at: Option<Instant>,
}

/// The action that an end asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask for more time.
    Renew,
    /// Get another one: it cannot be renewed, or is near its longest life.
    Replace,
}

/// After so many failed renewals in a row another one is had: a server may be well and yet never renew.
const MOST_FAILURES: u8 = 3;

/// The least time between two attempts.
const LEAST_PAUSE: Duration = Duration::from_millis(500);

impl Life {
    /// A life of `time`, or without end if that is 0. `jitter`, 0 to 1, spreads what many instances do over the last
    /// tenth of the two thirds.
    pub(super) fn new(now: Instant, time: Duration, renewable: bool, jitter: f64) -> Self {
        Self::granted(now, time, time, renewable, jitter)
    }

    /// The life after a renewal that granted `time`.
    pub(super) fn renewed(
        self,
        now: Instant,
        time: Duration,
        renewable: bool,
        jitter: f64,
    ) -> Self {
        // A renewal near the longest life grants what is left of it.
        let near_its_longest = time < self.full.mul_f64(2.0 / 3.0);
        Self::granted(now, time, self.full, renewable && !near_its_longest, jitter)
    }

    fn granted(now: Instant, time: Duration, full: Duration, renewable: bool, jitter: f64) -> Self {
        let ahead = time.mul_f64((2.0 / 3.0) * (1.0 - 0.1 * jitter.clamp(0.0, 1.0)));
        // An end that no clock can tell is none.
        let end = now.checked_add(time).filter(|_| !time.is_zero());
        Self {
            end,
            full,
            renewable,
            failures: 0,
            act_at: end.and_then(|_| now.checked_add(ahead)),
        }
    }

    /// The life after an attempt that failed: the next one comes after a quarter of what is left. After the end nothing
    /// is left to be done.
    pub(super) fn postponed(self, now: Instant) -> Self {
        let left = self.left(now).filter(|left| !left.is_zero());
        Self {
            failures: self.failures.saturating_add(1),
            act_at: left.map(|left| now + (left / 4).max(LEAST_PAUSE)),
            ..self
        }
    }

    /// The life of what cannot be helped: it lasts as long as it lasts.
    pub(super) fn left_alone(self) -> Self {
        Self {
            act_at: None,
            renewable: false,
            ..self
        }
    }

    pub(super) fn act_at(&self) -> Option<Instant> {
        self.act_at
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.act_at.is_some_and(|at| now >= at)
    }

    pub(super) fn next(&self) -> Next {
        if self.renewable && self.failures < MOST_FAILURES {
            Next::Renew
        } else {
            Next::Replace
        }
    }

    /// The time that was granted first.
    pub(super) fn full(&self) -> Duration {
        self.full
    }

    /// The time that is left; `None` if it has no end.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        self.end.map(|end| end.saturating_duration_since(now))
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| now >= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn it_is_renewed_at_two_thirds_and_replaced_near_its_longest() {
        let start = palisade_core::time::now();
        // 60 s at a time, and 100 s in all.
        let first = Life::new(start, secs(60), true, 0.0);
        assert_eq!(first.act_at(), Some(start + secs(40)));
        assert!(!first.is_due(start + secs(39)) && first.is_due(start + secs(40)));
        assert_eq!(first.next(), Next::Renew);

        let second = first.renewed(start + secs(40), secs(60), true, 0.0);
        assert_eq!(
            (second.act_at(), second.next()),
            (Some(start + secs(80)), Next::Renew)
        );

        let last = second.renewed(start + secs(80), secs(20), true, 0.0);
        assert_eq!(last.next(), Next::Replace);
        let at = last.act_at().unwrap();
        assert!(
            at > start + secs(93) && at < start + secs(94),
            "two thirds of the last 20 s"
        );
        assert!(!last.is_over(at) && last.is_over(start + secs(100)));
    }

    #[test]
    fn jitter_brings_it_forward_by_a_tenth_at_most() {
        let start = palisade_core::time::now();
        let early = Life::new(start, secs(60), true, 1.0).act_at().unwrap();
        assert_eq!(early, start + secs(36));
        assert_eq!(Life::new(start, secs(60), true, 9.0).act_at(), Some(early));
    }

    #[test]
    fn what_cannot_be_renewed_is_replaced_and_what_has_no_end_is_left_alone() {
        let start = palisade_core::time::now();
        assert_eq!(Life::new(start, secs(60), false, 0.0).next(), Next::Replace);
        for endless in [Duration::ZERO, Duration::MAX] {
            let life = Life::new(start, endless, true, 0.0);
            assert_eq!((life.act_at(), life.left(start)), (None, None));
            assert!(!life.is_over(start + secs(1 << 30)));
        }
    }

    #[test]
    fn a_failed_attempt_is_made_again_until_the_end() {
        let start = palisade_core::time::now();
        let life = Life::new(start, secs(60), true, 0.0);
        let after = life.postponed(start + secs(40));
        assert_eq!(
            (after.act_at(), after.next()),
            (Some(start + secs(45)), Next::Renew)
        );
        let twice = after.postponed(start + secs(45));
        assert_eq!(twice.next(), Next::Renew);
        assert_eq!(twice.postponed(start + secs(49)).next(), Next::Replace);
        assert_eq!(life.postponed(start + secs(60)).act_at(), None);
        let soon = life.postponed(start + Duration::from_millis(59_900));
        assert_eq!(soon.act_at(), Some(start + Duration::from_millis(60_400)));
    }
}
