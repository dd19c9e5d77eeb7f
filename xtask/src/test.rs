//! `cargo xtask test`

use std::fs;
use std::process::Command;

use self::wanted::Wanted;
use crate::command::{Failure, cargo, root, target_dir};
use crate::deny;

mod failures;
mod needs;
mod wanted;

/// The members of the workspace that are tested; the benches pull in every peer and have no tests.
pub(crate) const TESTED: [&str; 4] = [
    "--workspace",
    "--exclude",
    "palisade-benches",
    "--all-features",
];

const CEDAR: &str = "examples/cedar-policy/Cargo.toml";
const CEDAR_NAME: &str = "cedar-policy-example";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let wanted = Wanted::read(args)?;
    let variables = needs::install(&wanted)?;
    let suites = wanted.suites(variables);
    // The suites run even where a test has failed: one run shows everything.
    let mut failures = Vec::new();
    for mut tests in suites {
        if let Err(failure) = failures::run(&mut tests) {
            failures.push(failure.to_string());
        }
    }
    if wanted.runs_cedar()
        && let Err(failure) = deny::run(&["--manifest-path", CEDAR])
    {
        failures.push(failure.to_string());
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(failures.join("\nxtask: ")))
    }
}

/// The crates whose `tests/loom.rs` wants loom's types in place of the standard library's.
fn loom_suites() -> Vec<String> {
    let crates = fs::read_dir(root().join("crates")).into_iter().flatten();
    let mut packages: Vec<String> = crates
        .flatten()
        .filter(|entry| entry.path().join("tests/loom.rs").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    packages.sort();
    packages
}

/// One suite, built apart, because the flag would rebuild everything else back and forth.
fn loom(package: &str, filter: Option<&str>) -> Command {
    let mut tests = cargo(&["test", "--locked", "--package", package, "--test", "loom"]);
    tests
        .args(filter)
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", target_dir().join("loom"));
    tests
}

/// The example that is a workspace of its own, because of what it takes to build it.
fn cedar(filter: Option<&str>) -> Command {
    let mut tests = cargo(&["test", "--locked", "--manifest-path", CEDAR]);
    tests
        .args(filter)
        .env("CARGO_TARGET_DIR", target_dir().join("cedar-policy"));
    tests
}

impl Wanted<'_> {
    /// The commands that run what is wanted.
    fn suites(&self, variables: Vec<(&str, String)>) -> Vec<Command> {
        let is_wanted = |name: &str| self.package.is_none_or(|wanted| wanted == name);
        let mut suites = Vec::new();
        if self.package != Some(CEDAR_NAME) {
            let mut tests = self.command();
            tests.envs(variables);
            suites.push(tests);
        }
        let with_loom = loom_suites();
        let with_loom = with_loom.iter().filter(|name| is_wanted(name));
        suites.extend(with_loom.map(|name| loom(name, self.filter)));
        suites.extend(self.runs_cedar().then(|| cedar(self.filter)));
        suites
    }

    fn runs_cedar(&self) -> bool {
        match self.package {
            None => self.full,
            Some(name) => name == CEDAR_NAME,
        }
    }

    fn command(&self) -> Command {
        let mut tests = cargo(&["test", "--locked"]);
        // All packages, even after the first that fails: one run shows everything.
        match self.package {
            None => tests.args(TESTED),
            Some(name) => tests.args(["--package", name, "--all-features"]),
        };
        tests.arg("--no-fail-fast").args(self.filter);
        if self.full {
            tests.env("PALISADE_FULL", "1");
        }
        if self.browser {
            tests.env("PALISADE_BROWSER", "1");
        }
        if self.full {
            // What an ordinary machine does not have, such as leave to mount a file system, is ignored otherwise.
            tests.args(["--", "--include-ignored"]);
        }
        tests
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;

    fn read(args: &[&str]) -> Result<String, String> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let wanted = Wanted::read(&args).map_err(|failure| failure.to_string())?;
        Ok(command::shown(&wanted.command()))
    }

    const PLAIN: &str =
        "cargo test --locked --workspace --exclude palisade-benches --all-features --no-fail-fast";

    #[test]
    fn every_test_with_all_features_is_run() {
        assert_eq!(read(&[]), Ok(PLAIN.to_owned()));
    }

    #[test]
    fn the_long_proofs_and_the_browser_are_asked_for() {
        let both =
            format!("PALISADE_BROWSER=1 PALISADE_FULL=1 {PLAIN} forged -- --include-ignored");
        assert_eq!(read(&["--full", "forged", "--browser"]), Ok(both));
    }

    #[test]
    fn one_package_is_tested_with_its_own_suite_of_loom() {
        let suites = |args: &[&str]| -> Vec<String> {
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            let wanted = Wanted::read(&args).unwrap();
            let variables = vec![("PALISADE_RVAULT", "rvault".to_owned())];
            wanted
                .suites(variables)
                .iter()
                .map(command::shown)
                .collect()
        };
        let audit = suites(&["--full", "--package", "palisade-audit"]);
        assert_eq!(
            audit,
            [
                "PALISADE_FULL=1 PALISADE_RVAULT=rvault cargo test --locked --package palisade-audit --all-features \
              --no-fail-fast -- --include-ignored"
            ]
        );
        let limits = suites(&["--package", "palisade-ratelimit", "window"]);
        assert_eq!(limits.len(), 2);
        assert!(limits[1].contains("cfg loom") && limits[1].ends_with("--test loom window"));
        let example = suites(&["--package", "cedar-policy-example"]);
        assert_eq!(example.len(), 1);
        assert!(example[0].ends_with("--manifest-path examples/cedar-policy/Cargo.toml"));
        let has_example = |args| suites(args).iter().any(|one| one.contains("cedar"));
        assert!(has_example(&["--full"]) && !has_example(&[]));
    }

    #[test]
    fn every_suite_of_loom_is_run() {
        let marked = |package: &String| {
            let suite = root().join("crates").join(package).join("tests/loom.rs");
            fs::read_to_string(suite).unwrap().contains("#![cfg(loom)]")
        };
        assert!(loom_suites().iter().all(marked));
        assert!(loom_suites().contains(&"palisade-ratelimit".to_owned()));
        let shown = command::shown(&loom("palisade-ratelimit", None));
        assert!(
            shown.contains("RUSTFLAGS='--cfg loom'") && shown.ends_with("--test loom"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_no_option_is_said_to_be_none() {
        assert!(read(&["--ful"]).unwrap_err().contains("--ful"));
        assert!(read(&["one", "two"]).unwrap_err().contains("two"));
        assert!(read(&["--package"]).unwrap_err().contains("--package"));
        let twice = ["--package", "one", "--package", "two"];
        assert!(read(&twice).unwrap_err().contains("--package"));
    }
}
