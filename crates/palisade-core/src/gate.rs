use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::Instant;

/// Stands in front of a store that may be down: fails fast after repeated failures, and probes for recovery.
///
/// Not a general breaker (that is `palisade-breaker`), only what every layer needs in front of its own store, so that a
/// dead Redis costs a lock instead of a timeout per request, and one that is well costs not even that. After `threshold`
/// failures in a row it is shut; once `pause` is over, one probe at a time is let through, and a success opens it.
///
/// # Example
///
/// ```
/// use std::{num::NonZeroU32, time::Duration};
/// use palisade_core::{StoreGate, time};
///
/// let gate = StoreGate::new(NonZeroU32::MIN, Duration::from_millis(500));
/// let start = time::now();
/// gate.enter(start).unwrap().failed(start);
/// assert!(gate.enter(start).is_none(), "fails fast");
/// let probe = gate.enter(start + Duration::from_millis(500)).unwrap();
/// probe.succeeded();
/// assert!(gate.enter(start).is_some(), "open again");
/// ```
#[derive(Debug)]
pub struct StoreGate {
    threshold: u32,
    pause: Duration,
    /// Whether `state` is anything but its default. Written under the lock; while all is well nobody else takes it.
    unhealthy: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// The time of the first of these failures.
    since: Option<Instant>,
    shut_until: Option<Instant>,
    probing: bool,
}

impl StoreGate {
    /// The longest pause: a store that is back must be noticed within a day.
    pub const MAX_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

    /// A gate that shuts after `threshold` failures in a row, and then lets a probe through every `pause`, at most
    /// [`MAX_PAUSE`](Self::MAX_PAUSE).
    #[must_use]
    pub fn new(threshold: NonZeroU32, pause: Duration) -> Self {
        Self {
            threshold: threshold.get(),
            pause: pause.min(Self::MAX_PAUSE),
            unhealthy: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Asks to use the store; `None` means that it is down and the outage policy applies at once.
    #[must_use]
    pub fn enter(&self, now: Instant) -> Option<GatePass<'_>> {
        let mut probe = false;
        if self.is_unhealthy() {
            let mut state = self.state();
            probe = match state.shut_until {
                None => false,
                Some(until) if now < until || state.probing => return None,
                Some(_) => true,
            };
            state.probing = probe;
        }
        Some(GatePass {
            gate: self,
            probe,
            settled: false,
        })
    }

    /// Whether the store is taken to be down at this time.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.is_unhealthy() && self.state().shut_until.is_some()
    }

    /// The time of the first failure since the last success; `None` while there is none.
    #[must_use]
    pub fn failing_since(&self) -> Option<Instant> {
        self.is_unhealthy().then(|| self.state().since).flatten()
    }

    /// A thread that reads this a moment too late takes the lock for nothing, or passes as if it had come before.
    #[inline]
    fn is_unhealthy(&self) -> bool {
        self.unhealthy.load(Ordering::Acquire)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to use the store once; say how it went.
///
/// # Cancel safety
///
/// One that is dropped without a word counts neither way, and gives a probe back.
#[derive(Debug)]
#[must_use = "the gate learns nothing unless the outcome of the call is reported"]
pub struct GatePass<'a> {
    gate: &'a StoreGate,
    probe: bool,
    settled: bool,
}

impl GatePass<'_> {
    /// The store answered: the gate is open.
    pub fn succeeded(mut self) {
        self.settled = true;
        if !self.probe && !self.gate.is_unhealthy() {
            return;
        }
        let mut state = self.gate.state();
        // A late success from before the gate shut says nothing about now.
        if self.probe || state.shut_until.is_none() {
            *state = State::default();
            self.gate.unhealthy.store(false, Ordering::Release);
        }
    }

    /// The store did not answer, or not in time.
    pub fn failed(mut self, now: Instant) {
        self.settled = true;
        let mut state = self.gate.state();
        self.gate.unhealthy.store(true, Ordering::Release);
        state.failures = state.failures.saturating_add(1);
        state.since.get_or_insert(now);
        if self.probe {
            state.probing = false;
        }
        if state.failures >= self.gate.threshold && (self.probe || state.shut_until.is_none()) {
            state.shut_until = Some(now + self.gate.pause);
        }
    }
}

impl Drop for GatePass<'_> {
    fn drop(&mut self) {
        if self.probe && !self.settled {
            self.gate.state().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time;

    const PAUSE: Duration = Duration::from_secs(1);

    fn shut(threshold: u32) -> (StoreGate, Instant) {
        let gate = StoreGate::new(NonZeroU32::new(threshold).unwrap(), PAUSE);
        let now = time::now();
        for _ in 0..threshold {
            gate.enter(now).unwrap().failed(now);
        }
        (gate, now)
    }

    #[test]
    fn failures_in_a_row_shut_it() {
        let gate = StoreGate::new(NonZeroU32::new(2).unwrap(), PAUSE);
        let now = time::now();
        gate.enter(now).unwrap().failed(now);
        gate.enter(now).unwrap().succeeded();
        gate.enter(now).unwrap().failed(now);
        assert!(
            gate.enter(now).is_some(),
            "a success in between starts the count anew"
        );
        gate.enter(now).unwrap().failed(now);
        assert!(gate.enter(now).is_none());
    }

    #[test]
    fn the_first_failure_is_remembered_until_something_succeeds() {
        let (gate, now) = shut(2);
        let later = now + PAUSE;
        assert_eq!(gate.failing_since(), Some(now));
        gate.enter(later).unwrap().failed(later);
        assert_eq!(gate.failing_since(), Some(now), "and not the last one");
        gate.enter(later + PAUSE).unwrap().succeeded();
        assert_eq!(gate.failing_since(), None);
    }

    #[test]
    fn one_probe_at_a_time_is_let_through() {
        let (gate, now) = shut(3);
        let probe = gate.enter(now + PAUSE).unwrap();
        assert!(gate.enter(now + PAUSE).is_none());
        probe.failed(now + PAUSE);
        assert!(
            gate.enter(now + PAUSE).is_none(),
            "a failed probe shuts it for another pause"
        );
        assert!(gate.enter(now + 2 * PAUSE).is_some());
    }

    #[test]
    fn no_pause_is_too_long_for_the_clock() {
        let gate = StoreGate::new(NonZeroU32::MIN, Duration::MAX);
        let now = time::now();
        gate.enter(now).unwrap().failed(now);
        assert!(gate.enter(now).is_none());
        assert!(gate.enter(now + StoreGate::MAX_PAUSE).is_some());
    }

    #[test]
    fn a_dropped_probe_makes_room_for_the_next() {
        let (gate, now) = shut(1);
        drop(gate.enter(now + PAUSE).unwrap());
        gate.enter(now + PAUSE).unwrap().succeeded();
        assert!(!gate.is_shut());
    }

    #[test]
    fn a_late_success_does_not_open_it() {
        let gate = StoreGate::new(NonZeroU32::MIN, PAUSE);
        let now = time::now();
        let slow = gate.enter(now).unwrap();
        gate.enter(now).unwrap().failed(now);
        slow.succeeded();
        assert!(gate.is_shut());
    }
}
