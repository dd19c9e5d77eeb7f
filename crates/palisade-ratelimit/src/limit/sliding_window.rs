use super::check::{Check, Fit};
use super::word::Word;

/// Into how many steps the window is cut.
const STEPS: u64 = 16;
/// A trailing window touches one step more than it is long.
const LANES: u64 = STEPS + 1;

/// Counts by steps of a sixteenth of the window.
///
/// State: the number of the newest step, the sum over all lanes, and the count of each of the last 17 steps, packed.
/// The lane of a step is its number modulo 17. The oldest step, of which only a part lies in the trailing window, is
/// counted in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlidingWindow {
    quota: u32,
    window: u64,
    pub(super) step: u64,
    packing: Packing,
}

/// The width of a lane. No lane ever holds more than the quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Narrow,
    Wide,
}

impl Packing {
    const fn of(quota: u32) -> Self {
        if quota <= u16::MAX as u32 {
            Self::Narrow
        } else {
            Self::Wide
        }
    }

    /// The lanes of a word, as a power of two: a division by one of two numbers is not made a shift.
    const fn lanes_log2(self) -> u64 {
        match self {
            Self::Narrow => 2,
            Self::Wide => 1,
        }
    }

    const fn bits(self) -> u64 {
        64 >> self.lanes_log2()
    }

    const fn most(self) -> u64 {
        (1 << self.bits()) - 1
    }
}

const NEWEST: usize = 0;
const SUM: usize = 1;
const FIRST_LANE: usize = 2;

impl SlidingWindow {
    pub(super) fn new(quota: u32, window: u64) -> Self {
        Self {
            quota,
            window,
            step: window.div_ceil(STEPS),
            packing: Packing::of(quota),
        }
    }

    pub(super) fn words(&self) -> usize {
        let log2 = self.packing.lanes_log2();
        // The lane of the number `STEPS` is the last.
        FIRST_LANE + (STEPS >> log2) as usize + 1
    }

    fn place(&self, step: u64) -> (usize, u64) {
        let lane = step % LANES;
        let log2 = self.packing.lanes_log2();
        let within = lane & ((1 << log2) - 1);
        (
            FIRST_LANE + (lane >> log2) as usize,
            within * self.packing.bits(),
        )
    }

    fn count(&self, state: &[Word], step: u64) -> u64 {
        let (word, shift) = self.place(step);
        state[word].get() >> shift & self.packing.most()
    }

    fn set_count(&self, state: &[Word], step: u64, count: u64) {
        let (word, shift) = self.place(step);
        let most = self.packing.most();
        state[word].update(|lanes| lanes & !(most << shift) | count.min(most) << shift);
    }

    fn add(&self, state: &[Word], step: u64, cost: u64) {
        let (word, shift) = self.place(step);
        let most = self.packing.most();
        state[word].update(|lanes| {
            let count = (lanes >> shift & most).saturating_add(cost).min(most);
            lanes & !(most << shift) | count << shift
        });
    }

    /// The steps whose lanes must be emptied before `step` can be the newest.
    fn stale(newest: u64, step: u64) -> impl Iterator<Item = u64> {
        let first = (newest + 1).max((step + 1).saturating_sub(LANES));
        first..step + 1
    }

    fn used(&self, state: &[Word], step: u64) -> u64 {
        let expired: u64 = Self::stale(state[NEWEST].get(), step)
            .map(|stale| self.count(state, stale))
            .sum();
        state[SUM].get().saturating_sub(expired)
    }

    /// The time from which the requests of this step do not count.
    fn release(&self, step: u64) -> u64 {
        (step + LANES).saturating_mul(self.step)
    }

    /// The time at which the newest step began.
    pub(super) fn newest(&self, state: &[Word]) -> u64 {
        state[NEWEST].get().saturating_mul(self.step)
    }

    /// The step of `now`; never before the newest, when two threads read the clock in one order and came in the other.
    fn step_of(&self, state: &[Word], now: u64) -> u64 {
        (now / self.step).max(state[NEWEST].get())
    }

    pub(super) fn check(&self, state: &[Word], now: u64, cost: u64) -> Check {
        let quota = u64::from(self.quota);
        let step = self.step_of(state, now);
        let used = self.used(state, step);
        let after = used.saturating_add(cost);
        let left = || self.full_at(state).saturating_sub(now);
        if after <= quota {
            let reset = if cost > 0 {
                self.release(step).saturating_sub(now)
            } else {
                left()
            };
            return Check {
                fit: Fit::Fits,
                remaining: quota - after,
                reset,
            };
        }
        let fit = if cost > quota {
            Fit::Never
        } else {
            Fit::Wait(self.wait(state, now, step, after - quota))
        };
        Check {
            fit,
            remaining: quota.saturating_sub(used),
            reset: left(),
        }
    }

    /// The time until the oldest steps have released `surplus`.
    fn wait(&self, state: &[Word], now: u64, step: u64, surplus: u64) -> u64 {
        let mut released = 0;
        for held in (step + 1).saturating_sub(LANES)..=state[NEWEST].get() {
            released += self.count(state, held);
            if released >= surplus {
                return self.release(held).saturating_sub(now);
            }
        }
        self.release(step).saturating_sub(now)
    }

    pub(super) fn commit(&self, state: &[Word], now: u64, cost: u64) {
        let step = self.step_of(state, now);
        let newest = state[NEWEST].get();
        if step > newest {
            state[SUM].set(self.used(state, step));
            for stale in Self::stale(newest, step) {
                self.set_count(state, stale, 0);
            }
            state[NEWEST].set(step);
        }
        state[SUM].update(|sum| sum.saturating_add(cost));
        self.add(state, step, cost);
    }

    pub(super) fn refund(&self, state: &[Word], charged_at: u64, cost: u64) {
        let step = charged_at / self.step;
        let newest = state[NEWEST].get();
        if step > newest || step + LANES <= newest {
            return;
        }
        let count = self.count(state, step);
        let given_back = count.min(cost);
        self.set_count(state, step, count - given_back);
        state[SUM].update(|sum| sum.saturating_sub(given_back));
    }

    pub(super) fn full_at(&self, state: &[Word]) -> u64 {
        if state[SUM].get() == 0 {
            return 0;
        }
        let newest = state[NEWEST].get();
        if self.count(state, newest) > 0 {
            return self.release(newest);
        }
        // A step whose charges were all given back counts nothing.
        let mut steps = (1..LANES).map(|age| newest.saturating_sub(age));
        let last = steps.find(|step| self.count(state, *step) > 0);
        self.release(last.unwrap_or(newest))
    }

    pub(super) fn quota(&self) -> u32 {
        self.quota
    }

    pub(super) fn window(&self) -> u64 {
        self.window
    }

    /// The same quota over lanes of the width that the states have; `None` where it outgrows them.
    pub(super) fn reading(&self, kept: &Self) -> Option<Self> {
        let fits = u64::from(self.quota) <= kept.packing.most();
        (self.window == kept.window && fits).then_some(Self {
            packing: kept.packing,
            ..*self
        })
    }

    pub(super) fn with_room(&self, scale: impl Fn(u32) -> u32) -> Self {
        Self {
            packing: Packing::of(self.quota.max(scale(self.quota))),
            ..*self
        }
    }

    /// The most that a lane can hold.
    pub(super) fn room(&self) -> u32 {
        u32::try_from(self.packing.most()).unwrap_or(u32::MAX)
    }

    /// Keeps the width of the lanes, which the state has already: a quota that outgrows them is brought down.
    pub(super) fn scaled(&self, scale: impl Fn(u32) -> u32) -> Self {
        Self {
            quota: scale(self.quota).min(self.room()),
            ..*self
        }
    }
}
