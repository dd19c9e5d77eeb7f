//! Measures how much is done in a second of processor time, for work that comes in large pieces.

use std::time::Duration;

use crate::harness::{Clock, Figure, Mode, Outcome, median};

/// The threads that do the work, so that whatever else the machine does is not counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Worker {
    /// The thread that asks for it.
    Here,
    /// The other threads of this process.
    Behind,
}

impl Worker {
    fn used(self) -> Duration {
        let here = Clock::Thread.read();
        match self {
            Self::Here => here,
            Self::Behind => Clock::Process.read().saturating_sub(here),
        }
    }
}

/// Does `piece` some times and says how many units of it a second holds; `piece` answers how many it did.
pub(crate) fn throughput<E>(
    mode: Mode,
    unit: &'static str,
    worker: Worker,
    mut piece: impl FnMut() -> Result<f64, E>,
) -> Result<Outcome, E> {
    let rounds = match mode {
        Mode::Time { rounds } => rounds.div_ceil(10),
        Mode::Count(_) => 1,
        Mode::Profile => 20,
    };
    let mut rates = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let before = worker.used();
        let units = piece()?;
        rates.push(units / worker.used().saturating_sub(before).as_secs_f64());
    }
    Ok(Outcome {
        unit,
        ours: Some(Figure {
            best: rates.iter().copied().fold(0.0, f64::max),
            median: median(&rates),
            allocs: None,
        }),
        peers: Vec::new(),
        disturbed: false,
    })
}
