//! Repeats at the end what failed, which is thousands of lines above it otherwise.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::command::{Failure, shown};

/// The most lines that are repeated for one command.
const MOST: usize = 400;

/// Runs tests to their end, and repeats the output of those that failed in the error.
pub(super) fn run(tests: &mut Command) -> Result<(), Failure> {
    let line = shown(tests);
    eprintln!("xtask: {line}");
    let failed = |why: String| Failure::new(format!("{line}: {why}"));
    let mut child = tests
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut failures = Failures::default();
    if let Some(output) = child.stdout.take() {
        for printed in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let printed = String::from_utf8_lossy(&printed);
            println!("{printed}");
            failures.read(&printed);
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(format!("{status}\n{}", failures.lines.join("\n")))),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// The sections that test binaries print about what failed.
#[derive(Debug, Default)]
struct Failures {
    inside: bool,
    lines: Vec<String>,
}

impl Failures {
    fn read(&mut self, printed: &str) {
        if printed == "failures:" {
            self.inside = true;
        } else if printed.starts_with("test result:") {
            self.inside = false;
        } else if self.inside && !printed.is_empty() && self.lines.len() < MOST {
            self.lines.push(printed.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_failed_test_is_repeated_and_that_of_others_is_not() {
        let printed = "\
test one ... ok
test two ... FAILED

failures:

---- two stdout ----
left and right differ

failures:
    two

test result: FAILED. 1 passed; 1 failed
test three ... ok
test result: ok. 1 passed; 0 failed";
        let script = format!("cat <<'END'\n{printed}\nEND\nexit 101");
        let failure = run(Command::new("sh").args(["-c", &script])).unwrap_err();
        let text = failure.to_string();
        assert!(
            text.ends_with("101\n---- two stdout ----\nleft and right differ\n    two"),
            "{text}"
        );
    }

    #[test]
    fn tests_that_pass_leave_nothing_to_repeat() {
        assert!(run(&mut Command::new("true")).is_ok());
    }
}
