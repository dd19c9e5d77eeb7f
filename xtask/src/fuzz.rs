//! `cargo xtask fuzz`

use std::fs;
use std::path::Path;

use crate::command::{Failure, command, root, run as run_command};
use crate::tools;

const FUZZ_VERSION: &str = "0.13.2";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let usage = || Failure::new("fuzz: cargo xtask fuzz SECONDS [TARGET]");
    let (seconds, wanted) = match args {
        [seconds] => (seconds, None),
        [seconds, target] => (seconds, Some(target.as_str())),
        _ => return Err(usage()),
    };
    let seconds: u32 = seconds.parse().map_err(|_| usage())?;
    let mut targets = targets()?;
    if let Some(wanted) = wanted {
        targets.retain(|target| target == wanted);
    }
    if targets.is_empty() {
        return Err(Failure::new("fuzz: there is no such target"));
    }
    let cargo_fuzz = tools::cargo_tool("cargo-fuzz", FUZZ_VERSION)?;
    let mut failures = Vec::new();
    for target in targets {
        if let Err(failure) = fuzz(&cargo_fuzz, &target, seconds) {
            failures.push(failure.to_string());
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(failures.join("\nxtask: ")))
    }
}

fn fuzz(cargo_fuzz: &Path, target: &str, seconds: u32) -> Result<(), Failure> {
    // What fuzzing finds goes beside the corpus that is kept in the repository, not into it.
    let found = format!("fuzz/target/corpus/{target}");
    let kept = format!("fuzz/corpus/{target}");
    fs::create_dir_all(root().join(&found))
        .map_err(|error| Failure::new(format!("{found}: {error}")))?;
    let time = format!("-max_total_time={seconds}");
    // The sanitizer guards memory, and there is no unsafe code here; without it a stable toolchain is enough, which is
    // told to accept the coverage flags.
    run_command(
        command(
            cargo_fuzz,
            &["run", target, &found, &kept, "--sanitizer", "none", "--"],
        )
        .args([time.as_str(), "-timeout=10", "-print_final_stats=1"])
        .env("RUSTC_BOOTSTRAP", "1"),
    )
}

fn targets() -> Result<Vec<String>, Failure> {
    let dir = root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&dir)
        .map_err(|error| Failure::new(format!("fuzz: {}: {error}", dir.display())))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_suffix(".rs").map(str::to_owned)
        })
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_of_the_fuzz_package_is_found() {
        let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        let declared = manifest.matches("[[bin]]").count();
        assert_eq!(targets().unwrap().len(), declared);
        assert!(targets().unwrap().contains(&"client_ip".to_owned()));
    }

    #[test]
    fn seconds_must_be_a_number_and_a_target_must_exist() {
        let run = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            run(&args).map_err(|failure| failure.to_string())
        };
        assert!(run(&[]).unwrap_err().contains("SECONDS"));
        assert!(run(&["soon"]).unwrap_err().contains("SECONDS"));
        assert!(
            run(&["1", "nothing"])
                .unwrap_err()
                .contains("no such target")
        );
    }
}
