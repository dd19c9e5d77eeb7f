use super::calendar::{Window, Windows};
use super::check::{Check, Fit};
use super::date::Date;
use super::word::Word;

/// Counts in the current window of a calendar. State: the window that was charged last, and the count.
///
/// Built without a date; [`dated`](Self::dated) makes the rule of a request, which knows the window of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CalendarWindow {
    quota: u32,
    windows: &'static Windows,
    current: Window,
    date: Date,
}

impl CalendarWindow {
    pub(super) fn new(quota: u32, windows: &'static Windows) -> Self {
        Self {
            quota,
            windows,
            current: Window::default(),
            date: Date::default(),
        }
    }

    /// The rule of a request that comes at this time of the store.
    pub(super) fn dated(&self, date: Date, now: u64) -> Self {
        Self {
            current: self.windows.at(date.seconds(now)),
            date,
            ..*self
        }
    }

    pub(super) fn words(&self) -> usize {
        2
    }

    /// The window that counts, its used units, and the time for which it goes on.
    ///
    /// A count of the window that follows stands, because a clock that was set back a little must not make room again. One
    /// of a later window comes from a clock that was far from right, and is forgotten: it could refuse for very long.
    fn open(&self, state: &[Word], now: u64) -> (Window, u64, u64) {
        let counted = Window::from_bits(state[0].get());
        let used = state[1].get();
        let stands = (self.current.start()..=self.current.end()).contains(&counted.start());
        let (window, used) = match used > 0 && stands {
            true => (counted, used),
            false => (self.current, 0),
        };
        let left = self.date.nanos(window.end()).saturating_sub(now);
        (window, used, left)
    }

    pub(super) fn check(&self, state: &[Word], now: u64, cost: u64) -> Check {
        let quota = u64::from(self.quota);
        let (_, used, left) = self.open(state, now);
        let after = used.saturating_add(cost);
        if after <= quota {
            return Check {
                fit: Fit::Fits,
                remaining: quota - after,
                reset: if after == 0 { 0 } else { left },
            };
        }
        Check {
            fit: if cost > quota {
                Fit::Never
            } else {
                Fit::Wait(left)
            },
            remaining: quota.saturating_sub(used),
            reset: if used == 0 { 0 } else { left },
        }
    }

    pub(super) fn commit(&self, state: &[Word], now: u64, cost: u64) {
        let (window, used, _) = self.open(state, now);
        state[0].set(window.bits());
        state[1].set(used.saturating_add(cost));
    }

    /// Gives back to the window of the charge alone: by the clock as it was then, whatever it was set to since.
    pub(super) fn refund(&self, state: &[Word], charged_at: u64, cost: u64) {
        let counted = Window::from_bits(state[0].get());
        let charged_at = self.date.seconds(charged_at);
        if (counted.start()..counted.end()).contains(&charged_at) {
            state[1].update(|used| used.saturating_sub(cost));
        }
    }

    /// The time at which the window began that was charged last.
    pub(super) fn began(&self, state: &[Word]) -> u64 {
        match state[1].get() {
            0 => 0,
            _ => self.date.nanos(Window::from_bits(state[0].get()).start()),
        }
    }

    pub(super) fn full_at(&self, state: &[Word]) -> u64 {
        match state[1].get() {
            0 => 0,
            _ => self.date.nanos(Window::from_bits(state[0].get()).end()),
        }
    }

    pub(super) fn quota(&self) -> u32 {
        self.quota
    }

    /// The length of the current window, in nanoseconds; the usual one, where there is no date.
    pub(super) fn window(&self) -> u64 {
        let seconds = match self.current.end() - self.current.start() {
            0 => self.windows.calendar().usual().into(),
            seconds => seconds,
        };
        seconds * 1_000_000_000
    }

    /// Lengths that windows mostly have, in nanoseconds.
    pub(super) fn lengths(&self) -> impl Iterator<Item = u64> + use<> {
        let lengths = self.windows.calendar().lengths().into_iter();
        lengths.map(|seconds| u64::from(seconds) * 1_000_000_000)
    }

    /// This rule for states of the rule `kept`.
    pub(super) fn reading(&self, kept: &Self) -> Option<Self> {
        (self.windows == kept.windows).then_some(*self)
    }

    pub(super) fn scaled(&self, scale: impl Fn(u32) -> u32) -> Self {
        Self {
            quota: scale(self.quota),
            ..*self
        }
    }

    /// The beginnings of the window before the current one, of this, and of the two that follow, in Unix seconds.
    #[cfg(feature = "redis")]
    pub(super) fn around(&self) -> [u64; 4] {
        self.windows.around(self.current)
    }

    #[cfg(feature = "redis")]
    pub(super) fn shape(&self) -> String {
        let calendar = self.windows.calendar();
        format!("c{:?}@{}", calendar.unit, calendar.zone())
    }
}
