//! A clock that a test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_core::time::{UnixTime, WallClock};

/// Microseconds since 1970, which a script decides by.
#[derive(Clone)]
pub(crate) struct SetClock(Arc<AtomicU64>);

impl SetClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_800_000_000_000_000)))
    }

    pub(crate) fn advance(&self, micros: u64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }

    pub(crate) fn wall(&self) -> WallClock {
        let shared = Arc::clone(&self.0);
        WallClock::from_fn(move || {
            UnixTime::from_duration(Duration::from_micros(shared.load(Ordering::SeqCst)))
        })
    }
}
