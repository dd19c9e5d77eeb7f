//! Measures how much more two threads do than one, with one service.

use std::sync::atomic::{AtomicUsize, Ordering};

use palisade_core::time::now;

use crate::harness::{BATCH, Figure, Mode, Outcome, median};

/// An operation that threads share, for [`scaling`].
pub(crate) type Shared = Box<dyn Fn(u64) + Sync>;

/// The times that two threads do `op` while one thread does it once: 2 when they do not meet.
///
/// Nothing is taken off, so `op` must do little else. Each thread clones whatever it shares, as servers do.
pub(crate) fn scaling(mode: Mode, ours: Option<Shared>, peers: Vec<(String, Shared)>) -> Outcome {
    let (names, theirs): (Vec<_>, Vec<_>) = peers.into_iter().unzip();
    let have_ours = ours.is_some();
    let sides: Vec<Shared> = ours.into_iter().chain(theirs).collect();
    let mut figures = vec![Figure::default(); sides.len()];
    if let Mode::Time { rounds } = mode {
        let mut rows = vec![Vec::new(); sides.len()];
        let sizes: Vec<u64> = sides.iter().map(size_for).collect();
        for round in 0..rounds {
            for turn in 0..sides.len() {
                let index = (round + turn) % sides.len();
                rows[index].push(one_and_two(&sides[index], sizes[index]));
            }
        }
        figures = rows.iter().map(|rounds| scaling_figure(rounds)).collect();
    }
    let (mine, figures) = figures.split_at(usize::from(have_ours));
    Outcome {
        unit: "x of one thread",
        ours: mine.first().copied(),
        peers: names.into_iter().zip(figures.iter().copied()).collect(),
        disturbed: false,
    }
}

fn size_for(side: &Shared) -> u64 {
    let mut times = 1;
    let round = |times| {
        let start = now();
        side(times);
        start.elapsed()
    };
    // Twice in a row, since a few that were held up seem to fill a batch.
    while round(times).min(round(times)) < 4 * BATCH {
        times *= 2;
    }
    times
}

/// The time that a batch takes one thread, and the time in which two threads do one each.
fn one_and_two(side: &Shared, times: u64) -> (f64, f64) {
    let timed = |ready: &AtomicUsize, threads: usize| {
        ready.fetch_add(1, Ordering::AcqRel);
        // Spinning, because waking a thread takes as long as much of a batch.
        while ready.load(Ordering::Acquire) < threads {
            std::hint::spin_loop();
        }
        let start = now();
        side(times);
        (start, now())
    };
    let (start, end) = timed(&AtomicUsize::new(0), 1);
    let alone = (end - start).as_secs_f64();
    let ready = AtomicUsize::new(0);
    let together = std::thread::scope(|scope| {
        let other = scope.spawn(|| timed(&ready, 2));
        let mine = timed(&ready, 2);
        let Ok(other) = other.join() else {
            return f64::INFINITY;
        };
        // From the first start to the last end: threads that took turns on one core did not work side by side.
        (mine.1.max(other.1) - mine.0.min(other.0)).as_secs_f64()
    });
    (alone, together)
}

/// The median of the rounds. Not the best time of one thread over the best of two: a round takes both right after each
/// other, at one speed of the processor, and bests come from rounds that may have nothing in common.
fn scaling_figure(rounds: &[(f64, f64)]) -> Figure {
    let each: Vec<f64> = rounds
        .iter()
        .map(|(alone, both)| 2.0 * alone / both)
        .collect();
    Figure::single(median(&each))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_is_its_own_measure() {
        // The processor is twice as fast in the second round and half as fast in the third.
        let rounds = [(8.0, 10.0), (4.0, 5.0), (16.0, 20.0), (9.0, 90.0)];
        let figure = scaling_figure(&rounds);
        assert!((figure.best - 1.6).abs() < 1e-9, "{figure:?}");
    }
}
