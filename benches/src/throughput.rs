//! How much is done in a second, for work that comes in large pieces.

use palisade_core::time::now;

use crate::harness::{Figure, Mode, Outcome, median};

/// Does `piece` some times and says how many units of it a second holds; `piece` answers how many it did.
pub(crate) fn throughput<E>(
    mode: Mode,
    unit: &'static str,
    mut piece: impl FnMut() -> Result<f64, E>,
) -> Result<Outcome, E> {
    let rounds = match mode {
        Mode::Time { rounds } => rounds.div_ceil(15),
        Mode::Count(_) => 1,
        Mode::Profile => 20,
    };
    let mut rates = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let start = now();
        let units = piece()?;
        rates.push(units / start.elapsed().as_secs_f64());
    }
    Ok(Outcome {
        unit,
        ours: Some(Figure {
            best: rates.iter().copied().fold(0.0, f64::max),
            median: median(&rates),
            allocs: None,
        }),
        peers: Vec::new(),
    })
}
