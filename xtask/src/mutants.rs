//! `cargo xtask mutants`

mod mutant;
mod report;
mod subjects;
mod tree;
mod trial;
mod weave;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::command::{Failure, command, root, target_dir};
use crate::tools;
use mutant::Mutant;
use report::{PAGE, Tally, survivors};
use subjects::{SUBJECTS, Subject};
use tree::Tree;
use trial::Fate;

const VERSION: &str = "27.1.0";

/// The options of the command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted<'a> {
    /// All without one.
    packages: BTreeSet<&'a str>,
    /// Those whose path holds this.
    file: Option<&'a str>,
    /// Such as `0/10`: the first of every ten.
    shard: Option<(usize, usize)>,
    /// After so long no other mutant is tried.
    limit: Option<Duration>,
    /// Only those that were not killed the last time.
    again: bool,
}

impl<'a> Wanted<'a> {
    fn read(args: &'a [String]) -> Result<Self, Failure> {
        let mut wanted = Self::default();
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            match arg {
                "--file" => wanted.file = Some(args.next().ok_or_else(usage)?),
                "--shard" => wanted.shard = Some(args.next().and_then(shard).ok_or_else(usage)?),
                "--again" => wanted.again = true,
                "--minutes" => {
                    let minutes = args.next().and_then(|minutes| minutes.parse::<u32>().ok());
                    wanted.limit = Some(Duration::from_secs(60) * minutes.ok_or_else(usage)?);
                }
                name if SUBJECTS.iter().any(|subject| subject.package == name) => {
                    wanted.packages.insert(name);
                }
                _ => return Err(usage()),
            }
        }
        Ok(wanted)
    }

    fn includes(&self, subject: &Subject) -> bool {
        self.packages.is_empty() || self.packages.contains(subject.package)
    }

    /// Those of a crate's mutants that are asked for.
    fn choose(&self, mutants: Vec<Mutant>) -> Vec<Mutant> {
        let (part, parts) = self.shard.unwrap_or((0, 1));
        let named = mutants
            .into_iter()
            .filter(|mutant| self.file.is_none_or(|file| mutant.file.contains(file)));
        named.skip(part).step_by(parts).collect()
    }
}

fn shard(text: &str) -> Option<(usize, usize)> {
    let (part, parts) = text.split_once('/')?;
    let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
    (part < parts).then_some((part, parts))
}

fn usage() -> Failure {
    let names: Vec<&str> = SUBJECTS.iter().map(|subject| subject.package).collect();
    Failure::new(format!(
        "mutants: [CRATE]... [--file PART] [--shard K/N] [--minutes N] [--again], where CRATE is one of {}",
        names.join(", ")
    ))
}

/// Changes the code that decides, piece by piece, and looks whether a test fails each time.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let wanted = Wanted::read(args)?;
    let program = tools::cargo_program("cargo-mutants", VERSION, "cargo-mutants")?;
    let page = root().join(PAGE);
    let reasons = survivors(
        &fs::read_to_string(&page)
            .map_err(|error| Failure::new(format!("{}: {error}", page.display())))?,
    );
    let subjects: Vec<&Subject> = SUBJECTS
        .iter()
        .filter(|subject| wanted.includes(subject))
        .collect();
    let mut mutants = Vec::new();
    for subject in &subjects {
        mutants.extend(wanted.choose(list(&program, subject)?));
    }
    eprintln!("xtask: {} mutants", mutants.len());

    let base = target_dir().join("mutants");
    fs::create_dir_all(base.join("tree"))
        .map_err(|error| Failure::new(format!("{}: {error}", base.display())))?;
    let mut tree = Tree::copy(&base, &subjects, &mutants)?;
    let binaries = tree.build(&subjects)?;
    let fates = base.join("fates.txt");
    let left = match wanted.again {
        true => not_killed(&fs::read_to_string(&fates).unwrap_or_default()),
        false => mutants.iter().map(|mutant| mutant.name.clone()).collect(),
    };
    let built: Vec<usize> = (0..mutants.len())
        .filter(|id| !tree.unviable.contains(id) && !tree.apart.contains(id))
        .filter(|id| left.contains(&mutants[*id].name))
        .collect();
    let log = Mutex::new(
        File::create(&fates)
            .map_err(|error| Failure::new(format!("{}: {error}", fates.display())))?,
    );
    let fates = trial::run(
        &binaries,
        &trial::spread(&built),
        wanted.limit,
        &base,
        |id, fate| {
            let Mutant {
                line, column, name, ..
            } = &mutants[id];
            let line = format!("{fate:?} {line}:{column} {name}");
            if fate != Fate::Killed {
                eprintln!("xtask: {line}");
            }
            if let Ok(mut log) = log.lock() {
                let _ = writeln!(log, "{line}");
            }
        },
    )?;

    let mut problems = Vec::new();
    for subject in &subjects {
        let home = subject.path("");
        let of = |id: &usize| mutants[*id].file.starts_with(&home);
        let tally = Tally {
            unviable: tree.unviable.iter().filter(|id| of(id)).count(),
            apart: tree.apart.iter().filter(|id| of(id)).count(),
            killed: fates
                .iter()
                .filter(|(id, fate)| of(id) && **fate == Fate::Killed)
                .count(),
            survived: fates
                .iter()
                .filter(|(id, fate)| of(id) && **fate != Fate::Killed)
                .map(|(id, _)| mutants[*id].name.clone())
                .collect(),
            untried: built
                .iter()
                .filter(|id| of(id) && !fates.contains_key(id))
                .count(),
        };
        println!("{}", tally.line(subject.package));
        problems.extend(tally.problems(subject.package, &reasons));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(problems.join("\nxtask: ")))
    }
}

/// The names in the list of an earlier run of those that no test has noticed.
fn not_killed(fates: &str) -> BTreeSet<String> {
    let lines = fates.lines().filter_map(|line| line.split_once(' '));
    let others = lines.filter(|(fate, _)| *fate != "Killed");
    others
        .filter_map(|(_, rest)| Some(rest.split_once(' ')?.1.to_owned()))
        .collect()
}

/// The mutants that cargo-mutants has for the files of a crate.
fn list(program: &Path, subject: &Subject) -> Result<Vec<Mutant>, Failure> {
    let mut list = command(program, &["mutants", "--list", "--colors", "never"]);
    list.args(["--package", subject.package]);
    for file in subject.files {
        list.args(["--file", &subject.path(file)]);
    }
    let output = list
        .output()
        .map_err(|error| Failure::new(format!("cargo-mutants: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("cargo-mutants: {said}")));
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    Ok(listed.lines().filter_map(Mutant::read).collect())
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
                let file = home.join(format!("tests/{test}.rs"));
                assert!(
                    file.is_file() || home.join(format!("tests/{test}/main.rs")).is_file(),
                    "{test}"
                );
            }
        }
    }

    #[test]
    fn those_that_were_not_killed_can_be_tried_again() {
        let fates = "Killed 7:1 crates/a/src/b.rs: delete ! in f\nSurvived 9:4 crates/a/src/b.rs: replace < with <= in g\n\
                     Unreached 11:4 crates/a/src/b.rs: replace h with ()\n";
        let expected = ["replace < with <= in g", "replace h with ()"];
        let expected = expected.map(|what| format!("crates/a/src/b.rs: {what}"));
        assert_eq!(not_killed(fates), expected.into());
    }

    #[test]
    fn crates_files_and_a_part_can_be_asked_for() {
        let args = [
            "palisade-core",
            "--file",
            "paths",
            "--shard",
            "1/2",
            "--minutes",
            "3",
        ]
        .map(str::to_owned);
        let wanted = Wanted::read(&args).unwrap();
        assert_eq!(wanted.packages, ["palisade-core"].into());
        assert_eq!(wanted.limit, Some(Duration::from_secs(180)));
        let lines = [
            "crates/a/src/paths.rs:1:1: delete ! in a",
            "crates/a/src/paths.rs:2:1: delete ! in b",
            "crates/a/src/peer.rs:3:1: delete ! in c",
            "crates/a/src/paths.rs:4:1: delete ! in d",
            "crates/a/src/paths.rs:5:1: delete ! in e",
        ];
        let chosen = wanted.choose(lines.iter().filter_map(|line| Mutant::read(line)).collect());
        let lines: Vec<usize> = chosen.iter().map(|mutant| mutant.line).collect();
        assert_eq!(lines, [2, 5]);
        for wrong in [
            &["palisade-none"][..],
            &["--shard"],
            &["--shard", "2/2"],
            &["--file"],
            &["--minutes", "soon"],
        ] {
            let wrong: Vec<String> = wrong.iter().map(|&arg| arg.to_owned()).collect();
            assert!(Wanted::read(&wrong).is_err(), "{wrong:?}");
        }
    }
}
