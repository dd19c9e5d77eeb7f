//! `cargo xtask mutants`

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Failure, command, root, shown, target_dir};
use crate::tools;

const VERSION: &str = "27.1.0";

/// The page that lists the survivors with their reasons.
const PAGE: &str = "docs/mutants.md";

/// The files of one crate that decide, and the tests that have to notice a change of them.
struct Subject {
    package: &'static str,
    files: &'static [&'static str],
    tests: &'static [&'static str],
}

const SUBJECTS: [Subject; 5] = [
    Subject {
        package: "palisade-core",
        files: &[
            "client_ip.rs",
            "forwarded.rs",
            "paths.rs",
            "proxies.rs",
            "target.rs",
        ],
        tests: &["client_ip"],
    },
    Subject {
        package: "palisade-ratelimit",
        files: &[
            "limit/exact_log.rs",
            "limit/fixed_window.rs",
            "limit/rules.rs",
            "limit/sliding_window.rs",
            "limit/token_bucket.rs",
        ],
        tests: &[],
    },
    Subject {
        package: "palisade-breaker",
        files: &[
            "state/machine.rs",
            "state/open_time.rs",
            "state/rules.rs",
            "state/trials.rs",
            "state/window.rs",
            "state/word.rs",
        ],
        tests: &["against_a_model", "rates", "recovery", "tripping"],
    },
    Subject {
        package: "palisade-auth",
        files: &[
            "jwt/der.rs",
            "jwt/parse.rs",
            "jwt/rules.rs",
            "jwt/verify.rs",
        ],
        tests: &["layer", "tokens", "vectors"],
    },
    Subject {
        package: "palisade-audit",
        files: &["redact/names.rs", "redact/values.rs", "trail/verify.rs"],
        tests: &[],
    },
];

/// The options of the command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted<'a> {
    package: Option<&'a str>,
    /// Such as `0/10`: the first of ten parts.
    shard: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn read(args: &'a [String]) -> Result<Self, Failure> {
        let mut wanted = Self::default();
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            match arg {
                "--shard" => wanted.shard = Some(args.next().ok_or_else(usage)?),
                name if SUBJECTS.iter().any(|subject| subject.package == name) => {
                    wanted.package = Some(name);
                }
                _ => return Err(usage()),
            }
        }
        Ok(wanted)
    }
}

fn usage() -> Failure {
    let names: Vec<&str> = SUBJECTS.iter().map(|subject| subject.package).collect();
    Failure::new(format!(
        "mutants: [CRATE] [--shard K/N], where CRATE is one of {}",
        names.join(", ")
    ))
}

/// Changes the code that decides, piece by piece, and looks whether a test fails each time.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let wanted = Wanted::read(args)?;
    let program = tools::cargo_program("cargo-mutants", VERSION, "cargo-mutants")?;
    let reasons = survivors(&read(&root().join(PAGE))?);
    let mut problems = Vec::new();
    for subject in &SUBJECTS {
        if wanted.package.is_some_and(|name| name != subject.package) {
            continue;
        }
        let output = target_dir().join("mutants").join(subject.package);
        fs::create_dir_all(&output)
            .map_err(|error| Failure::new(format!("{}: {error}", output.display())))?;
        let mut mutate = subject.command(&program, &output, wanted.shard);
        eprintln!("xtask: {}", shown(&mutate));
        // It fails when a mutant survives, which is judged here.
        mutate
            .status()
            .map_err(|error| Failure::new(format!("cargo-mutants: {error}")))?;
        let outcome = Outcome::read(&output.join("mutants.out"))?;
        println!("{}", outcome.line(subject.package));
        problems.extend(outcome.problems(subject.package, &reasons));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(problems.join("\nxtask: ")))
    }
}

impl Subject {
    fn command(&self, program: &Path, output: &Path, shard: Option<&str>) -> Command {
        let mut mutate = command(program, &["mutants", "--package", self.package]);
        for file in self.files {
            let path = format!("crates/{}/src/{file}", self.package);
            mutate.args(["--file", &path]);
        }
        if let Some(shard) = shard {
            mutate.args(["--shard", shard]);
        }
        mutate
            .args(["--no-shuffle", "--colors", "never"])
            .args(["--minimum-test-timeout", "60", "--output"])
            .arg(output)
            .args(["--", "--lib"]);
        for test in self.tests {
            mutate.args(["--test", test]);
        }
        mutate
            .env("CARGO_TARGET_DIR", target_dir().join("mutants/build"))
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        mutate
    }
}

/// The mutants of one run, by what became of them.
#[derive(Debug, Default)]
struct Outcome {
    killed: usize,
    unviable: usize,
    survived: BTreeSet<String>,
}

impl Outcome {
    fn read(dir: &Path) -> Result<Self, Failure> {
        let lines = |name: &str| -> Result<Vec<String>, Failure> {
            let text = read(&dir.join(name))?;
            Ok(text.lines().map(without_position).collect())
        };
        // One that runs without end is noticed, too.
        let killed = lines("caught.txt")?.len() + lines("timeout.txt")?.len();
        Ok(Self {
            killed,
            unviable: lines("unviable.txt")?.len(),
            survived: lines("missed.txt")?.into_iter().collect(),
        })
    }

    fn line(&self, package: &str) -> String {
        let viable = self.killed + self.survived.len();
        format!(
            "{package}: {} of {viable} viable mutants killed, {} do not compile",
            self.killed, self.unviable
        )
    }

    /// Every survivor needs a reason, and 95 % of the viable ones have to be killed all the same.
    fn problems(&self, package: &str, reasons: &BTreeSet<String>) -> Vec<String> {
        let mut problems: Vec<String> = self
            .survived
            .difference(reasons)
            .map(|survivor| format!("{survivor}: no test notices it, and {PAGE} has no reason"))
            .collect();
        let viable = self.killed + self.survived.len();
        if self.killed * 100 < viable * 95 {
            problems.push(format!("{package}: less than 95 % are killed"));
        }
        problems
    }
}

/// The name of a mutant without line and column, which change with everything above it.
fn without_position(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(line), Some(column), Some(what))
            if line.parse::<u32>().is_ok() && column.parse::<u32>().is_ok() =>
        {
            format!("{file}:{what}")
        }
        _ => name.to_owned(),
    }
}

/// The mutants in the table of the page: the first cells, in backticks.
fn survivors(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| `crates/"))
        .filter_map(|rest| Some(format!("crates/{}", rest.split_once("` |")?.0)))
        .map(|name| name.replace("\\|", "|"))
        .collect()
}

fn read(path: &PathBuf) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_are_mutated_exist() {
        for subject in &SUBJECTS {
            let home = root().join("crates").join(subject.package);
            for file in subject.files {
                assert!(home.join("src").join(file).is_file(), "{file}");
            }
            for test in subject.tests {
                assert!(home.join(format!("tests/{test}.rs")).is_file(), "{test}");
            }
        }
    }

    #[test]
    fn a_survivor_needs_a_reason_wherever_its_line_has_moved() {
        let page = "| mutant | reason |\n|---|---|\n| `crates/a/src/b.rs: replace \\| with &` | Equal. |\n";
        let reasons = survivors(page);
        let mut outcome = Outcome {
            killed: 98,
            ..Outcome::default()
        };
        outcome
            .survived
            .insert(without_position("crates/a/src/b.rs:7:12: replace | with &"));
        assert!(outcome.problems("a", &reasons).is_empty());
        assert_eq!(
            outcome.line("a"),
            "a: 98 of 99 viable mutants killed, 0 do not compile"
        );
        outcome.survived.insert(without_position(
            "crates/a/src/b.rs:7:12: replace < with <=",
        ));
        assert_eq!(
            outcome.problems("a", &reasons),
            [format!(
                "crates/a/src/b.rs: replace < with <=: no test notices it, and {PAGE} has no reason"
            )]
        );
    }

    #[test]
    fn too_many_survivors_are_a_failure_whatever_their_reasons() {
        let survived: BTreeSet<String> = ["x", "y"].map(str::to_owned).into();
        let outcome = Outcome {
            killed: 30,
            unviable: 5,
            survived: survived.clone(),
        };
        assert_eq!(
            outcome.problems("a", &survived),
            ["a: less than 95 % are killed"]
        );
    }

    #[test]
    fn a_crate_and_a_part_can_be_asked_for() {
        let args = ["palisade-core", "--shard", "0/10"].map(str::to_owned);
        let wanted = Wanted::read(&args).unwrap();
        assert_eq!(
            wanted,
            Wanted {
                package: Some("palisade-core"),
                shard: Some("0/10")
            }
        );
        assert!(Wanted::read(&["palisade".to_owned()]).is_err());
        assert!(Wanted::read(&["--shard".to_owned()]).is_err());
    }
}
