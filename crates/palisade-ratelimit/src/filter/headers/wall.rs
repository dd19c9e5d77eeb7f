use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_core::time::{UnixTime, WallClock};

use super::seconds::ONE_SECOND;

/// Wall time, told from monotonic time: a second clock is read about once a second instead of for every request.
#[derive(Debug)]
pub(crate) struct WallTime {
    clock: WallClock,
    /// Unix nanoseconds when the store's time was zero.
    base: AtomicU64,
    /// The store's time at which that was found, plus 1; 0 for never.
    found: AtomicU64,
}

impl WallTime {
    pub(crate) const fn new(clock: WallClock) -> Self {
        Self {
            clock,
            base: AtomicU64::new(0),
            found: AtomicU64::new(0),
        }
    }

    /// Wall time when the store's time is `nanos`.
    #[inline]
    pub(crate) fn at(&self, nanos: u64) -> UnixTime {
        let found = self.found.load(Ordering::Acquire);
        if found == 0 || nanos.abs_diff(found) >= ONE_SECOND {
            let unix = self.clock.now();
            let wall = u64::try_from(unix.as_duration().as_nanos()).unwrap_or(u64::MAX);
            self.base
                .store(wall.saturating_sub(nanos), Ordering::Relaxed);
            self.found.store(nanos.saturating_add(1), Ordering::Release);
            return unix;
        }
        self.of(nanos)
    }

    /// Wall time when the store's time was `nanos`, by what was found [last](Self::at).
    #[inline]
    pub(crate) fn of(&self, nanos: u64) -> UnixTime {
        let base = self.base.load(Ordering::Relaxed);
        UnixTime::from_duration(Duration::from_nanos(base.saturating_add(nanos)))
    }
}
