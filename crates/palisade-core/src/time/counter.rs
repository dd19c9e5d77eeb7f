//! Monotonic time from the processor's counter, set by the system's clock once a millisecond.
//!
//! Linux tells the time in 25 to 30 ns, which is a fifth of what a rate limit takes; the counter takes 10. A counter
//! that was calibrated once drifts from the system's clock, and jumps where a virtual machine moves. Here it is trusted
//! for [`HOLDS`] after each look at that clock, so that an error cannot exceed it, whatever the counter does.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::{Once, OnceLock};
use std::thread;
use std::time::Duration;

use quanta::Clock;
use tokio::time::Instant;

/// The time for which the counter is trusted after the system's clock was read. Longer saves nothing to speak of: at
/// a million readings a second one in a thousand is slow.
const HOLDS: Duration = Duration::from_millis(1);

/// The time within which counter and clock are read to count as read together, some hundred times what it takes.
const CLOSE: Duration = Duration::from_micros(10);

/// The counter once it is calibrated; `None` inside where it is no faster than the system's clock.
static COUNTER: OnceLock<Option<Counter>> = OnceLock::new();

thread_local! {
    static LAST: Cell<Option<Reading>> = const { Cell::new(None) };
}

/// The time now. Until the counter is calibrated, by a thread of its own within 200 ms of the first call, that is a
/// reading of the system's clock.
#[inline]
pub(super) fn now() -> Instant {
    match COUNTER.get() {
        Some(Some(counter)) => LAST.with(|last| counter.now(last)),
        Some(None) => Instant::now(),
        None => calibrate(),
    }
}

#[cold]
fn calibrate() -> Instant {
    static START: Once = Once::new();
    START.call_once(|| {
        // Where no thread can be had, the system's clock stays in use.
        let _ = thread::Builder::new()
            .name("palisade-clock".to_owned())
            .spawn(|| COUNTER.set(Counter::calibrated()));
    });
    Instant::now()
}

/// The counter and the system's clock, read one right after the other.
#[derive(Debug, Clone, Copy)]
struct Reading {
    counter: u64,
    time: Instant,
}

#[derive(Debug)]
struct Counter(Clock);

impl Counter {
    /// Calibrates the counter, for 1 to 200 ms. `None` if this machine has none that runs at one rate, or if reading
    /// it takes as long as the system's clock, as where a hypervisor traps it.
    fn calibrated() -> Option<Self> {
        let clock = Clock::new();
        let counter = fastest(|| clock.raw());
        let system = fastest(Instant::now);
        (counter < system / 4 * 3).then_some(Self(clock))
    }

    #[inline]
    fn now(&self, last: &Cell<Option<Reading>>) -> Instant {
        let counter = self.0.raw();
        if let Some(last) = last.get()
            && counter >= last.counter
        {
            let since = Duration::from_nanos(self.0.delta_as_nanos(last.counter, counter));
            if since < HOLDS {
                return last.time + since;
            }
        }
        self.read(last)
    }

    #[cold]
    fn read(&self, last: &Cell<Option<Reading>>) -> Instant {
        let before = self.0.raw();
        let time = Instant::now();
        let counter = self.0.raw();
        last.set(self.reading(before, time, counter));
        time
    }

    /// A reading to go on from. There is none where the thread lost the processor between the two.
    fn reading(&self, before: u64, time: Instant, counter: u64) -> Option<Reading> {
        let apart = self.0.delta(before, counter);
        (apart < CLOSE).then_some(Reading { counter, time })
    }
}

/// The shortest of several rounds of 100 calls.
fn fastest<T>(mut call: impl FnMut() -> T) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..100 {
            black_box(call());
        }
        best = best.min(start.elapsed());
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter of nanoseconds that a test turns, and the reading that it starts from.
    fn turned_by_hand() -> (Counter, std::sync::Arc<quanta::Mock>, Cell<Option<Reading>>) {
        let (clock, hand) = Clock::mock();
        hand.increment(5_000_000_u64);
        (Counter(clock), hand, Cell::new(None))
    }

    #[test]
    fn within_a_millisecond_time_is_told_from_the_counter() {
        let (counter, hand, last) = turned_by_hand();
        let start = counter.now(&last);
        for micros in 1..=999_u64 {
            hand.increment(1_000_u64);
            let told = counter.now(&last).saturating_duration_since(start);
            assert_eq!(told, Duration::from_micros(micros));
        }
    }

    #[test]
    fn after_a_millisecond_the_clock_is_read_again() {
        let (counter, hand, last) = turned_by_hand();
        counter.now(&last);
        // An hour by the counter, and next to nothing by the clock, as after a move to another machine.
        hand.increment(3_600_000_000_000_u64);
        let before = Instant::now();
        let told = counter.now(&last);
        assert!(before <= told && told <= Instant::now());
    }

    #[test]
    fn a_counter_that_went_back_is_not_waited_for() {
        let (counter, hand, last) = turned_by_hand();
        counter.now(&last);
        hand.decrement(1_u64);
        let before = Instant::now();
        let told = counter.now(&last);
        assert!(before <= told && told <= Instant::now());
    }

    #[test]
    fn counter_and_clock_that_were_read_apart_are_not_gone_on_from() {
        let (counter, ..) = turned_by_hand();
        let time = Instant::now();
        assert!(counter.reading(5_000, time, 14_999).is_some());
        assert!(counter.reading(5_000, time, 15_000).is_none());
    }

    #[test]
    fn the_counter_of_this_machine_keeps_to_its_clock() {
        let Some(counter) = Counter::calibrated() else {
            return; // None that is faster than the clock.
        };
        let last = Cell::new(None);
        for _ in 0..100_000 {
            let before = Instant::now();
            let told = counter.now(&last);
            let after = Instant::now();
            assert!(before <= told + HOLDS && told <= after + HOLDS);
        }
    }
}
