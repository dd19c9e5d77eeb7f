use std::cmp::Ordering;
use std::num::NonZeroU32;

use super::bounds::MAX_EXACT;
use super::check::{Check, Fit};
use super::date::Date;
use super::rule::Rule;
use super::word::Word;

/// The most limits that a policy may have.
pub(crate) const MAX_RULES: usize = 8;
/// The most words of state that a key may need.
pub(crate) const MAX_WORDS: usize = MAX_RULES * MAX_EXACT as usize;

/// The limits of one policy, decided together: all or nothing. Their states lie one behind the other.
///
/// Kept in place rather than on the heap, so that a request with a quota of its own costs no allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    rules: [Option<Rule>; MAX_RULES],
    words: usize,
    /// Whether any of them is by the calendar.
    calendar: bool,
}

/// The assessment of several rules: that of the one that is closest to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Assessment {
    pub(crate) fit: Fit,
    pub(crate) remaining: u64,
    pub(crate) reset: u64,
    pub(crate) quota: u32,
    pub(crate) window: u64,
}

impl Assessment {
    /// Compares how much two assessments restrict: `Greater` where `self` is closer to its limit, because it never fits, waits longer, or has fewer left.
    pub(crate) fn cmp_restriction(&self, other: &Self) -> Ordering {
        let rank = |fit| match fit {
            Fit::Fits => (0_u8, 0),
            Fit::Wait(nanos) => (1, nanos),
            Fit::Never => (2, 0),
        };
        rank(self.fit)
            .cmp(&rank(other.fit))
            .then_with(|| other.remaining.cmp(&self.remaining))
            .then_with(|| self.reset.cmp(&other.reset))
    }

    /// The one that is closer to its limit.
    pub(crate) fn closer(self, other: Self) -> Self {
        if other.cmp_restriction(&self) == Ordering::Greater {
            other
        } else {
            self
        }
    }

    pub(crate) fn fits(&self) -> bool {
        self.fit == Fit::Fits
    }

    fn of(rule: &Rule, check: Check) -> Self {
        let Check {
            fit,
            remaining,
            reset,
        } = check;
        Self {
            fit,
            remaining,
            reset,
            quota: rule.quota(),
            window: rule.window(),
        }
    }
}

impl Rules {
    /// The rules in this order; at most [`MAX_RULES`], which the caller has checked, and at least one.
    pub(crate) fn new(rules: &[Rule]) -> Option<Self> {
        if rules.is_empty() || rules.len() > MAX_RULES {
            return None;
        }
        let mut kept = [None; MAX_RULES];
        for (slot, rule) in kept.iter_mut().zip(rules) {
            *slot = Some(*rule);
        }
        Some(Self {
            rules: kept,
            words: rules.iter().map(Rule::words).sum(),
            calendar: rules.iter().any(Rule::is_calendar),
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map_while(Option::as_ref)
    }

    /// The number of words of state that a key needs.
    pub(crate) fn words(&self) -> usize {
        self.words
    }

    /// Assesses a request of this cost now.
    #[inline(always)]
    pub(crate) fn assess(&self, state: &[Word], now: u64, cost: u64) -> Option<Assessment> {
        if let [Some(only), None, ..] = &self.rules {
            return Some(Assessment::of(only, only.check(state, now, cost)));
        }
        let mut rest = state;
        let mut closest: Option<Assessment> = None;
        for rule in self.iter() {
            let (own, others) = rest.split_at(rule.words());
            rest = others;
            let assessed = Assessment::of(rule, rule.check(own, now, cost));
            closest = Some(match closest {
                None => assessed,
                Some(closest) => closest.closer(assessed),
            });
        }
        closest
    }

    /// The latest time at which the state was charged, as far as it tells. Two threads may read the clock in one order and
    /// come here in the other; the later one's charge is of this time then, by which it can be given back.
    pub(crate) fn charged_by(&self, state: &[Word]) -> u64 {
        let mut latest = 0;
        self.each(state, |rule, own| latest = latest.max(rule.charged_by(own)));
        latest
    }

    /// For how long a request waits that leaves its bucket full in so many nanoseconds.
    #[cfg(feature = "wait")]
    pub(crate) fn delay(&self, reset: u64) -> u64 {
        match self.iter().next() {
            Some(Rule::TokenBucket(bucket)) => bucket.delay(reset),
            _ => 0,
        }
    }

    /// Charges every rule a cost that [`assess`](Self::assess) found to fit.
    #[inline]
    pub(crate) fn commit(&self, state: &[Word], now: u64, cost: u64) {
        self.each(state, |rule, own| rule.commit(own, now, cost));
    }

    /// Gives back what was charged at that time.
    pub(crate) fn refund(&self, state: &[Word], charged_at: u64, cost: u64) {
        self.each(state, |rule, own| rule.refund(own, charged_at, cost));
    }

    /// Shows every rule with its state, as it is without a charge.
    pub(crate) fn each_check(&self, state: &[Word], now: u64, mut see: impl FnMut(&Rule, Check)) {
        self.each(state, |rule, own| see(rule, rule.check(own, now, 0)));
    }

    #[inline]
    fn each(&self, state: &[Word], mut act: impl FnMut(&Rule, &[Word])) {
        if let [Some(only), None, ..] = &self.rules {
            return act(only, state);
        }
        let mut rest = state;
        for rule in self.iter() {
            let (own, others) = rest.split_at(rule.words());
            rest = others;
            act(rule, own);
        }
    }

    /// These rules for states of the rules `kept`; `None` where those mean something else to them.
    pub(crate) fn reading(&self, kept: &Self) -> Option<Self> {
        let mut reading = Self {
            words: kept.words,
            ..*self
        };
        for (rule, kept) in reading.rules.iter_mut().zip(&kept.rules) {
            *rule = match (*rule, kept) {
                (Some(rule), Some(kept)) => Some(rule.reading(kept)?),
                (None, None) => None,
                _ => return None,
            };
        }
        Some(reading)
    }

    /// Takes back debts that these rules could not have made, and that would take too long to end by them.
    pub(crate) fn bound(&self, state: &[Word], now: u64) {
        self.each(state, |rule, own| rule.bound(own, now));
    }

    /// From when on the state says no more than zeros would.
    #[inline]
    pub(crate) fn full_at(&self, state: &[Word]) -> u64 {
        let mut rest = state;
        let mut latest = 0;
        for rule in self.iter() {
            let (own, others) = rest.split_at(rule.words());
            rest = others;
            latest = latest.max(rule.full_at(own));
        }
        latest
    }

    /// The same rules with states that have room for such a quota, as far as an exact log can have it.
    pub(crate) fn with_room(&self, quota: NonZeroU32) -> Self {
        let base = self.base();
        let rules = self
            .rules
            .map(|rule| rule.map(|rule| rule.with_room(quota, base)));
        Self {
            rules,
            words: rules.iter().flatten().map(Rule::words).sum(),
            ..*self
        }
    }

    /// The largest quota for which no rule has to be brought down.
    pub(crate) fn room(&self) -> u32 {
        let base = u64::from(self.base());
        let rooms = self.iter().map(|rule| match rule.room() {
            u32::MAX => u32::MAX,
            // The largest whose product, rounded down, is no more than there is room for.
            room => {
                let own = u64::from(rule.quota().max(1));
                let most = ((u64::from(room) + 1) * base).div_ceil(own) - 1;
                u32::try_from(most).unwrap_or(u32::MAX)
            }
        });
        rooms.min().unwrap_or(u32::MAX)
    }

    /// Whether a request needs these rules [dated](Self::dated).
    #[inline]
    pub(crate) const fn need_date(&self) -> bool {
        cfg!(feature = "calendar") && self.calendar
    }

    /// The same rules for a request at this time of the store.
    pub(crate) fn dated(&self, date: Date, now: u64) -> Self {
        Self {
            rules: self
                .rules
                .map(|rule| rule.map(|rule| rule.dated(date, now))),
            ..*self
        }
    }

    fn base(&self) -> u32 {
        self.iter().next().map_or(1, Rule::quota)
    }

    /// The same rules, where the first one's quota is `quota` and all other numbers keep their proportion to it.
    pub(crate) fn scaled(&self, quota: NonZeroU32) -> Self {
        let base = self.base();
        Self {
            rules: self
                .rules
                .map(|rule| rule.map(|rule| rule.scaled(quota, base))),
            ..*self
        }
    }
}
