//! The arithmetic of the calendar, by `jiff` and the time zone database that it brings.

use jiff::civil::{DateTime, Weekday as CivilDay};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Span, Timestamp};

use super::unit::{Unit, Weekday};

/// A time zone of the database that is built in.
pub(super) struct Zone(TimeZone);

/// The most windows that clocks which are set back can show again: hours, when a zone repeats a day.
const MOST_REPEATED: usize = 30;

impl Zone {
    pub(super) fn named(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name).ok().map(Self)
    }

    /// The beginning and the end of the window of a time, all in Unix seconds; `None` past the years that `jiff` knows.
    pub(super) fn window(&self, unit: Unit, seconds: i64) -> Option<(i64, i64)> {
        let now = Timestamp::from_second(seconds).ok()?;
        let mut begins = unit.begin(self.0.to_datetime(now))?;
        let mut start = self.first(begins)?;
        // Clocks that were set back show a beginning that they showed before: the later window goes on.
        for _ in 0..MOST_REPEATED {
            let next = unit.next(begins)?;
            let end = self.first(next)?;
            if end > seconds {
                return Some((start, end));
            }
            (begins, start) = (next, end);
        }
        None
    }

    /// The first second at which the clocks show this time or a later one.
    fn first(&self, local: DateTime) -> Option<i64> {
        let first = match self.0.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
            AmbiguousOffset::Gap { before, .. } => {
                // As late after the change as the time lies within what was left out.
                let after = before.to_timestamp(local).ok()?;
                let after = after.checked_add(SignedDuration::from_nanos(1)).ok()?;
                self.0.preceding(after).next()?.timestamp()
            }
        };
        Some(first.as_second())
    }
}

impl Unit {
    /// The beginning of the window that clocks show which show this.
    fn begin(self, local: DateTime) -> Option<DateTime> {
        let date = local.date();
        Some(match self {
            Self::Hour => date.at(local.hour(), 0, 0, 0),
            Self::Day => date.at(0, 0, 0, 0),
            Self::Week(first) => {
                let days = date.weekday().since(first.civil());
                let first = date.checked_sub(Span::new().try_days(days).ok()?).ok()?;
                first.at(0, 0, 0, 0)
            }
            Self::Month => date.first_of_month().at(0, 0, 0, 0),
        })
    }

    /// The beginning of the window after the one that begins so.
    fn next(self, begins: DateTime) -> Option<DateTime> {
        let span = Span::new();
        let span = match self {
            Self::Hour => span.try_hours(1),
            Self::Day => span.try_days(1),
            Self::Week(_) => span.try_days(7),
            Self::Month => span.try_months(1),
        };
        begins.checked_add(span.ok()?).ok()
    }
}

impl Weekday {
    const fn civil(self) -> CivilDay {
        match self {
            Self::Monday => CivilDay::Monday,
            Self::Tuesday => CivilDay::Tuesday,
            Self::Wednesday => CivilDay::Wednesday,
            Self::Thursday => CivilDay::Thursday,
            Self::Friday => CivilDay::Friday,
            Self::Saturday => CivilDay::Saturday,
            Self::Sunday => CivilDay::Sunday,
        }
    }
}
