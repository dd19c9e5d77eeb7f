use palisade_core::Problems;

use super::bounds::{LONGEST, nanos};
use super::check::{Check, Fit};
use super::rate::{Burst, Rate};
use super::word::Word;

/// By how much one request's time may lie before that of another that was decided sooner: one second, far more than a
/// thread waits between reading the clock and deciding.
const SKEW: u64 = 1_000_000_000;

/// The generic cell rate algorithm: the state is the time at which the bucket is full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenBucket {
    /// Time between two tokens.
    pub(super) interval: u64,
    /// Time to fill the whole bucket.
    pub(super) depth: u64,
    pub(super) burst: u32,
    /// The part of the burst that passes without waiting.
    at_once: u32,
    quota: u32,
    period: u64,
}

impl TokenBucket {
    pub(super) fn new(rate: Rate, burst: Burst, problems: &mut Problems) -> Option<Self> {
        let size = burst.count();
        let bucket = Self::from_numbers(rate.count(), nanos(rate.period()), size, size);
        if bucket
            .interval
            .checked_mul(burst.count().into())
            .is_none_or(|depth| depth > nanos(LONGEST))
        {
            problems.push(
                "burst",
                format!("of {} takes more than 366 days to refill", burst.count()),
            );
            return None;
        }
        Some(bucket)
    }

    fn from_numbers(quota: u32, period: u64, burst: u32, at_once: u32) -> Self {
        let interval = period.div_ceil(u64::from(quota.max(1)));
        Self {
            interval,
            depth: interval.saturating_mul(burst.into()),
            burst,
            at_once,
            quota,
            period,
        }
    }

    /// The same bucket, deeper by what it refills in this time: who takes of that waits until the bucket as it was would
    /// have admitted it. `None` where nothing is refilled in the time, or the bucket would be too deep.
    #[cfg(feature = "wait")]
    pub(super) fn queueing(&self, longest: u64) -> Option<Self> {
        let places = u32::try_from(longest / self.interval).ok()?;
        let burst = self.burst.checked_add(places).filter(|_| places > 0)?;
        let deeper = Self::from_numbers(self.quota, self.period, burst, self.burst);
        (deeper.depth <= nanos(LONGEST)).then_some(deeper)
    }

    /// For how long a request waits that leaves the bucket with this debt.
    #[cfg(feature = "wait")]
    pub(super) fn delay(&self, debt: u64) -> u64 {
        debt.saturating_sub(self.interval.saturating_mul(self.at_once.into()))
    }

    pub(super) fn words(&self) -> usize {
        1
    }

    #[inline]
    pub(super) fn check(&self, state: &[Word], now: u64, cost: u64) -> Check {
        let debt = state[0].get().saturating_sub(now);
        let price = cost.saturating_mul(self.interval);
        let after = debt.saturating_add(price);
        if after <= self.depth {
            return Check {
                fit: Fit::Fits,
                remaining: (self.depth - after) / self.interval,
                reset: after,
            };
        }
        Check {
            fit: if price > self.depth {
                Fit::Never
            } else {
                Fit::Wait(after - self.depth)
            },
            remaining: self.depth.saturating_sub(debt) / self.interval,
            reset: debt,
        }
    }

    #[inline]
    pub(super) fn commit(&self, state: &[Word], now: u64, cost: u64) {
        let price = cost.saturating_mul(self.interval);
        state[0].update(|full_at| full_at.max(now).saturating_add(price));
    }

    pub(super) fn refund(&self, state: &[Word], _charged_at: u64, cost: u64) {
        let price = cost.saturating_mul(self.interval);
        state[0].update(|full_at| full_at.saturating_sub(price));
    }

    /// A debt of more than a whole bucket comes from other numbers: it ends when a whole bucket would.
    pub(super) fn bound(&self, state: &[Word], now: u64) {
        let most = now.saturating_add(self.depth);
        if state[0].get() > most.saturating_add(SKEW) {
            state[0].set(most);
        }
    }

    #[inline]
    pub(super) fn full_at(&self, state: &[Word]) -> u64 {
        state[0].get()
    }

    pub(super) fn quota(&self) -> u32 {
        self.quota
    }

    pub(super) fn window(&self) -> u64 {
        self.period
    }

    pub(super) fn scaled(&self, scale: impl Fn(u32) -> u32) -> Self {
        let (burst, at_once) = (scale(self.burst), scale(self.at_once));
        Self::from_numbers(scale(self.quota), self.period, burst, at_once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{burst, per_second};

    #[test]
    fn a_debt_ends_with_a_bucket_unless_a_request_of_the_next_second_can_have_made_it() {
        let mut problems = Problems::none();
        let bucket = TokenBucket::new(per_second(10), burst(20), &mut problems).unwrap();
        let (now, depth) = (5_000_000_000, 2_000_000_000);
        for (debt, bounded) in [
            (0, 0),
            (depth, depth),
            // One who came a second later by the clock, and was decided sooner, took all of the bucket.
            (depth + 1_000_000_000, depth + 1_000_000_000),
            (depth + 1_000_000_001, depth),
            (100 * depth, depth),
        ] {
            let state = [Word::new(now + debt)];
            bucket.bound(&state, now);
            assert_eq!(bucket.full_at(&state), now + bounded, "{debt}");
        }
    }
}
