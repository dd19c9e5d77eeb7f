//! A copy of the workspace with the mutants in it, and the test binaries that are built from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::mutant::Mutant;
use super::subjects::Subject;
use super::weave::{Culprits, Woven};
use crate::command::{Failure, cargo, command, root, shown};

/// The module through which a test binary is told which mutant to be.
const SWITCH: &str = include_str!("switch.txt");

/// The most builds that may fail before one passes: each compiler error takes mutants out.
const ATTEMPTS: usize = 60;

pub(super) struct Tree<'a> {
    pub(super) dir: PathBuf,
    build: PathBuf,
    mutants: &'a [Mutant],
    /// Those that do not compile.
    pub(super) unviable: BTreeSet<usize>,
    /// Those that compile alone and not beside the others, such as those in a `const fn`.
    pub(super) apart: BTreeSet<usize>,
    /// Functions that constants are made by, and that have to stay `const`.
    constant: BTreeSet<String>,
    woven: BTreeMap<String, Woven>,
}

/// A test binary.
#[derive(Debug)]
pub(super) struct Binary {
    pub(super) path: PathBuf,
    /// The crate in whose folder it runs.
    pub(super) home: PathBuf,
}

impl<'a> Tree<'a> {
    /// Copies the workspace as it is on disk.
    pub(super) fn copy(
        base: &Path,
        subjects: &[&Subject],
        mutants: &'a [Mutant],
    ) -> Result<Self, Failure> {
        let dir = base.join("tree");
        let woven: BTreeSet<String> = mutants
            .iter()
            .map(|mutant| mutant.file.clone())
            .chain(subjects.iter().map(|subject| subject.root_module()))
            .collect();
        let mut listed = command("git", &["ls-files", "-z", "--cached"]);
        // New files, too, as another one that is there may name them.
        let listed = listed
            .args(["--others", "--exclude-standard"])
            .output()
            .map_err(|error| Failure::new(format!("git ls-files: {error}")))?;
        let mut kept = BTreeSet::new();
        for name in String::from_utf8_lossy(&listed.stdout).split('\0') {
            if woven.contains(name) {
                // Written by `build`, and once, so that its time tells whether it has changed.
                kept.insert(dir.join(name));
            } else if let Ok(content) = fs::read(root().join(name)) {
                write(&dir.join(name), &content)?;
                kept.insert(dir.join(name));
            }
        }
        remove_others(&dir, &kept)?;
        Ok(Self {
            dir,
            build: base.join("build"),
            mutants,
            unviable: BTreeSet::new(),
            apart: BTreeSet::new(),
            constant: BTreeSet::new(),
            woven: BTreeMap::new(),
        })
    }

    /// Builds the tests with all mutants in them that can be in one build.
    pub(super) fn build(&mut self, subjects: &[&Subject]) -> Result<Vec<Binary>, Failure> {
        for subject in subjects {
            self.add_switch(subject)?;
        }
        self.recall()?;
        let all: BTreeSet<usize> = (0..self.mutants.len()).collect();
        self.weave(&all)?;
        for _ in 0..ATTEMPTS {
            let mut tests = self.command(subjects);
            eprintln!("xtask: {}", shown(&tests));
            let output = tests
                .output()
                .map_err(|error| Failure::new(format!("cargo: {error}")))?;
            let said = String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                return said.lines().filter_map(|line| self.binary(line)).collect();
            }
            let known = self.constant.len();
            self.constant
                .extend(said.lines().filter_map(called_by_constant));
            let is_news = self.constant.len() > known;
            let out = self.blame(&said, !is_news);
            if out.is_empty() && !is_news {
                return Err(Failure::new(format!("the mutants do not compile:\n{said}")));
            }
            eprintln!(
                "xtask: {} mutants do not compile and are left out",
                out.len()
            );
            self.weave(if is_news { &all } else { &out })?;
            self.remember()?;
        }
        Err(Failure::new("the mutants do not compile"))
    }

    fn command(&self, subjects: &[&Subject]) -> Command {
        let mut tests = cargo(&["test", "--locked", "--no-run", "--message-format", "short"]);
        // All crates at once: no other job begins after the first error, and each round is to tell of all of them.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        tests.args(["--jobs", &cores.max(subjects.len()).to_string()]);
        for subject in subjects {
            tests.args(["--package", subject.package]);
        }
        tests.args(["--all-features", "--lib"]);
        let names: BTreeSet<&str> = subjects
            .iter()
            .flat_map(|subject| subject.tests)
            .copied()
            .collect();
        for name in names {
            tests.args(["--test", name]);
        }
        tests
            .current_dir(&self.dir)
            .env("CARGO_TARGET_DIR", &self.build)
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        tests
    }

    /// The file of those that are left out, each with the hash of its source: until that changes it need not be tried.
    fn memory(&self) -> PathBuf {
        self.dir.with_file_name("left-out.txt")
    }

    /// The text by which `memory` knows a mutant.
    fn memory_of(&self, id: usize) -> Result<String, Failure> {
        let mutant = &self.mutants[id];
        let mut hasher = DefaultHasher::new();
        read(&root().join(&mutant.file))?.hash(&mut hasher);
        let place = format!("{}:{}", mutant.line, mutant.column);
        Ok(format!("{:016x} {place} {}", hasher.finish(), mutant.name))
    }

    fn remember(&self) -> Result<(), Failure> {
        let mut text = String::new();
        for (sign, ids) in [('-', &self.unviable), ('|', &self.apart)] {
            for id in ids {
                text.push_str(&format!("{sign} {}\n", self.memory_of(*id)?));
            }
        }
        write(&self.memory(), text.as_bytes())
    }

    fn recall(&mut self) -> Result<(), Failure> {
        let known = fs::read_to_string(self.memory()).unwrap_or_default();
        let known: BTreeSet<&str> = known.lines().collect();
        for id in 0..self.mutants.len() {
            let memory = self.memory_of(id)?;
            if known.contains(&*format!("- {memory}")) {
                self.unviable.insert(id);
            } else if known.contains(&*format!("| {memory}")) {
                self.apart.insert(id);
            }
        }
        Ok(())
    }

    /// Writes the files of these mutants anew.
    fn weave(&mut self, changed: &BTreeSet<usize>) -> Result<(), Failure> {
        let files: BTreeSet<&str> = changed
            .iter()
            .map(|id| self.mutants[*id].file.as_str())
            .collect();
        for file in files {
            let left = self.mutants.iter().enumerate().filter(|(id, mutant)| {
                mutant.file == file && !self.unviable.contains(id) && !self.apart.contains(id)
            });
            let left: BTreeMap<usize, &Mutant> = left.collect();
            let source = read(&root().join(file))?;
            let woven = Woven::new(&source, &left, &self.constant)
                .map_err(|error| Failure::new(format!("{file}: {error}")))?;
            self.apart
                .extend(left.keys().filter(|id| !woven.mutants.contains(id)));
            let mut text = woven.text.clone();
            if file.ends_with("src/lib.rs") {
                text.push_str(SWITCH);
            }
            write(&self.dir.join(file), text.as_bytes())?;
            self.woven.insert(file.to_owned(), woven);
        }
        Ok(())
    }

    fn add_switch(&self, subject: &Subject) -> Result<(), Failure> {
        let path = subject.root_module();
        let source = read(&root().join(&path))?;
        // What the mutants do not use is no news here.
        let text = format!("#![allow(warnings)]{source}{SWITCH}");
        write(&self.dir.join(path), text.as_bytes())
    }

    /// Those that the errors of the compiler speak of, which are left out from now on; with `last` those too that it only
    /// speaks of the surroundings of, as nothing else is left to blame.
    fn blame(&mut self, said: &str, last: bool) -> BTreeSet<usize> {
        let mut out = BTreeSet::new();
        let mut around = BTreeSet::new();
        for (file, line, column) in said.lines().filter_map(error) {
            match self
                .woven
                .get(file)
                .map(|woven| woven.culprits(line, column))
            {
                Some(Culprits::Mutant(id)) => {
                    out.insert(id);
                }
                Some(Culprits::Around(ids)) => around.extend(ids),
                Some(Culprits::Unknown) | None => {}
            }
        }
        self.unviable.extend(&out);
        // What is said of the surroundings may come of those that are out already.
        if out.is_empty() && last {
            self.apart.extend(&around);
            out = around;
        }
        out
    }

    /// Reads `Executable tests/a.rs (/target/debug/deps/a-1234)`.
    fn binary(&self, line: &str) -> Option<Result<Binary, Failure>> {
        let line = line.trim_start().strip_prefix("Executable ")?;
        let path = line.rsplit_once('(')?.1.strip_suffix(')')?;
        let path = self.dir.join(path);
        // The sources of the binary say whose it is.
        let sources = match read(&path.with_extension("d")) {
            Ok(sources) => sources,
            Err(failure) => return Some(Err(failure)),
        };
        let name = sources.split("crates/").nth(1)?.split('/').next()?;
        Some(Ok(Binary {
            home: self.dir.join("crates").join(name),
            path,
        }))
    }
}

/// Reads the place of an error in the compiler's short form.
fn error(line: &str) -> Option<(&str, usize, usize)> {
    let mut parts = line.splitn(4, ':');
    let (file, row, column) = (parts.next()?, parts.next()?, parts.next()?);
    let what = parts.next()?.trim_start();
    let place = (file, row.parse().ok()?, column.parse().ok()?);
    what.starts_with("error").then_some(place)
}

/// Reads ``error[E0015]: cannot call non-const method `a::B::<C>::f` in constants``.
fn called_by_constant(line: &str) -> Option<String> {
    let (_, what) = line.split_once("error[E0015]: ")?;
    let path = what.split('`').nth(1)?;
    let name = path.rsplit("::").find(|part| !part.starts_with('<'))?;
    Some(name.to_owned())
}

/// Writes a file unless it is so already, for the sake of its time.
fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, content))
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// Removes files that an earlier copy left.
fn remove_others(dir: &Path, kept: &BTreeSet<PathBuf>) -> Result<(), Failure> {
    let failure = |error| Failure::new(format!("{}: {error}", dir.display()));
    for entry in fs::read_dir(dir).map_err(failure)? {
        let path = entry.map_err(failure)?.path();
        if path.is_dir() {
            remove_others(&path, kept)?;
            // Fails where something is left in it; cargo takes an empty one for a member.
            let _ = fs::remove_dir(&path);
        } else if !kept.contains(&path) {
            fs::remove_file(&path).map_err(failure)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_error_is_read_and_a_warning_is_none() {
        assert_eq!(
            error("crates/a/src/b.rs:12:5: error[E0308]: mismatched types: x"),
            Some(("crates/a/src/b.rs", 12, 5))
        );
        assert_eq!(error("crates/a/src/b.rs:12:5: warning: unused"), None);
        let called = |path: &str| {
            called_by_constant(&format!(
                "a.rs:1:1: error[E0015]: cannot call non-const method `{path}` in constants: x"
            ))
        };
        assert_eq!(called("a::B::new").as_deref(), Some("new"));
        assert_eq!(called("B::new::<u8>").as_deref(), Some("new"));
        assert_eq!(called_by_constant("error[E0308]: mismatched types"), None);
        assert_eq!(error("error: could not compile `a` (lib)"), None);
    }
}
