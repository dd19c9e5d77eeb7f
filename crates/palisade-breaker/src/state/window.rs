use std::num::NonZeroU32;
use std::time::Duration;

use palisade_core::time::Instant;

use super::extent::{Extent, LONGEST, MOST_CALLS};

/// The calls in a window and how they went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.slow += other.slow;
    }

    fn take_off(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failed -= other.failed;
        self.slow -= other.slow;
    }
}

/// A window that slides, and costs the same whatever it holds.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "always behind a box of its own")]
pub(crate) enum Window {
    Calls(CallWindow),
    Time(TimeWindow),
}

impl Window {
    pub(crate) fn new(extent: Extent) -> Self {
        match extent {
            Extent::Calls(calls) => Self::Calls(CallWindow::new(calls)),
            Extent::Time(time) => Self::Time(TimeWindow::new(time)),
        }
    }

    pub(crate) fn record(&mut self, now: Instant, failed: bool, slow: bool) {
        match self {
            Self::Calls(window) => window.record(failed, slow),
            Self::Time(window) => window.record(now, failed, slow),
        }
    }

    pub(crate) fn tally(&mut self, now: Instant) -> Tally {
        match self {
            Self::Calls(window) => window.total,
            Self::Time(window) => {
                window.slide(now);
                window.total
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Self::Calls(window) => window.clear(),
            Self::Time(window) => window.clear(),
        }
    }
}

/// The last so many calls, a byte each, in a ring that grows up to that many.
#[derive(Debug)]
pub(crate) struct CallWindow {
    ring: Vec<u8>,
    size: usize,
    next: usize,
    total: Tally,
}

impl CallWindow {
    fn new(size: NonZeroU32) -> Self {
        Self {
            ring: Vec::new(),
            size: size.get().min(MOST_CALLS) as usize,
            next: 0,
            total: Tally::default(),
        }
    }

    fn record(&mut self, failed: bool, slow: bool) {
        let call = u8::from(failed) | u8::from(slow) << 1;
        if self.ring.len() < self.size {
            self.ring.push(call);
        } else {
            let oldest = std::mem::replace(&mut self.ring[self.next], call);
            self.total.take_off(one(oldest));
            self.next += 1;
            if self.next == self.size {
                self.next = 0;
            }
        }
        self.total.add(one(call));
    }

    fn clear(&mut self) {
        self.ring.clear();
        self.next = 0;
        self.total = Tally::default();
    }
}

fn one(call: u8) -> Tally {
    Tally {
        calls: 1,
        failed: u64::from(call & 1),
        slow: u64::from(call >> 1),
    }
}

const SLICES: usize = 64;

/// The calls of a time, in 64 slices: what is counted is never older than the window, and what is left out is at most
/// a 64th of it.
#[derive(Debug)]
pub(crate) struct TimeWindow {
    slices: [Tally; SLICES],
    slice: Duration,
    /// The slice that is being written, and when the next one begins.
    current: usize,
    until: Option<Instant>,
    total: Tally,
}

impl TimeWindow {
    fn new(time: Duration) -> Self {
        Self {
            slices: [Tally::default(); SLICES],
            slice: (time.min(LONGEST) / SLICES as u32).max(Duration::from_nanos(1)),
            current: 0,
            until: None,
            total: Tally::default(),
        }
    }

    fn record(&mut self, now: Instant, failed: bool, slow: bool) {
        self.slide(now);
        let call = Tally {
            calls: 1,
            failed: u64::from(failed),
            slow: u64::from(slow),
        };
        self.slices[self.current].add(call);
        self.total.add(call);
    }

    /// Drops the slices that have gone by: as many as time has passed, and never more than there are.
    fn slide(&mut self, now: Instant) {
        let Some(until) = self.until else {
            self.until = Some(now + self.slice);
            return;
        };
        if now < until {
            return;
        }
        let late = now.saturating_duration_since(until).as_nanos();
        let past = late / self.slice.as_nanos() + 1;
        for _ in 0..past.min(SLICES as u128) {
            self.current = (self.current + 1) % SLICES;
            let gone = std::mem::take(&mut self.slices[self.current]);
            self.total.take_off(gone);
        }
        let into = Duration::from_nanos((late % self.slice.as_nanos()) as u64);
        self.until = Some(now + (self.slice - into));
    }

    fn clear(&mut self) {
        self.slices = [Tally::default(); SLICES];
        self.total = Tally::default();
        self.until = None;
    }
}

#[cfg(test)]
mod tests;
