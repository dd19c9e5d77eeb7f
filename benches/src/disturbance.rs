//! Whether something else took the machine while a measure was taken.
//!
//! A loop of fixed work is timed right before and right after. Noise only ever adds, so the fastest time that the run
//! has seen is the machine's own, and a loop that usually takes longer was disturbed: by whoever shares the core, its
//! caches or its power. A thread that had to queue for a core says the same of the time in between. A measure that was
//! disturbed is taken again, and gives no verdict if it stays so.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use palisade_core::time::now;

use crate::harness::{best, median};
use crate::machine;

/// The number of repeats of a disturbed measure, and the pause before each, in which the disturbance may end.
const REPEATS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// The most by which the loop's usual time may exceed the fastest. Clock rates of quiet machines drift by a tenth.
const SLOWEST: f64 = 1.25;
/// The share of the time for which the thread may have waited for a core. A writer that works behind takes its part.
const LONGEST_WAIT: f64 = 0.1;

/// The state of the machine during one take.
#[derive(Debug, Clone, Copy)]
struct Conditions {
    /// The loop's usual time over the fastest of the run, before or after, whichever is worse.
    slowness: f64,
    /// The share of the time for which the thread waited for a core, in the measure or in the loop before or after.
    waited: f64,
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Accept,
    Repeat,
    Disturbed,
}

/// Decides about a measure that was taken under these conditions, after so many repeats.
fn decide(conditions: Conditions, repeats: u32) -> Decision {
    let calm = conditions.slowness <= SLOWEST && conditions.waited <= LONGEST_WAIT;
    match calm {
        true => Decision::Accept,
        false if repeats < REPEATS => Decision::Repeat,
        false => Decision::Disturbed,
    }
}

/// Takes a measure, again if need be, and says whether it stayed disturbed.
///
/// # Errors
///
/// Those of `take`, which is not repeated then.
pub(crate) fn undisturbed<T, E>(mut take: impl FnMut() -> Result<T, E>) -> Result<(T, bool), E> {
    let mut first = true;
    until_calm(|| {
        if !std::mem::take(&mut first) {
            thread::sleep(PAUSE);
        }
        let before = pace();
        let (taken, waited) = with_wait(&mut take);
        let taken = taken?;
        let after = pace();
        let conditions = Conditions {
            slowness: before.usual.max(after.usual) / fastest(&[]),
            waited: waited.max(before.waited).max(after.waited),
        };
        Ok((taken, conditions))
    })
}

fn until_calm<T, E>(mut take: impl FnMut() -> Result<(T, Conditions), E>) -> Result<(T, bool), E> {
    let mut repeats = 0;
    loop {
        let (taken, conditions) = take()?;
        match decide(conditions, repeats) {
            Decision::Accept => return Ok((taken, false)),
            Decision::Disturbed => return Ok((taken, true)),
            Decision::Repeat => repeats += 1,
        }
    }
}

/// The times of the loop just now.
struct Pace {
    /// The usual time, in seconds.
    usual: f64,
    /// The share of the time for which it waited for a core.
    waited: f64,
}

/// Runs the loop for longer than the system lets a thread run before another has its turn.
fn pace() -> Pace {
    const PROBED: Duration = Duration::from_millis(50);
    let (each, waited) = with_wait(|| {
        let begun = now();
        let mut each = Vec::new();
        while begun.elapsed() < PROBED {
            let start = now();
            black_box(fixed_work(black_box(1)));
            each.push(start.elapsed().as_secs_f64());
        }
        each
    });
    fastest(&each);
    Pace {
        usual: median(&each),
        waited,
    }
}

/// Does this, and says for which share of the time the thread waited for a core.
fn with_wait<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let (start, before) = (now(), machine::waited());
    let done = work();
    let waited = machine::waited().saturating_sub(before);
    let share = waited.as_secs_f64() / start.elapsed().as_secs_f64().max(f64::MIN_POSITIVE);
    (done, share)
}

/// The fastest loop that the run has seen, these included.
fn fastest(seen: &[f64]) -> f64 {
    static FASTEST: Mutex<f64> = Mutex::new(f64::INFINITY);
    let mut fastest = FASTEST.lock().unwrap_or_else(PoisonError::into_inner);
    *fastest = fastest.min(best(seen));
    *fastest
}

/// Some 100 us of arithmetic, of which each step needs the one before (xorshift; Marsaglia 2003).
fn fixed_work(mut state: u64) -> u64 {
    const STEPS: u32 = 50_000;
    for _ in 0..STEPS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Conditions = Conditions {
        slowness: 1.1,
        waited: 0.01,
    };
    const SLOW: Conditions = Conditions {
        slowness: 1.3,
        ..CALM
    };
    const QUEUED: Conditions = Conditions {
        waited: 0.2,
        ..CALM
    };

    /// Returns the takes and the reports for these states of the machine in turn: the number of the take, and whether
    /// it is disturbed.
    fn taken(conditions: &[Conditions]) -> Result<(usize, bool), ()> {
        let mut takes = 0;
        until_calm(|| {
            takes += 1;
            let conditions = conditions.get(takes - 1).ok_or(())?;
            Ok((takes, *conditions))
        })
    }

    #[test]
    fn a_calm_measure_is_taken_once() {
        assert_eq!(decide(CALM, 0), Decision::Accept);
        assert_eq!(decide(CALM, REPEATS), Decision::Accept);
        assert_eq!(taken(&[CALM]), Ok((1, false)));
    }

    #[test]
    fn a_slow_processor_and_a_queue_for_it_both_disturb() {
        for conditions in [SLOW, QUEUED] {
            assert_eq!(decide(conditions, 0), Decision::Repeat);
            assert_eq!(decide(conditions, 2), Decision::Repeat);
            assert_eq!(decide(conditions, 3), Decision::Disturbed);
        }
    }

    #[test]
    fn what_cannot_be_told_counts_as_disturbed() {
        let unknown = Conditions {
            slowness: f64::NAN,
            ..CALM
        };
        assert_eq!(decide(unknown, 3), Decision::Disturbed);
    }

    #[test]
    fn a_disturbed_measure_is_taken_again_three_times() {
        assert_eq!(taken(&[SLOW, QUEUED, CALM]), Ok((3, false)));
        assert_eq!(taken(&[SLOW, SLOW, SLOW, CALM]), Ok((4, false)));
        assert_eq!(taken(&[SLOW, SLOW, SLOW, QUEUED]), Ok((4, true)));
    }

    #[test]
    fn a_measure_that_fails_is_not_taken_again() {
        assert_eq!(taken(&[]), Err(()));
        assert_eq!(taken(&[SLOW]), Err(()));
    }

    #[test]
    fn the_fastest_loop_of_the_run_is_the_reference() {
        let usual = pace().usual;
        assert!(fastest(&[]) <= usual, "{usual}");
        assert!(fastest(&[]) > 0.0);
    }
}
