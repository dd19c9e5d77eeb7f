//! Runs the tests with one mutant after the other.

mod coverage;
mod process;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::tree::Binary;
use crate::command::Failure;
use coverage::Coverage;
use process::{PATIENCE, on_every_core, time_to_pass};

/// The fate of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Killed,
    Survived,
    /// No test comes by its place.
    Unreached,
}

/// The mutants in an order whose every beginning is spread over all files, so that a run that is stopped is a sample.
pub(super) fn spread(mutants: &[usize]) -> Vec<usize> {
    // Coprime to the length, and near the golden section of it.
    let len = mutants.len();
    let step = (len * 618 / 1000..=len).find(|step| gcd(*step, len) == 1);
    let step = step.unwrap_or(1);
    (0..len).map(|nth| mutants[nth * step % len]).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Tries the mutants, each with the tests that come by its place, until the time is over.
pub(super) fn run(
    binaries: &[Binary],
    mutants: &[usize],
    limit: Option<Duration>,
    base: &Path,
    told: impl Fn(usize, Fate) + Sync,
) -> Result<BTreeMap<usize, Fate>, Failure> {
    let coverage = Coverage::measure(binaries, base)?;
    let next = AtomicUsize::new(0);
    let elapsed = stopwatch();
    let is_time_left = || limit.is_none_or(|limit| elapsed() < limit);
    let fates = Mutex::new(BTreeMap::new());
    on_every_core(|_| {
        while is_time_left()
            && let Some(id) = mutants.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let fate = fate(*id, &coverage);
            told(*id, fate);
            if let Ok(mut fates) = fates.lock() {
                fates.insert(*id, fate);
            }
        }
    });
    fates
        .into_inner()
        .map_err(|_| Failure::new("a trial panicked"))
}

fn fate(id: usize, coverage: &Coverage<'_>) -> Fate {
    let runs = coverage.runs_for(id);
    if runs.is_empty() {
        return Fate::Unreached;
    }
    let variable = [("PALISADE_MUTANT", id.to_string())];
    let passes = runs.iter().all(|run| {
        let patience = PATIENCE + run.usual * 10;
        time_to_pass(run.binary, &run.names, &variable, patience).is_some()
    });
    match passes {
        true => Fate::Survived,
        false => Fate::Killed,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a real duration of real processes"
)]
fn stopwatch() -> impl Fn() -> Duration {
    let start = Instant::now();
    move || start.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_has_its_turn_and_the_first_ones_come_from_everywhere() {
        let all: Vec<usize> = (100..200).collect();
        let mut spread = spread(&all);
        let mut first = spread[..10].to_vec();
        first.sort_unstable();
        assert!(
            first.windows(2).all(|pair| pair[1] - pair[0] < 25),
            "{first:?}"
        );
        spread.sort_unstable();
        assert_eq!(spread, all);
        assert!(super::spread(&[]).is_empty());
    }
}
