use super::bounds::MAX_EXACT;
use super::check::{Check, Fit};
use super::word::Word;

const MOST: usize = MAX_EXACT as usize;

/// Keeps for each admitted unit the time at which the window lets it go. The order of the words has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExactLog {
    quota: u32,
    /// The number of words: the quota before it was scaled.
    slots: u32,
    pub(super) window: u64,
}

impl ExactLog {
    pub(super) fn new(quota: u32, window: u64) -> Self {
        let quota = quota.min(MAX_EXACT);
        Self {
            quota,
            slots: quota,
            window,
        }
    }

    pub(super) fn words(&self) -> usize {
        self.slots as usize
    }

    fn log<'a>(&self, state: &'a [Word]) -> &'a [Word] {
        &state[..self.words()]
    }

    pub(super) fn check(&self, state: &[Word], now: u64, cost: u64) -> Check {
        let quota = u64::from(self.quota);
        let log = self.log(state);
        let used = log.iter().filter(|release| release.get() > now).count() as u64;
        let after = used.saturating_add(cost);
        let left = self.full_at(state).saturating_sub(now);
        if after <= quota {
            let reset = if cost > 0 {
                self.window.max(left)
            } else {
                left
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
            Fit::Wait(nth_release(log, now, after - quota) - now)
        };
        Check {
            fit,
            remaining: quota.saturating_sub(used),
            reset: left,
        }
    }

    pub(super) fn commit(&self, state: &[Word], now: u64, cost: u64) {
        let release = now.saturating_add(self.window);
        let free = self.log(state).iter().filter(|slot| slot.get() <= now);
        for slot in free.take(usize::try_from(cost).unwrap_or(MOST)) {
            slot.set(release);
        }
    }

    pub(super) fn refund(&self, state: &[Word], charged_at: u64, cost: u64) {
        let release = charged_at.saturating_add(self.window);
        let charged = self.log(state).iter().filter(|slot| slot.get() == release);
        for slot in charged.take(usize::try_from(cost).unwrap_or(MOST)) {
            slot.set(0);
        }
    }

    pub(super) fn full_at(&self, state: &[Word]) -> u64 {
        self.log(state).iter().map(Word::get).max().unwrap_or(0)
    }

    pub(super) fn quota(&self) -> u32 {
        self.quota
    }

    pub(super) fn window(&self) -> u64 {
        self.window
    }

    /// The same quota over a log of as many words as the states have; `None` where it outgrows them.
    pub(super) fn reading(&self, kept: &Self) -> Option<Self> {
        let fits = self.quota <= kept.slots;
        (self.window == kept.window && fits).then_some(Self {
            slots: kept.slots,
            ..*self
        })
    }

    pub(super) fn with_room(&self, scale: impl Fn(u32) -> u32) -> Self {
        Self {
            slots: scale(self.quota).clamp(self.slots, MAX_EXACT),
            ..*self
        }
    }

    /// The number of requests that the log can hold.
    pub(super) fn room(&self) -> u32 {
        self.slots
    }

    pub(super) fn scaled(&self, scale: impl Fn(u32) -> u32) -> Self {
        Self {
            quota: scale(self.quota).min(self.slots),
            ..*self
        }
    }
}

/// The time at which the `n`th of the units that are still held is released, 1 being the next; `now` where there are
/// not so many.
fn nth_release(log: &[Word], now: u64, n: u64) -> u64 {
    let mut held = [u64::MAX; MOST];
    let mut count = 0;
    let releases = log.iter().map(Word::get).filter(|release| *release > now);
    for (slot, release) in held.iter_mut().zip(releases) {
        *slot = release;
        count += 1;
    }
    held[..count].sort_unstable();
    let position = usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
    held[..count].get(position).copied().unwrap_or(now)
}
