//! `cargo xtask test`

use std::fs;
use std::path::PathBuf;

use crate::command::{self, Failure, cargo, root, target_dir};
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
        tools::system("chromium", "chromium")?;
        tests.env("PALISADE_BROWSER", "1");
    }
    tests.args(filter);
    command::run(&mut tests)?;
    loom_suites(full, filter)
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

/// Runs each `tests/loom*.rs` of a crate with loom's types in place of the standard library's.
fn loom_suites(full: bool, filter: Option<&str>) -> Result<(), Failure> {
    for (package, suite) in loom_tests() {
        let mut tests = cargo(&["test", "--release", "--locked", "--package", &package]);
        tests.args(["--test", &suite]).args(filter);
        // Of their own, because the flag would rebuild everything else back and forth.
        tests
            .env("RUSTFLAGS", "--cfg loom")
            .env("CARGO_TARGET_DIR", target_dir().join("loom"));
        if full {
            tests.env("PALISADE_FULL", "1");
        }
        command::run(&mut tests)?;
    }
    Ok(())
}

fn loom_tests() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for package in children(&root().join("crates")) {
        for suite in children(&package.join("tests")) {
            let (Some(package), Some(stem)) = (package.file_name(), suite.file_stem()) else {
                continue;
            };
            let stem = stem.to_string_lossy();
            if stem.starts_with("loom") {
                found.push((package.to_string_lossy().into_owned(), stem.into_owned()));
            }
        }
    }
    found
}

fn children(dir: &PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
