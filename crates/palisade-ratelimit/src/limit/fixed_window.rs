use super::check::{Check, Fit};
use super::word::Word;

/// Counts from a key's first request to the end of its window. State: when the window began, and the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FixedWindow {
    quota: u32,
    pub(super) window: u64,
}

impl FixedWindow {
    pub(super) fn new(quota: u32, window: u64) -> Self {
        Self { quota, window }
    }

    pub(super) fn words(&self) -> usize {
        2
    }

    /// The units that were used in the window that is open now, and the time for which it stays open.
    fn open(&self, state: &[Word], now: u64) -> (u64, u64) {
        let left = self.full_at(state).saturating_sub(now);
        if left == 0 {
            (0, 0)
        } else {
            (state[1].get(), left)
        }
    }

    pub(super) fn check(&self, state: &[Word], now: u64, cost: u64) -> Check {
        let quota = u64::from(self.quota);
        let (used, left) = self.open(state, now);
        let after = used.saturating_add(cost);
        if after <= quota {
            let reset = if used == 0 && cost > 0 {
                self.window
            } else {
                left
            };
            return Check {
                fit: Fit::Fits,
                remaining: quota - after,
                reset,
            };
        }
        Check {
            fit: if cost > quota {
                Fit::Never
            } else {
                Fit::Wait(left)
            },
            remaining: quota.saturating_sub(used),
            reset: left,
        }
    }

    pub(super) fn commit(&self, state: &[Word], now: u64, cost: u64) {
        if self.open(state, now).0 == 0 {
            state[0].set(now);
            state[1].set(0);
        }
        state[1].update(|used| used.saturating_add(cost));
    }

    pub(super) fn refund(&self, state: &[Word], charged_at: u64, cost: u64) {
        // A window that began after the charge, or ended before it, has nothing of it.
        if (self.began(state)..self.full_at(state)).contains(&charged_at) {
            state[1].update(|used| used.saturating_sub(cost));
        }
    }

    /// The time at which the window began that was charged last.
    pub(super) fn began(&self, state: &[Word]) -> u64 {
        if state[1].get() == 0 {
            0
        } else {
            state[0].get()
        }
    }

    pub(super) fn full_at(&self, state: &[Word]) -> u64 {
        if state[1].get() == 0 {
            0
        } else {
            state[0].get().saturating_add(self.window)
        }
    }

    pub(super) fn quota(&self) -> u32 {
        self.quota
    }

    pub(super) fn window(&self) -> u64 {
        self.window
    }

    pub(super) fn scaled(&self, scale: impl Fn(u32) -> u32) -> Self {
        Self::new(scale(self.quota), self.window)
    }
}
