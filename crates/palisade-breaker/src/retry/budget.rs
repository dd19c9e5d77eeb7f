use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use palisade_core::time::{self, Instant};

/// Retries as an exact share of the calls, and a reserve besides, both over the last ten seconds.
///
/// It counts calls and retries in ten slices of a second, so what is counted is never older than that.
#[derive(Debug)]
pub(super) struct Budget {
    /// Millionths of a retry that a call is worth.
    call: u64,
    /// Millionths of a retry of the reserve, over the whole time.
    reserve: u64,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    slices: [Slice; SLICES],
    /// The slice that is being written, and when it began.
    current: usize,
    since: Instant,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    calls: u64,
    retries: u64,
}

const SLICES: usize = 10;

/// A retry, in the unit that shares are rounded to.
const RETRY: u64 = 1_000_000;

impl Budget {
    /// A share of the calls, and so many retries a second.
    pub(super) fn new(share: f32, reserve: u32) -> Self {
        Self {
            // As close to what was written down as the unit allows; what is no number is none.
            call: (f64::from(share) * RETRY as f64).round() as u64,
            reserve: u64::from(reserve) * RETRY * SLICES as u64,
            counts: Mutex::new(Counts {
                slices: [Slice::default(); SLICES],
                current: 0,
                since: time::now(),
            }),
        }
    }

    /// Counts a call.
    pub(super) fn deposit(&self) {
        let now = time::now();
        self.counts().slide(now).calls += 1;
    }

    /// Counts a retry, if there is one left.
    pub(super) fn withdraw(&self) -> bool {
        let now = time::now();
        let mut counts = self.counts();
        counts.slide(now);
        let [calls, retries] = counts
            .slices
            .iter()
            .fold([0, 0], |[calls, retries], slice| {
                [calls + slice.calls, retries + slice.retries]
            });
        let earned = calls.saturating_mul(self.call).saturating_add(self.reserve);
        let is_left = (retries + 1).saturating_mul(RETRY) <= earned;
        let current = counts.current;
        counts.slices[current].retries += u64::from(is_left);
        is_left
    }

    /// Whether it counts nothing any more, so that a new one would be the same.
    pub(super) fn is_unused(&self, now: Instant) -> bool {
        let mut counts = self.counts();
        counts.slide(now);
        counts
            .slices
            .iter()
            .all(|slice| slice.calls == 0 && slice.retries == 0)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Forgets what is too old, and answers the slice of now.
    fn slide(&mut self, now: Instant) -> &mut Slice {
        let past = now.saturating_duration_since(self.since).as_secs();
        for _ in 0..past.min(SLICES as u64) {
            self.current = (self.current + 1) % SLICES;
            self.slices[self.current] = Slice::default();
        }
        self.since += Duration::from_secs(past);
        &mut self.slices[self.current]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_unused_while_it_counts_neither_calls_nor_retries() {
        let now = time::now();
        let budget = Budget::new(0.2, 1);
        assert!(budget.is_unused(now));
        budget.deposit();
        assert!(!budget.is_unused(now), "a call");
        let budget = Budget::new(0.2, 1);
        assert!(budget.withdraw());
        assert!(!budget.is_unused(now), "a retry");
    }

    #[test]
    fn what_is_counted_counts_for_nine_seconds_and_never_for_ten() {
        let start = time::now();
        // Times in halves of a second: a call, then a retry, then a look.
        let each = |from: u32| from..=from + 23;
        for call in each(0) {
            for retry in each(call) {
                for look in each(retry) {
                    let at = |halves: u32| start + Duration::from_millis(500) * halves;
                    let mut counts = Counts {
                        slices: [Slice::default(); SLICES],
                        current: 0,
                        since: start,
                    };
                    counts.slide(at(call)).calls += 1;
                    counts.slide(at(retry)).retries += 1;
                    counts.slide(at(look));
                    let calls: u64 = counts.slices.iter().map(|slice| slice.calls).sum();
                    let retries: u64 = counts.slices.iter().map(|slice| slice.retries).sum();
                    for (age, counted) in [(look - call, calls), (look - retry, retries)] {
                        let expected = if age < 18 {
                            1..=1
                        } else {
                            0..=u64::from(age < 20)
                        };
                        assert!(expected.contains(&counted), "{call} {retry} {look}");
                    }
                }
            }
        }
    }
}
