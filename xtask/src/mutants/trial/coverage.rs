//! The tests that come by the place of each mutant.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::super::tree::Binary;
use super::process::{PATIENCE, names, on_every_core, time_to_pass};
use crate::command::Failure;

/// Tests that take no longer are run together, and before the others.
const QUICK: Duration = Duration::from_millis(250);

/// The tests that come by the place of each mutant.
pub(super) struct Coverage<'a> {
    tests: Vec<Test<'a>>,
}

struct Test<'a> {
    binary: &'a Binary,
    name: String,
    usual: Duration,
    reached: BTreeSet<usize>,
}

/// Tests of one binary that are run together.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) binary: &'a Binary,
    pub(super) names: Vec<&'a str>,
    pub(super) usual: Duration,
}

impl<'a> Coverage<'a> {
    /// Runs each test by itself, as it is.
    pub(super) fn measure(binaries: &'a [Binary], base: &Path) -> Result<Self, Failure> {
        let mut all = Vec::new();
        for binary in binaries {
            all.extend(names(binary)?.into_iter().map(|name| (binary, name)));
        }
        eprintln!("xtask: {} tests, each by itself", all.len());
        let next = AtomicUsize::new(0);
        let tests = Mutex::new(Vec::new());
        on_every_core(|core| {
            while let Some((binary, name)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let list = base.join(format!("reached-{core}"));
                let Some(test) = Test::measure(binary, name, &list) else {
                    let binary = binary.path.display();
                    eprintln!("xtask: {name} of {binary} fails by itself, and is left out");
                    continue;
                };
                if let Ok(mut tests) = tests.lock() {
                    tests.push(test);
                }
            }
        });
        let tests = tests.into_inner().unwrap_or_default();
        // A few may need another one to have run, or more than this machine has.
        if tests.len() * 10 < all.len() * 9 {
            return Err(Failure::new(
                "more than a tenth of the tests fail without a mutant",
            ));
        }
        Ok(Self { tests })
    }

    /// The runs that a mutant has to survive: the quick tests of each binary, then the slow ones by themselves.
    pub(super) fn runs_for(&self, mutant: usize) -> Vec<Run<'_>> {
        let reached = self
            .tests
            .iter()
            .filter(|test| test.reached.contains(&mutant));
        let (quick, slow): (Vec<_>, Vec<_>) = reached.partition(|test| test.usual <= QUICK);
        let mut together: BTreeMap<&Path, Run<'_>> = BTreeMap::new();
        for test in quick {
            let run = together.entry(&test.binary.path).or_insert_with(|| Run {
                binary: test.binary,
                names: Vec::new(),
                usual: Duration::ZERO,
            });
            run.names.push(&test.name);
            run.usual += test.usual;
        }
        let alone = slow.into_iter().map(|test| Run {
            binary: test.binary,
            names: vec![&test.name],
            usual: test.usual,
        });
        let mut runs: Vec<Run<'_>> = together.into_values().collect();
        runs.sort_by_key(|run| run.usual);
        let quick = runs.len();
        runs.extend(alone);
        runs[quick..].sort_by_key(|run| run.usual);
        runs
    }
}

impl<'a> Test<'a> {
    fn measure(binary: &'a Binary, name: &str, list: &Path) -> Option<Self> {
        let _ = fs::write(list, "");
        let variable = [("PALISADE_MUTANTS_REACHED", list.display().to_string())];
        let long = PATIENCE * 12;
        // The writing of the list may disturb a test that counts allocations, and a busy machine any.
        let usual = time_to_pass(binary, &[name], &variable, long)
            .or_else(|| time_to_pass(binary, &[name], &[], long))?;
        let reached = fs::read_to_string(list).unwrap_or_default();
        Some(Self {
            binary,
            name: name.to_owned(),
            usual,
            reached: reached.lines().filter_map(|id| id.parse().ok()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn quick_tests_run_together_and_before_the_slow_ones() {
        let binary = |name: &str| Binary {
            path: PathBuf::from(name),
            home: PathBuf::new(),
        };
        let (unit, layer) = (binary("unit"), binary("layer"));
        let test = |binary, name: &str, millis, reached: &[usize]| Test {
            binary,
            name: name.to_owned(),
            usual: Duration::from_millis(millis),
            reached: reached.iter().copied().collect(),
        };
        let coverage = Coverage {
            tests: vec![
                test(&unit, "property", 900, &[1, 2]),
                test(&layer, "a", 100, &[1]),
                test(&unit, "b", 10, &[1, 3]),
                test(&unit, "c", 20, &[1]),
                test(&layer, "server", 400, &[1]),
            ],
        };
        let runs = |mutant| {
            let runs = coverage.runs_for(mutant);
            runs.into_iter().map(|run| run.names).collect::<Vec<_>>()
        };
        assert_eq!(
            runs(1),
            [vec!["b", "c"], vec!["a"], vec!["server"], vec!["property"]]
        );
        assert_eq!(runs(2), [["property"]]);
        assert_eq!(runs(3), [["b"]]);
        assert!(runs(4).is_empty());
    }
}
