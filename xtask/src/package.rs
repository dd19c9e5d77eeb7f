//! `cargo xtask package`

use std::fs;

use crate::command::{Failure, cargo, root, run as run_command};

/// Packs the crates in the order of their dependencies and builds each from its package, with all features.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let verified = match args {
        [] => true,
        [only] if only == "--no-verify" => false,
        _ => return Err(Failure::new("package: the one option is --no-verify")),
    };
    run_command(
        cargo(
            &arguments(verified)?
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        )
        .env("CARGO_INCREMENTAL", "0"),
    )
}

/// Cargo finds the order, and lets the packages of one run depend on each other before any is published.
fn arguments(verified: bool) -> Result<Vec<String>, Failure> {
    // What is packed is the working tree, so that a change can be tried before it is committed.
    let mut arguments = ["package", "--locked", "--allow-dirty", "--all-features"]
        .map(str::to_owned)
        .to_vec();
    for name in published()? {
        arguments.extend(["--package".to_owned(), name]);
    }
    if !verified {
        arguments.push("--no-verify".to_owned());
    }
    Ok(arguments)
}

/// The crates that are published: those under `crates/`.
pub(crate) fn published() -> Result<Vec<String>, Failure> {
    let home = root().join("crates");
    let entries = fs::read_dir(&home)
        .map_err(|error| Failure::new(format!("{}: {error}", home.display())))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_is_packed_with_all_features_and_built_from_its_package() {
        let arguments = arguments(true).unwrap().join(" ");
        assert!(
            arguments
                .starts_with("package --locked --allow-dirty --all-features --package palisade ")
        );
        assert_eq!(arguments.matches("--package").count(), 10);
        assert!(!arguments.contains("--no-verify"));
    }
}
