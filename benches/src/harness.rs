//! Measures one thing beside another.
//!
//! Both sides and their baselines run in one process, in rounds that take turns and start with another one each time,
//! so that whatever slows the machine down for a while slows all of them. The figure is the best round, because noise
//! only ever adds; the median is kept beside it.

use std::hint::black_box;
use std::time::Duration;

use palisade_core::time::now;
use rustix::time::ClockId;

/// The allocations of some work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allocated {
    /// The number of allocations.
    pub count: u64,
    /// The bytes asked for, less the bytes given back.
    pub net_bytes: i64,
}

/// Runs some work and says what it allocated.
pub type Counter = fn(&mut dyn FnMut()) -> Allocated;

/// The purpose of a run: timing, or counting allocations.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    Time {
        rounds: usize,
    },
    Count(Counter),
    /// Ours alone, over and over, for a profiler to look at.
    Profile,
}

/// Rounds of a usual run, and of one with `--quick`.
pub(crate) const ROUNDS: usize = 300;
pub(crate) const QUICK_ROUNDS: usize = 30;

/// One figure of one side.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figure {
    /// The best round.
    pub(crate) best: f64,
    pub(crate) median: f64,
    /// Allocations of one operation, once counted.
    pub(crate) allocs: Option<f64>,
}

impl Figure {
    /// A figure that was read once and has no rounds.
    pub(crate) fn single(value: f64) -> Self {
        Self {
            best: value,
            median: value,
            allocs: None,
        }
    }
}

/// The unit of memory. Such figures come whole from the program that counts.
pub(crate) const BYTES: &str = "B";

/// The result of a measure.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) unit: &'static str,
    pub(crate) ours: Option<Figure>,
    pub(crate) peers: Vec<(String, Figure)>,
    /// Whether something else took the machine meanwhile, so that the figures prove nothing.
    pub(crate) disturbed: bool,
}

/// The least time of one batch of a round: long for the clock, and short beside a preemption.
pub(crate) const BATCH: Duration = Duration::from_micros(500);

/// The time that ours runs for a profiler.
const PROFILED: Duration = Duration::from_secs(5);

type Batch = Box<dyn FnMut(u64)>;

/// One way of doing the thing, and what of it is not to be counted.
pub(crate) struct Side {
    run: Batch,
    baseline: Option<Batch>,
    settle: Box<dyn FnMut()>,
    largest: u64,
}

impl Side {
    /// One operation, which is repeated.
    pub(crate) fn new<T>(op: impl FnMut() -> T + 'static) -> Self {
        Self {
            run: batch(op),
            baseline: None,
            settle: Box::new(|| {}),
            largest: u64::MAX,
        }
    }

    /// The part of the operation without the thing that is measured; its time is taken off.
    pub(crate) fn over<T>(mut self, op: impl FnMut() -> T + 'static) -> Self {
        self.baseline = Some(batch(op));
        self
    }

    /// Waits, untimed, after each batch of at most `largest` operations, for a writer that works behind.
    pub(crate) fn settle(mut self, largest: u64, wait: impl FnMut() + 'static) -> Self {
        self.largest = largest;
        self.settle = Box::new(wait);
        self
    }
}

fn batch<T>(mut op: impl FnMut() -> T + 'static) -> Batch {
    Box::new(move |times| {
        for _ in 0..times {
            black_box(op());
        }
    })
}

/// The time that is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// The processor time of the thread that runs the operation, without settling. Not the time that passes, because
    /// that counts whatever else the machine does meanwhile; nothing here sleeps.
    Thread,
    /// The processor time of all threads, with settling.
    Process,
}

/// One of the batches that take turns.
struct Track<'a> {
    clock: Clock,
    run: &'a mut Batch,
    settle: Option<&'a mut Box<dyn FnMut()>>,
    times: u64,
    /// Nanoseconds or allocations of one operation, one entry a round.
    each: Vec<f64>,
}

impl Track<'_> {
    fn round(&mut self) -> Duration {
        let start = self.clock.read();
        (self.run)(self.times);
        let end = self.clock.read();
        if let Some(settle) = &mut self.settle {
            settle();
        }
        let end = match self.clock {
            Clock::Thread => end,
            Clock::Process => self.clock.read(),
        };
        end.saturating_sub(start)
    }

    /// Finds how many operations fill a batch, which also warms the caches. Twice in a row, since a few that were held up
    /// seem to fill one, and then the clock is measured and not they. Where a writer works behind, batches are as
    /// large as they may be: how long it takes to be woken for a few says nothing about its work.
    fn calibrate(&mut self, largest: u64) {
        if largest < u64::MAX && matches!(self.clock, Clock::Process) {
            self.times = largest;
            self.round();
            return;
        }
        while self.round().min(self.round()) < BATCH && self.times < largest {
            self.times = (self.times * 2).min(largest);
        }
    }

    fn record(&mut self) {
        let took = self.round();
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        self.each.push(took.as_nanos() as f64 / self.times as f64);
    }

    fn allocs(&mut self, counter: Counter, largest: u64) -> f64 {
        let times = largest.min(512);
        // The second time, when what was allocated the first time is there to be used again.
        (self.run)(times);
        if let Some(settle) = &mut self.settle {
            settle();
        }
        let allocated = counter(&mut || (self.run)(times));
        if let Some(settle) = &mut self.settle {
            settle();
        }
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = allocated.count as f64 / times as f64;
        each
    }
}

impl Clock {
    pub(crate) fn read(self) -> Duration {
        let used = rustix::time::clock_gettime(match self {
            Self::Thread => ClockId::ThreadCPUTime,
            Self::Process => ClockId::ProcessCPUTime,
        });
        Duration::new(
            used.tv_sec.try_into().unwrap_or_default(),
            used.tv_nsec.try_into().unwrap_or_default(),
        )
    }
}

/// Runs our side, if there is one yet, beside the peers.
pub(crate) fn compare(mode: Mode, ours: Option<Side>, peers: Vec<(String, Side)>) -> Outcome {
    beside(mode, Clock::Thread, ours, peers)
}

/// The same, but measures the processor time of all threads, whatever works behind the operation included.
pub(crate) fn compare_cpu(mode: Mode, ours: Option<Side>, peers: Vec<(String, Side)>) -> Outcome {
    beside(mode, Clock::Process, ours, peers)
}

fn beside(mode: Mode, clock: Clock, mut ours: Option<Side>, peers: Vec<(String, Side)>) -> Outcome {
    if let (Mode::Profile, Some(ours)) = (mode, &mut ours) {
        let start = now();
        while start.elapsed() < PROFILED {
            (ours.run)(ours.largest.min(1_024));
            (ours.settle)();
        }
    }
    let (names, mut theirs): (Vec<_>, Vec<_>) = peers.into_iter().unzip();
    let figures = figures(mode, clock, ours.iter_mut().chain(&mut theirs));
    let (mine, figures) = figures.split_at(usize::from(ours.is_some()));
    Outcome {
        unit: "ns",
        ours: mine.first().copied(),
        peers: names.into_iter().zip(figures.iter().copied()).collect(),
        disturbed: false,
    }
}

fn figures<'a>(mode: Mode, clock: Clock, sides: impl Iterator<Item = &'a mut Side>) -> Vec<Figure> {
    let mut tracks = Vec::new();
    let mut shape = Vec::new();
    for side in sides {
        let mut add = |run, settle| {
            let mut track = Track {
                clock,
                run,
                settle,
                times: 1,
                each: Vec::new(),
            };
            match mode {
                Mode::Time { .. } => track.calibrate(side.largest),
                Mode::Profile => track.each.push(0.0),
                Mode::Count(counter) => {
                    let allocs = track.allocs(counter, side.largest);
                    track.each.push(allocs);
                }
            }
            tracks.push(track);
            tracks.len() - 1
        };
        let run = add(&mut side.run, Some(&mut side.settle));
        let baseline = side.baseline.as_mut().map(|baseline| add(baseline, None));
        shape.push((run, baseline));
    }
    if let Mode::Time { rounds } = mode {
        let count = tracks.len();
        for round in 0..rounds {
            for turn in 0..count {
                tracks[(round + turn) % count].record();
            }
        }
    }
    let net = |of: fn(&[f64]) -> f64, (run, baseline): &(usize, Option<usize>)| {
        let base = baseline.map_or(0.0, |index| of(&tracks[index].each));
        (of(&tracks[*run].each) - base).max(0.0)
    };
    let figure = |side| match mode {
        Mode::Time { .. } => Figure {
            best: net(best, side),
            median: net(median, side),
            allocs: None,
        },
        Mode::Count(_) => Figure {
            allocs: Some(net(best, side)),
            ..Figure::default()
        },
        Mode::Profile => Figure::default(),
    };
    shape.iter().map(figure).collect()
}

pub(crate) fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static TICKS: Cell<u64> = const { Cell::new(0) };
    }

    fn ticks(count: u64) -> impl FnMut() {
        move || TICKS.set(TICKS.get() + count)
    }

    #[test]
    fn the_baseline_is_taken_off_and_every_operation_counts_once() {
        let counter: Counter = |work| {
            let before = TICKS.get();
            work();
            Allocated {
                count: TICKS.get() - before,
                net_bytes: 0,
            }
        };
        let ours = Side::new(ticks(7)).over(ticks(3));
        let peer = Side::new(ticks(5)).settle(16, || {});
        let peers = vec![("peer".to_owned(), peer)];
        let outcome = compare(Mode::Count(counter), Some(ours), peers);
        assert_eq!(outcome.ours.unwrap().allocs, Some(4.0));
        assert_eq!(outcome.peers[0].1.allocs, Some(5.0));
    }

    #[test]
    fn an_operation_that_is_held_up_once_does_not_fill_a_batch() {
        let mut calls = 0_u32;
        let op = move || {
            calls += 1;
            let start = Clock::Thread.read();
            while calls == 1 && Clock::Thread.read() - start < 2 * BATCH {}
            TICKS.set(u64::from(calls));
        };
        compare(Mode::Time { rounds: 1 }, Some(Side::new(op)), Vec::new());
        assert!(TICKS.get() > 100, "{} calls", TICKS.get());
    }

    #[test]
    fn the_median_is_the_middle_round() {
        assert!((median(&[9.0, 1.0, 4.0]) - 4.0).abs() < f64::EPSILON);
        assert!((best(&[9.0, 1.0, 4.0]) - 1.0).abs() < f64::EPSILON);
    }
}
