//! Runs the tests with one mutant after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::tree::Binary;
use crate::command::Failure;

/// A mutant that computes without end is stopped after this and five times the usual time.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than any test needs, in KiB: one that allocates without end stops here.
const MEMORY: &str = "6000000";

/// A binary, the mutants whose place it comes by, and its usual time.
struct Judge<'a> {
    binary: &'a Binary,
    reached: BTreeSet<usize>,
    usual: Duration,
}

/// What became of a mutant.
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

/// The unit tests of a module, which are asked first: mostly they are the ones that notice.
#[derive(Debug)]
pub(super) struct Near {
    pub(super) package: String,
    /// Such as `limit::rules::`.
    pub(super) module: String,
}

/// Tries the mutants, each with the tests that come by its place.
pub(super) fn run(
    binaries: &[Binary],
    mutants: &[usize],
    base: &Path,
    near: impl Fn(usize) -> Near + Sync,
    told: impl Fn(usize, Fate) + Sync,
) -> Result<BTreeMap<usize, Fate>, Failure> {
    let mut judges = Vec::new();
    for binary in binaries {
        judges.push(Judge::new(binary, base)?);
    }
    judges.sort_by_key(|judge| judge.usual);
    let next = AtomicUsize::new(0);
    let fates = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(id) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let fate = fate(*id, &near(*id), &judges);
                    told(*id, fate);
                    if let Ok(mut fates) = fates.lock() {
                        fates.insert(*id, fate);
                    }
                }
            });
        }
    });
    fates
        .into_inner()
        .map_err(|_| Failure::new("a trial panicked"))
}

fn fate(id: usize, near: &Near, judges: &[Judge<'_>]) -> Fate {
    let mut reached = judges
        .iter()
        .filter(|judge| judge.reached.contains(&id))
        .peekable();
    if reached.peek().is_none() {
        return Fate::Unreached;
    }
    let variable = [("PALISADE_MUTANT", id.to_string())];
    let own = |judge: &&Judge<'_>| judge.binary.has_unit_tests_of(&near.package);
    if let Some(own) = judges
        .iter()
        .filter(own)
        .find(|own| own.reached.contains(&id))
        && time_to_pass(
            own.binary,
            &[&near.module],
            &variable,
            PATIENCE + own.usual * 5,
        )
        .is_none()
    {
        return Fate::Killed;
    }
    for judge in reached {
        if time_to_pass(judge.binary, &[], &variable, PATIENCE + judge.usual * 5).is_none() {
            return Fate::Killed;
        }
    }
    Fate::Survived
}

impl<'a> Judge<'a> {
    /// Runs the binary as it is, to see that it passes and where it comes by.
    fn new(binary: &'a Binary, base: &Path) -> Result<Self, Failure> {
        let list = base.join("reached");
        File::create(&list)
            .map_err(|error| Failure::new(format!("{}: {error}", list.display())))?;
        let variable = [("PALISADE_MUTANTS_REACHED", list.display().to_string())];
        let long = PATIENCE * 20;
        // The writing of the list may disturb a test that counts allocations.
        let usual = time_to_pass(binary, &[], &variable, long)
            .or_else(|| time_to_pass(binary, &[], &[], long));
        let Some(usual) = usual else {
            let name = binary.path.display();
            return Err(Failure::new(format!("{name} fails without a mutant")));
        };
        let reached = fs::read_to_string(&list).unwrap_or_default();
        Ok(Self {
            binary,
            reached: reached.lines().filter_map(|id| id.parse().ok()).collect(),
            usual,
        })
    }
}

/// How often a running binary is looked at.
const STEP: Duration = Duration::from_millis(20);

/// The most cases of a property: a mutant that only the two hundredth notices is worth a test of its own.
const CASES: &str = "32";

/// Runs the tests of a binary, or those whose names hold one of `names`.
fn time_to_pass(
    binary: &Binary,
    names: &[&str],
    variables: &[(&str, String)],
    patience: Duration,
) -> Option<Duration> {
    let mut tests = Command::new("sh");
    tests
        .args(["-c", "ulimit -v \"$0\" && exec \"$@\" --quiet", MEMORY])
        .arg(&binary.path)
        .args(names)
        .current_dir(&binary.home)
        .env("CARGO_MANIFEST_DIR", &binary.home)
        .env("PROPTEST_CASES", CASES)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // With all that it starts.
        .process_group(0);
    let mut running = tests.spawn().ok()?;
    let mut waited = Duration::ZERO;
    while waited < patience {
        match running.try_wait() {
            Ok(Some(status)) => return status.success().then_some(waited),
            Ok(None) => thread::sleep(STEP),
            Err(_) => break,
        }
        waited += STEP;
    }
    let group = format!("-{}", running.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    let _ = running.wait();
    None
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::path::PathBuf;

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

    fn run(path: &str, patience: Duration) -> Option<Duration> {
        let binary = Binary {
            path: PathBuf::from(path),
            home: env::temp_dir(),
        };
        time_to_pass(&binary, &[], &[], patience)
    }

    #[test]
    fn a_binary_passes_fails_or_is_stopped() {
        let long = Duration::from_secs(60);
        assert!(run("/bin/true", long).is_some());
        assert_eq!(run("/bin/false", long), None);
        // `yes` never ends.
        assert_eq!(run("/usr/bin/yes", Duration::from_millis(60)), None);
    }
}
