//! `cargo xtask test`

use crate::command::{self, Failure, cargo};
use crate::tools;

/// The members of the workspace that are tested; the benches pull in every peer and have no tests.
pub(crate) const TESTED: [&str; 4] = [
    "--workspace",
    "--exclude",
    "palisade-benches",
    "--all-features",
];

fn run_tests(full: bool, browser: bool, filter: Option<&str>) -> Result<(), Failure> {
    tools::system("redis-server", "redis-server")?;
    let mut tests = cargo(&["test"]);
    tests.args(TESTED).arg("--locked");
    // All packages, even after the first that fails: one run shows everything.
    tests.arg("--no-fail-fast");
    if full {
        tests.env("PALISADE_FULL", "1");
    }
    if browser {
        // What the browser's tests load from npm they install by themselves, under the target directory.
        for (program, package) in [("chromium", "chromium"), ("node", "nodejs"), ("npm", "npm")] {
            tools::system(program, package)?;
        }
        tests.env("PALISADE_BROWSER", "1");
    }
    tests.args(filter);
    command::run(&mut tests)
}

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (mut full, mut browser, mut filter) = (false, false, None);
    for arg in args {
        match arg.as_str() {
            "--full" => full = true,
            "--browser" => browser = true,
            flag if flag.starts_with('-') => {
                return Err(Failure::new(format!(
                    "test: there is no option {flag}; see `cargo xtask help`"
                )));
            }
            text if filter.is_none() => filter = Some(text),
            more => return Err(Failure::new(format!("test: one filter, not also {more:?}"))),
        }
    }
    run_tests(full, browser, filter)
}
