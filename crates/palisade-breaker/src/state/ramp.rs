use std::time::Duration;

use palisade_core::time::Instant;

/// Lets a growing share of the calls through after the breaker has closed, so that the waiting crowd does not fell the
/// server again.
///
/// The share grows evenly from a tenth to all. Which calls pass is not left to chance: every call adds the share to a
/// credit, and one credit is one call.
#[derive(Debug)]
pub(crate) struct Ramp {
    started: Instant,
    lasts: Duration,
    credit: f64,
}

/// The decision of the ramp over a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Admit,
    Refuse,
    Over,
}

const FIRST_SHARE: f64 = 0.1;

impl Ramp {
    pub(crate) const fn new(started: Instant, lasts: Duration) -> Self {
        Self {
            started,
            lasts,
            credit: 1.0,
        }
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.started) >= self.lasts
    }

    pub(crate) fn step(&mut self, now: Instant) -> Step {
        if self.is_over(now) {
            return Step::Over;
        }
        let past = now.saturating_duration_since(self.started);
        let share = past.as_secs_f64() / self.lasts.as_secs_f64();
        self.credit += FIRST_SHARE + (1.0 - FIRST_SHARE) * share;
        if self.credit < 1.0 {
            return Step::Refuse;
        }
        self.credit -= 1.0;
        Step::Admit
    }
}

#[cfg(test)]
mod tests {
    use super::Step::{Admit, Refuse};
    use super::*;

    #[test]
    fn the_share_grows_evenly_from_a_tenth_to_all() {
        let start = palisade_core::time::now();
        let mut ramp = Ramp::new(start, Duration::from_secs(10));
        // By hand: a tenth and 0.9 of the time gone, so 0.1, 0.55 and 0.91 of a thousand calls each.
        for (second, admitted) in [(0, 100..=102), (5, 549..=551), (9, 909..=911)] {
            let now = start + Duration::from_secs(second);
            let passed = (0..1_000).filter(|_| ramp.step(now) == Admit).count();
            assert!(admitted.contains(&passed), "{passed} at {second} s");
        }
        assert_eq!(ramp.step(start + Duration::from_secs(10)), Step::Over);
    }

    #[test]
    fn one_credit_is_one_call() {
        let start = palisade_core::time::now();
        let mut ramp = Ramp::new(start, Duration::from_secs(9));
        // 0.1 + 0.9 * 4 / 9 is a half: every other call, after the one that passes at once.
        let steps = [(); 6].map(|()| ramp.step(start + Duration::from_secs(4)));
        assert_eq!(steps, [Admit, Admit, Refuse, Admit, Refuse, Admit]);
    }

    #[test]
    fn the_first_call_passes() {
        let now = palisade_core::time::now();
        assert_eq!(Ramp::new(now, Duration::from_secs(1)).step(now), Admit);
    }
}
