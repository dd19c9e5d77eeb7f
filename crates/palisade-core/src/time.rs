//! The only place where palisade reads a clock.
//!
//! Durations come from the monotonic clock, [`now`], which follows Tokio's paused time in tests and needs no
//! runtime otherwise. Wall time is read only where a protocol shows it (`exp`, timestamps), through a [`WallClock`]
//! that tests can set.

mod counter;
mod pausable;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use tokio::time::Instant;

/// Monotonic time, as Tokio sees it: paused when a test has paused it.
///
/// The system's clock is read once a millisecond and thread. Between two readings time is told from the processor's
/// counter, which takes a third as long, where it runs at one rate and Tokio is built without its feature `test-util`.
/// So the result differs from Tokio's clock by some nanoseconds, and by a millisecond at most where the counter jumps,
/// as when a virtual machine moves; it can step back by as much. Subtract with
/// [`saturating_duration_since`](Instant::saturating_duration_since).
#[inline]
#[must_use]
pub fn now() -> Instant {
    if pausable::TOKIO {
        Instant::now()
    } else {
        counter::now()
    }
}

/// Time since 1970-01-01T00:00:00Z, without leap seconds. A clock set before 1970 reads as 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// A time from whole seconds since 1970.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// A time from the duration since 1970.
    #[must_use]
    pub const fn from_duration(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// The duration since 1970.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// This time plus `duration`, at most the latest representable time.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// The time since `earlier`; zero where that is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Appends the RFC 3339 form in UTC with whole seconds, such as `2026-11-20T16:00:00Z`.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        self.write(out, 0);
    }

    /// Appends the RFC 3339 form in UTC with milliseconds, such as `2026-11-20T16:00:00.250Z`.
    pub fn write_rfc3339_millis(self, out: &mut Vec<u8>) {
        self.write(out, 3);
    }

    fn write(self, out: &mut Vec<u8>, precision: u8) {
        use jiff::fmt::temporal::DateTimePrinter;
        let nanos = i32::try_from(self.0.subsec_nanos()).unwrap_or(0);
        let timestamp = i64::try_from(self.as_secs())
            .ok()
            .and_then(|secs| jiff::Timestamp::new(secs, nanos).ok())
            .unwrap_or(jiff::Timestamp::MAX);
        // Writing to a `Vec` does not fail.
        let _ = DateTimePrinter::new()
            .precision(Some(precision))
            .print_timestamp(&timestamp, out);
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(24);
        self.write_rfc3339(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// A source of wall time: the system's clock, or a closure that a test controls.
///
/// # Example
///
/// ```
/// use palisade_core::time::{UnixTime, WallClock};
///
/// let clock = WallClock::from_fn(|| UnixTime::from_secs(1_000));
/// assert_eq!(clock.now().to_string(), "1970-01-01T00:16:40Z");
/// ```
#[derive(Clone, Default)]
pub struct WallClock(Option<Arc<dyn Fn() -> UnixTime + Send + Sync>>);

impl WallClock {
    /// The system's clock, which is the default.
    #[must_use]
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that answers what `read` answers.
    #[must_use]
    pub fn from_fn(read: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(read)))
    }

    #[inline]
    pub(crate) const fn is_system(&self) -> bool {
        self.0.is_none()
    }

    /// The time now.
    #[inline]
    #[must_use]
    pub fn now(&self) -> UnixTime {
        match &self.0 {
            Some(read) => read(),
            None => system_now(),
        }
    }
}

/// The time for which wall time is told from monotonic time, before the system's clock is read again: as long as a
/// change of that clock may go unnoticed.
const WALL_HOLDS: Duration = Duration::from_millis(20);

thread_local! {
    /// Both clocks, as they were read last one right after the other.
    static READ: Cell<Option<(Instant, UnixTime)>> = const { Cell::new(None) };
}

/// The system's wall time at a time that was read just now. A second clock is read once in [`WALL_HOLDS`] instead of
/// for every request.
#[inline]
pub(crate) fn system_at(now: Instant) -> UnixTime {
    let held = READ.get().and_then(|(read, wall)| {
        let since = now.checked_duration_since(read)?;
        (since < WALL_HOLDS).then(|| wall.saturating_add(since))
    });
    held.unwrap_or_else(read_both)
}

#[cold]
fn read_both() -> UnixTime {
    let wall = system_now();
    READ.set(Some((now(), wall)));
    wall
}

#[allow(clippy::disallowed_methods, reason = "this is the one place that may")]
fn system_now() -> UnixTime {
    UnixTime(
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "WallClock(custom)"
        } else {
            "WallClock(system)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_rfc_3339_in_utc() {
        // 1985-04-12T23:20:50.52Z is the first example of RFC 3339, section 5.8; 482196050 by `date -d`.
        let time = UnixTime::from_duration(Duration::from_millis(482_196_050_520));
        assert_eq!(time.to_string(), "1985-04-12T23:20:50Z");
        let mut millis = Vec::new();
        time.write_rfc3339_millis(&mut millis);
        assert_eq!(millis, b"1985-04-12T23:20:50.520Z");
    }

    #[tokio::test(start_paused = true)]
    async fn wall_time_goes_on_with_monotonic_time_until_it_is_read_again() {
        let began = now();
        let wall = system_at(began);
        let later = began + Duration::from_millis(3);
        assert_eq!(
            system_at(later).saturating_since(wall),
            Duration::from_millis(3)
        );
        // An hour of paused time: the system's clock has not moved so far.
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let again = system_at(now());
        assert!(again.saturating_since(wall) < Duration::from_secs(60));
        assert!(again >= wall);
        // A time before both were read last, as on another runtime.
        assert!(system_at(began).saturating_since(wall) < Duration::from_secs(60));
    }

    #[test]
    fn times_past_the_calendar_do_not_panic() {
        assert_eq!(
            UnixTime::from_secs(u64::MAX).to_string(),
            "9999-12-30T22:00:00Z"
        );
    }
}
