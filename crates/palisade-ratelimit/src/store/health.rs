use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use palisade_core::StoreGate;
use palisade_core::time::{self, Instant};

/// The health of a connection, shared by all policies on it.
pub(super) struct Health {
    gate: StoreGate,
    started: Instant,
    /// The time at which Redis may next be probed, in nanoseconds since `started`.
    next_probe: AtomicU64,
    /// Whether the server was looked at, or is about to be.
    examined: AtomicBool,
}

/// After so many failures in a row Redis is taken to be down: one may be chance.
const FAILURES: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);
/// The pause before a Redis that is down is tried again, short enough that it is back in use within a second.
const PAUSE: Duration = Duration::from_millis(250);

impl Health {
    pub(super) fn new() -> Self {
        Self {
            gate: StoreGate::new(FAILURES, PAUSE),
            started: time::now(),
            next_probe: AtomicU64::new(0),
            examined: AtomicBool::new(false),
        }
    }

    pub(super) const fn gate(&self) -> &StoreGate {
        &self.gate
    }

    /// Whether nobody has looked at the server yet; then the caller is to.
    pub(super) fn claim_examination(&self) -> bool {
        !self.examined.swap(true, Ordering::Relaxed)
    }

    pub(super) fn nanos(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_nanos() as u64
    }

    /// Whether only a probe can tell how Redis is: it is down, or failed a while ago and has charged nothing since,
    /// which may be because nothing fitted.
    pub(super) fn is_in_doubt(&self, now: Instant) -> bool {
        self.gate.failing_since().is_some_and(|since| {
            self.gate.is_shut() || now.saturating_duration_since(since) >= PAUSE
        })
    }

    /// Whether it is time to probe, and nobody else does.
    pub(super) fn claim_probe(&self, now: Instant) -> bool {
        if self.gate.enter(now).is_none() {
            return false;
        }
        let now = self.nanos(now);
        let next = now.saturating_add(PAUSE.as_nanos() as u64);
        let due = self.next_probe.load(Ordering::Relaxed);
        now >= due
            && self
                .next_probe
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
