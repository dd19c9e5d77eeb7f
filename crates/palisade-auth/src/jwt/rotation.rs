//! Keys that clones share and that change while the process runs, with the settings of the change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use palisade_core::time::{UnixTime, WallClock};

/// 10 minutes from when a key is known to when it signs.
pub(super) const DEFAULT_LEAD: Duration = Duration::from_secs(10 * 60);

/// Keys, and how they follow each other. Settings lie with the keys, so that one that comes after a clone holds for all.
pub(super) struct Rotation<K> {
    held: RwLock<Held<K>>,
    /// Changes whenever the keys do.
    generation: AtomicU64,
}

pub(super) struct Held<K> {
    pub(super) clock: WallClock,
    pub(super) lead: Duration,
    pub(super) keys: K,
}

impl<K> Held<K> {
    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The time at which a key that comes now begins to sign.
    pub(super) fn next_from(&self) -> UnixTime {
        self.now().saturating_add(self.lead)
    }
}

impl<K> Rotation<K> {
    pub(super) fn new(keys: K) -> Arc<Self> {
        Arc::new(Self {
            held: RwLock::new(Held {
                clock: WallClock::system(),
                lead: DEFAULT_LEAD,
                keys,
            }),
            generation: AtomicU64::new(0),
        })
    }

    pub(super) fn set_lead(&self, lead: Duration) {
        self.write().lead = lead;
    }

    pub(super) fn set_clock(&self, clock: WallClock) {
        self.write().clock = clock;
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Held<K>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Held<K>> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the keys are others now.
    pub(super) fn changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Changes whenever the keys do.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}
