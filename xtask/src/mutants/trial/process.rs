//! Runs the tests of one binary, in bounded time and memory.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::super::tree::Binary;
use crate::command::Failure;

/// A mutant that computes without end is stopped after this and ten times the usual time.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// More than any test needs, in KiB: one that allocates without end stops here.
const MEMORY: &str = "6000000";

/// The times between two looks at a running binary, first and later.
const STEPS: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(20)];

/// The most cases of a property: a mutant that only the two hundredth notices is worth a test of its own.
const CASES: &str = "32";

/// The names of the tests of a binary.
pub(super) fn names(binary: &Binary) -> Result<Vec<String>, Failure> {
    let listed = Command::new(&binary.path)
        .args(["--list", "--format", "terse"])
        .current_dir(&binary.home)
        .output()
        .map_err(|error| Failure::new(format!("{}: {error}", binary.path.display())))?;
    let text = String::from_utf8_lossy(&listed.stdout);
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

/// Runs the tests of these names, and returns how long they took if all pass.
pub(super) fn time_to_pass(
    binary: &Binary,
    names: &[&str],
    variables: &[(&str, String)],
    patience: Duration,
) -> Option<Duration> {
    let mut tests = Command::new("sh");
    tests
        .args(["-c", "ulimit -v \"$0\" && exec \"$@\"", MEMORY])
        .arg(&binary.path)
        .args(["--quiet", "--exact"])
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
        let step = STEPS[usize::from(waited > STEPS[1])];
        match running.try_wait() {
            Ok(Some(status)) => return status.success().then_some(waited),
            Ok(None) => thread::sleep(step),
            Err(_) => break,
        }
        waited += step;
    }
    let group = format!("-{}", running.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    let _ = running.wait();
    None
}

/// Runs the same work once for each core, with its number.
pub(super) fn on_every_core(work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for core in 0..thread::available_parallelism().map_or(1, usize::from) {
            let work = &work;
            scope.spawn(move || work(core));
        }
    });
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::path::PathBuf;

    use super::*;

    fn binary(path: &str) -> Binary {
        Binary {
            path: PathBuf::from(path),
            home: env::temp_dir(),
        }
    }

    fn run(path: &str, patience: Duration) -> Option<Duration> {
        time_to_pass(&binary(path), &[], &[], patience)
    }

    #[test]
    fn a_binary_passes_fails_or_is_stopped() {
        let long = Duration::from_secs(60);
        assert!(run("/bin/true", long).is_some());
        assert_eq!(run("/bin/false", long), None);
        // Reads for ever, whatever it is asked for.
        let endless = PathBuf::from("/usr/bin/yes");
        assert!(endless.is_file());
        assert_eq!(run("/usr/bin/yes", Duration::from_millis(60)), None);
    }

    #[test]
    fn the_tests_of_a_binary_are_listed_by_their_full_names() {
        let own = env::current_exe().unwrap();
        let names = names(&binary(&own.display().to_string())).unwrap();
        let known = concat!(
            module_path!(),
            "::the_tests_of_a_binary_are_listed_by_their_full_names"
        );
        let known = known.split_once("::").unwrap().1;
        assert!(names.iter().any(|name| name == known), "{names:?}");
    }
}
