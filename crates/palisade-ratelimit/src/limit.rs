//! Limits as the user states them, and the pure rules that they become: `(state, now, cost) -> check`.
//!
//! Invariant: nothing in here knows of HTTP, of a store or of a clock. Time is nanoseconds since an epoch that the
//! caller keeps. State is a slice of words that starts as zeros, and zeros mean "never seen".

mod bounds;
#[cfg(feature = "calendar")]
mod calendar;
#[cfg(feature = "calendar")]
mod calendar_window;
mod check;
mod date;
mod exact_log;
mod fixed_window;
#[cfg(test)]
mod properties;
mod rate;
mod rule;
mod rules;
mod sliding_window;
#[cfg(test)]
mod tests;
mod token_bucket;
#[cfg(feature = "redis")]
mod wire;
mod word;

use std::time::Duration;

use palisade_core::Problems;

use self::bounds::{check_count, check_quota, check_window, nanos};
#[cfg(feature = "calendar")]
pub use self::calendar::{Calendar, Weekday};
pub(crate) use self::check::{Check, Fit};
pub(crate) use self::date::Date;
use self::exact_log::ExactLog;
use self::fixed_window::FixedWindow;
pub use self::rate::{
    Burst, DAY, HOUR, MINUTE, Rate, SECOND, burst, per_day, per_hour, per_minute, per_second,
};
pub(crate) use self::rule::Rule;
pub(crate) use self::rules::{Assessment, MAX_RULES, MAX_WORDS, Rules};
use self::sliding_window::SlidingWindow;
use self::token_bucket::TokenBucket;
#[cfg(feature = "redis")]
pub(crate) use self::wire::WireBucket;
pub(crate) use self::word::Word;

/// One limit of a policy: an algorithm with its numbers.
///
/// | algorithm | admits | memory a key | choose it for |
/// |---|---|---|---|
/// | [token bucket](Self::token_bucket) | a burst at once, then the rate | 8 B | most things |
/// | [sliding window](Self::sliding) | never more than N in any trailing window | 56 B, or 88 B where N > 65,535 | quotas that are promised to somebody |
/// | [fixed window](Self::fixed) | N per window, up to 2N around the edge of one | 16 B | quotas that are billed by the window |
/// | [exact log](Self::exact) | never more than N in any trailing window, released to the nanosecond | 8 B times N | small strict limits, such as logins |
/// | calendar window (feature `calendar`) | N per hour, day, week or month of a time zone, up to 2N around the edge of one | 16 B | quotas that a contract states by the calendar |
///
/// `docs/algorithms.md` says how each decides.
/// A limit that cannot work (a burst of 0, a window of 0) is reported when the layer is built, by the name of its policy.
///
/// # Example
///
/// ```
/// use palisade_ratelimit::{HOUR, Limit, burst, per_second};
///
/// let smooth = Limit::token_bucket(per_second(10), burst(20));
/// let quota = Limit::sliding(5_000, HOUR);
/// # let _ = (smooth, quota);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    TokenBucket {
        rate: Rate,
        burst: Burst,
    },
    Fixed {
        quota: u32,
        window: Duration,
    },
    Sliding {
        quota: u32,
        window: Duration,
    },
    Exact {
        quota: u32,
        window: Duration,
    },
    #[cfg(feature = "calendar")]
    Calendar {
        quota: u32,
        calendar: Calendar,
    },
}

impl Limit {
    /// The most requests that an [exact log](Self::exact) can hold: a log of 64 is 512 bytes a key.
    pub const MAX_EXACT: u32 = bounds::MAX_EXACT;

    /// A token bucket: `burst` requests at once, then `rate`. In any time t it admits at most burst + rate x t.
    ///
    /// Decided by the generic cell rate algorithm (ITU-T I.371, annex A), which keeps one time per key. The time
    /// between two tokens is rounded up to whole nanoseconds, so that rounding never admits more.
    #[must_use]
    pub const fn token_bucket(rate: Rate, burst: Burst) -> Self {
        Self(Kind::TokenBucket { rate, burst })
    }

    /// A fixed window: `quota` requests in each window, which begins with a key's first request.
    ///
    /// The end of one window and the beginning of the next can together admit twice the quota within one window's time.
    /// Take [`sliding`](Self::sliding) where that matters.
    #[must_use]
    pub const fn fixed(quota: u32, window: Duration) -> Self {
        Self(Kind::Fixed { quota, window })
    }

    /// A sliding window: never more than `quota` requests in any trailing `window`.
    ///
    /// Counts by sixteenths of the window, and counts the oldest, partial one in full: it errs to the strict side, and
    /// releases a request at most a sixteenth of the window late.
    #[must_use]
    pub const fn sliding(quota: u32, window: Duration) -> Self {
        Self(Kind::Sliding { quota, window })
    }

    /// An exact log of the times of at most [64](Self::MAX_EXACT) requests: never more than `quota` in any trailing
    /// `window`, and never late to release one.
    #[must_use]
    pub const fn exact(quota: u32, window: Duration) -> Self {
        Self(Kind::Exact { quota, window })
    }

    /// A window of the calendar: `quota` requests in each hour, day, week or month of a time zone.
    ///
    /// All keys begin anew at the same moment, and the end of one window and the beginning of the next can together admit
    /// twice the quota within a short time: add a token bucket or a [sliding window](Self::sliding) where that matters.
    ///
    /// Decided by wall time, the [`wall_clock`](crate::RateLimitBuilder::wall_clock) of the layer, or the clock of Redis. A
    /// clock that is set back makes no room: what was counted in the window that it came from stands until that one ends,
    /// unless it was off by more than a window. For policies; not for a backstop, nor for the limit of a v6 site.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_ratelimit::{Calendar, Limit};
    ///
    /// let monthly = Limit::calendar(100_000, Calendar::month("Europe/Berlin"));
    /// # let _ = monthly;
    /// ```
    #[cfg(feature = "calendar")]
    #[must_use]
    pub const fn calendar(quota: u32, calendar: Calendar) -> Self {
        Self(Kind::Calendar { quota, calendar })
    }

    /// Whether it is decided by wall time.
    pub(crate) const fn is_calendar(&self) -> bool {
        #[cfg(feature = "calendar")]
        return matches!(self.0, Kind::Calendar { .. });
        #[cfg(not(feature = "calendar"))]
        false
    }

    /// The rule that decides this limit.
    pub(crate) fn compile(&self) -> Result<Rule, Problems> {
        let mut problems = Problems::none();
        let rule = match self.0 {
            Kind::TokenBucket { rate, burst } => {
                check_count(&mut problems, "rate", rate.count());
                check_window(&mut problems, "period", rate.period());
                check_count(&mut problems, "burst", burst.count());
                TokenBucket::new(rate, burst, &mut problems).map(Rule::TokenBucket)
            }
            Kind::Fixed { quota, window } => {
                check_quota(&mut problems, quota, window);
                Some(Rule::FixedWindow(FixedWindow::new(quota, nanos(window))))
            }
            Kind::Sliding { quota, window } => {
                check_quota(&mut problems, quota, window);
                Some(Rule::SlidingWindow(SlidingWindow::new(
                    quota,
                    nanos(window),
                )))
            }
            Kind::Exact { quota, window } => {
                check_quota(&mut problems, quota, window);
                if quota > Self::MAX_EXACT {
                    problems.push(
                        "quota",
                        format!("is {quota}, an exact log holds at most {}", Self::MAX_EXACT),
                    );
                }
                Some(Rule::ExactLog(ExactLog::new(quota, nanos(window))))
            }
            #[cfg(feature = "calendar")]
            Kind::Calendar { quota, calendar } => {
                check_count(&mut problems, "quota", quota);
                let windows = calendar::Windows::of(calendar);
                if windows.is_none() {
                    let zone = calendar.zone();
                    let reason = format!("{zone:?} is not in the time zone database");
                    problems.push("zone", reason);
                }
                windows.map(|windows| {
                    Rule::Calendar(calendar_window::CalendarWindow::new(quota, windows))
                })
            }
        };
        match rule {
            Some(rule) => problems.into_result(rule),
            None => Err(problems),
        }
    }
}
