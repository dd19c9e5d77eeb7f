//! `cargo xtask ci`

use std::fs;
use std::time::Duration;

use crate::command::{Failure, cargo, root, run as run_command};
use crate::{deny, test};

type Step = (&'static str, fn() -> Result<(), Failure>);

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let tested = match args {
        [] => true,
        [only] if only == "--no-test" => false,
        _ => return Err(Failure::new("ci: the one option is --no-test")),
    };
    let mut failures = Vec::new();
    for (name, step) in steps(tested) {
        eprintln!("xtask: == {name}");
        let started = stopwatch();
        if let Err(failure) = step() {
            failures.push(format!("{name}: {failure}"));
        }
        eprintln!("xtask: == {name}: {} s", started().as_secs());
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(failures.join("\nxtask: ")))
    }
}

fn steps(tested: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = vec![
        ("formatting", formatting),
        ("lints", lints),
        ("documentation", documentation),
        ("each crate alone and with each feature", features),
        ("licences, bans and sources", || deny::run(&[])),
    ];
    if tested {
        steps.push(("tests", || test::run(&[])));
    }
    steps
}

#[allow(
    clippy::disallowed_methods,
    reason = "a real duration of a real process"
)]
fn stopwatch() -> impl Fn() -> Duration {
    let start = std::time::Instant::now();
    move || start.elapsed()
}

fn formatting() -> Result<(), Failure> {
    run_command(&mut cargo(&["fmt", "--all", "--check"]))
}

fn lints() -> Result<(), Failure> {
    let everything = ["--workspace", "--all-targets", "--all-features", "--locked"];
    run_command(
        cargo(&["clippy"])
            .args(everything)
            .args(["--", "--deny", "warnings"]),
    )
}

fn documentation() -> Result<(), Failure> {
    run_command(
        cargo(&["doc", "--no-deps", "--locked"])
            .args(test::TESTED)
            .env("RUSTDOCFLAGS", "--deny warnings"),
    )
}

/// Checks each crate with no feature and with each by itself: features must stand alone. That they add up is among the
/// lints, which turn on all of them.
fn features() -> Result<(), Failure> {
    let mut failures = Vec::new();
    for (package, features) in crates_with_features()? {
        let mut check = |selection: &[&str]| {
            let mut clippy = cargo(&["clippy", "--locked", "--quiet", "--package", &package]);
            clippy
                .args(selection)
                .args(["--lib", "--", "--deny", "warnings"]);
            if let Err(failure) = run_command(&mut clippy) {
                failures.push(failure.to_string());
            }
        };
        check(&["--no-default-features"]);
        for feature in &features {
            check(&["--no-default-features", "--features", feature]);
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(failures.join("; ")))
    }
}

fn crates_with_features() -> Result<Vec<(String, Vec<String>)>, Failure> {
    let home = root().join("crates");
    let unreadable = |error: std::io::Error| Failure::new(format!("{}: {error}", home.display()));
    let mut crates = Vec::new();
    for entry in fs::read_dir(&home).map_err(unreadable)?.flatten() {
        let Ok(manifest) = fs::read_to_string(entry.path().join("Cargo.toml")) else {
            continue;
        };
        let package = entry.file_name().to_string_lossy().into_owned();
        crates.push((package, features_of(&manifest)));
    }
    crates.sort();
    Ok(crates)
}

/// The names under `[features]`, without `default` and those that alone change nothing.
fn features_of(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .filter(|(_, value)| !only_passes_on(value))
        .map(|(name, _)| name.trim().trim_matches('"').to_owned())
        .filter(|name| name != "default" && !name.starts_with('#'))
        .collect()
}

/// Whether a feature, written on one line, does nothing but turn on features of crates that are off with it alone.
fn only_passes_on(value: &str) -> bool {
    let list = value.trim().strip_prefix('[');
    let items = list.and_then(|list| list.strip_suffix(']'));
    items.is_some_and(|items| !items.is_empty() && items.split(',').all(|item| item.contains("?/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_are_run_once() {
        let tests = |tested| {
            let steps = steps(tested);
            steps.iter().filter(|(name, _)| *name == "tests").count()
        };
        assert_eq!((tests(true), tests(false)), (1, 0));
        let script = fs::read_to_string(root().join(".ci/run")).unwrap();
        let commands: Vec<&str> = script
            .lines()
            .filter(|line| line.starts_with("cargo"))
            .collect();
        assert_eq!(commands, ["cargo xtask test", "cargo xtask ci --no-test"]);
    }

    #[test]
    fn every_crate_is_checked_alone() {
        let crates = crates_with_features().unwrap();
        let names: Vec<&str> = crates.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), 10);
        assert!(names.contains(&"palisade") && names.contains(&"palisade-core"));
    }

    #[test]
    fn licences_bans_and_sources_are_among_the_steps() {
        assert!(
            steps(false)
                .iter()
                .any(|(name, _)| *name == "licences, bans and sources")
        );
    }

    #[test]
    fn features_are_read_from_a_manifest() {
        let manifest = "[package]\nname = \"x\"\n\n[features]\ndefault = []\n# Why.\naxum = [\"dep:axum\"]\n\
                        redis = []\naws = [\"a?/aws\", \"b?/aws\"]\nboth = [\"a?/both\", \"dep:b\"]\n\n[dependencies]\nbytes = \"1\"\n";
        assert_eq!(features_of(manifest), ["axum", "redis", "both"]);
    }
}
