use std::num::NonZeroU32;

#[cfg(feature = "calendar")]
use super::calendar_window::CalendarWindow;
use super::check::Check;
use super::date::Date;
use super::exact_log::ExactLog;
use super::fixed_window::FixedWindow;
use super::sliding_window::SlidingWindow;
use super::token_bucket::TokenBucket;
use super::word::Word;

/// A limit, ready to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    TokenBucket(TokenBucket),
    FixedWindow(FixedWindow),
    SlidingWindow(SlidingWindow),
    ExactLog(ExactLog),
    #[cfg(feature = "calendar")]
    Calendar(CalendarWindow),
}

macro_rules! each {
    ($rule:expr, $inner:ident => $call:expr) => {
        match $rule {
            Rule::TokenBucket($inner) => $call,
            Rule::FixedWindow($inner) => $call,
            Rule::SlidingWindow($inner) => $call,
            Rule::ExactLog($inner) => $call,
            #[cfg(feature = "calendar")]
            Rule::Calendar($inner) => $call,
        }
    };
}

impl Rule {
    /// The number of words of state that a key needs.
    pub(crate) fn words(&self) -> usize {
        each!(self, rule => rule.words())
    }

    /// Assesses a request of this cost now.
    #[inline(always)]
    pub(crate) fn check(&self, state: &[Word], now: u64, cost: u64) -> Check {
        each!(self, rule => rule.check(state, now, cost))
    }

    /// Charges a cost that [`check`](Self::check) found to fit at the same time in the same state.
    #[inline]
    pub(crate) fn commit(&self, state: &[Word], now: u64, cost: u64) {
        each!(self, rule => rule.commit(state, now, cost));
    }

    /// The same bucket with places to wait in; `None` for everything else, and where there is no place.
    #[cfg(feature = "wait")]
    pub(crate) fn queueing(&self, longest: u64) -> Option<Self> {
        match self {
            Self::TokenBucket(rule) => rule.queueing(longest).map(Self::TokenBucket),
            _ => None,
        }
    }

    /// The beginning of the window or of the step that is charged at the moment.
    pub(crate) fn charged_by(&self, state: &[Word]) -> u64 {
        match self {
            Self::FixedWindow(rule) => rule.began(state),
            Self::SlidingWindow(rule) => rule.newest(state),
            #[cfg(feature = "calendar")]
            Self::Calendar(rule) => rule.began(state),
            Self::TokenBucket(_) | Self::ExactLog(_) => 0,
        }
    }

    /// Gives back what was charged at that time.
    pub(crate) fn refund(&self, state: &[Word], charged_at: u64, cost: u64) {
        each!(self, rule => rule.refund(state, charged_at, cost));
    }

    /// This rule for states of the rule `kept`; `None` where those mean something else to it.
    pub(crate) fn reading(&self, kept: &Self) -> Option<Self> {
        match (self, kept) {
            (Self::TokenBucket(_), Self::TokenBucket(_)) => Some(*self),
            (Self::FixedWindow(rule), Self::FixedWindow(kept)) => {
                (rule.window == kept.window).then_some(*self)
            }
            (Self::SlidingWindow(rule), Self::SlidingWindow(kept)) => {
                rule.reading(kept).map(Self::SlidingWindow)
            }
            (Self::ExactLog(rule), Self::ExactLog(kept)) => rule.reading(kept).map(Self::ExactLog),
            #[cfg(feature = "calendar")]
            (Self::Calendar(rule), Self::Calendar(kept)) => rule.reading(kept).map(Self::Calendar),
            _ => None,
        }
    }

    /// Takes back a debt that this rule could not have made.
    pub(crate) fn bound(&self, state: &[Word], now: u64) {
        if let Self::TokenBucket(rule) = self {
            rule.bound(state, now);
        }
    }

    /// From when on the state says no more than zeros would.
    #[inline]
    pub(crate) fn full_at(&self, state: &[Word]) -> u64 {
        each!(self, rule => rule.full_at(state))
    }

    /// The sustained rate, or the window's quota.
    pub(crate) fn quota(&self) -> u32 {
        each!(self, rule => rule.quota())
    }

    /// The time over which [`quota`](Self::quota) holds, in nanoseconds.
    pub(crate) fn window(&self) -> u64 {
        each!(self, rule => rule.window())
    }

    /// The same rule with states that have room for the numbers of [`scaled`](Self::scaled).
    pub(crate) fn with_room(&self, quota: NonZeroU32, base: u32) -> Self {
        match self {
            Self::SlidingWindow(rule) => Self::SlidingWindow(rule.with_room(scale(quota, base))),
            Self::ExactLog(rule) => Self::ExactLog(rule.with_room(scale(quota, base))),
            _ => *self,
        }
    }

    /// The most that the quota can be scaled to.
    pub(crate) fn room(&self) -> u32 {
        match self {
            Self::SlidingWindow(rule) => rule.room(),
            Self::ExactLog(rule) => rule.room(),
            _ => u32::MAX,
        }
    }

    /// The same rule with its numbers multiplied by `quota / base`, at least 1 each.
    pub(crate) fn scaled(&self, quota: NonZeroU32, base: u32) -> Self {
        let scale = scale(quota, base);
        match self {
            Self::TokenBucket(rule) => Self::TokenBucket(rule.scaled(scale)),
            Self::FixedWindow(rule) => Self::FixedWindow(rule.scaled(scale)),
            Self::SlidingWindow(rule) => Self::SlidingWindow(rule.scaled(scale)),
            Self::ExactLog(rule) => Self::ExactLog(rule.scaled(scale)),
            #[cfg(feature = "calendar")]
            Self::Calendar(rule) => Self::Calendar(rule.scaled(scale)),
        }
    }

    /// Whether it needs a [date](Self::dated).
    pub(super) const fn is_calendar(&self) -> bool {
        #[cfg(feature = "calendar")]
        return matches!(self, Self::Calendar(_));
        #[cfg(not(feature = "calendar"))]
        false
    }

    /// The same rule for a request at this time of the store.
    #[cfg_attr(
        not(feature = "calendar"),
        expect(unused_variables, reason = "no rule has one")
    )]
    pub(super) fn dated(&self, date: Date, now: u64) -> Self {
        match self {
            #[cfg(feature = "calendar")]
            Self::Calendar(rule) => Self::Calendar(rule.dated(date, now)),
            _ => *self,
        }
    }

    /// The lengths of window that responses may tell of: one, but for windows of the calendar.
    pub(crate) fn windows(&self) -> Vec<u64> {
        match self {
            #[cfg(feature = "calendar")]
            Self::Calendar(rule) => rule.lengths().collect(),
            _ => vec![self.window()],
        }
    }
}

/// Multiplies a number by `quota / base`: at least 1.
fn scale(quota: NonZeroU32, base: u32) -> impl Fn(u32) -> u32 {
    move |number| {
        let scaled = u64::from(number) * u64::from(quota.get()) / u64::from(base.max(1));
        u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
    }
}
