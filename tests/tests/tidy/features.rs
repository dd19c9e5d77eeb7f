//! docs/features.md claims nothing that is not proved.

use std::collections::HashMap;
use std::path::Path;

use crate::{Package, files, none_of, packages, read, root};

struct Row {
    place: String,
    state: String,
    proofs: Vec<String>,
}

enum State {
    Built,
    Partly,
    NotBuilt,
}

impl State {
    fn of(text: &str) -> Option<Self> {
        match text {
            "built" => Some(Self::Built),
            "not built" => Some(Self::NotBuilt),
            _ => text
                .strip_prefix("partly: ")
                .filter(|missing| !missing.trim().is_empty())
                .map(|_| Self::Partly),
        }
    }
}

/// The rows of every table, and what is wrong with their form.
fn rows() -> (Vec<Row>, Vec<String>) {
    let text = read(&root().join("docs/features.md"));
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let table_lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with('|'));
    for (position, line) in table_lines {
        let place = format!("docs/features.md:{}", position + 1);
        let cells = cells(line);
        let [row, state, proof, seen_at] = cells.as_slice() else {
            problems.push(format!("{place}: {} cells, must be 4", cells.len()));
            continue;
        };
        let heading = row == "row" || row.chars().all(|character| character == '-');
        if heading {
            continue;
        }
        if seen_at.is_empty() {
            problems.push(format!(
                "{place}: nothing under `seen at`; `-` says that there is nothing"
            ));
        }
        let proofs = match proof.as_str() {
            "-" => Vec::new(),
            _ => proof.split(", ").map(str::to_owned).collect(),
        };
        rows.push(Row {
            place,
            state: state.clone(),
            proofs,
        });
    }
    (rows, problems)
}

/// The cells of a table's line; `\|` is a bar inside one.
fn cells(line: &str) -> Vec<String> {
    let inside = line.trim().trim_start_matches('|');
    let inside = inside.strip_suffix('|').unwrap_or(inside);
    inside
        .replace("\\|", "\u{1}")
        .split('|')
        .map(|cell| cell.replace('\u{1}', "|").trim().to_owned())
        .collect()
}

#[test]
fn each_row_has_one_of_three_states_and_the_proof_that_it_needs() {
    let (rows, mut problems) = rows();
    assert!(rows.len() > 400, "only {} rows were found", rows.len());
    for row in &rows {
        let Row {
            place,
            state,
            proofs,
        } = row;
        match State::of(state) {
            None => problems.push(format!("{place}: {state:?} is no state")),
            Some(State::Built | State::Partly) if proofs.is_empty() => {
                problems.push(format!("{place}: {state:?} without a proof"));
            }
            Some(State::NotBuilt) if !proofs.is_empty() => {
                problems.push(format!("{place}: not built, and yet a proof"));
            }
            Some(_) => {}
        }
    }
    none_of(&problems);
}

#[test]
fn every_proof_that_a_row_names_exists() {
    let mut proofs = Proofs::new();
    let mut problems = Vec::new();
    for row in rows().0 {
        for proof in &row.proofs {
            if let Err(why) = proofs.check(proof) {
                problems.push(format!("{}: {proof}: {why}", row.place));
            }
        }
    }
    none_of(&problems);
}

/// The sources in which proofs are looked for, read once.
struct Proofs {
    packages: Vec<Package>,
    sources: HashMap<String, String>,
}

impl Proofs {
    fn new() -> Self {
        Self {
            packages: packages(),
            sources: HashMap::new(),
        }
    }

    fn check(&mut self, proof: &str) -> Result<(), &'static str> {
        let name = proof
            .strip_prefix('`')
            .and_then(|rest| rest.strip_suffix('`'))
            .ok_or("is not in backticks")?;
        if let Some(measure) = name.strip_prefix("bench: ") {
            let source = self
                .source_of("palisade-benches")
                .ok_or("there are no benches")?;
            return if source.contains(&format!("\"{measure}\"")) {
                Ok(())
            } else {
                Err("benches/ has no measure of that name")
            };
        }
        let (package, test) = name
            .split_once("::")
            .ok_or("is neither `package::test` nor `bench: measure`")?;
        let test = test.rsplit("::").next().unwrap_or(test);
        let source = self
            .source_of(package)
            .ok_or("there is no such package in the workspace")?;
        if is_test(source, test) {
            Ok(())
        } else {
            Err("the package has no test function of that name")
        }
    }

    fn source_of(&mut self, package: &str) -> Option<&str> {
        let dir = &self
            .packages
            .iter()
            .find(|known| known.name == package)?
            .dir;
        let source = self
            .sources
            .entry(package.to_owned())
            .or_insert_with(|| all_sources(dir));
        Some(source)
    }
}

fn all_sources(dir: &Path) -> String {
    files(dir, ".rs")
        .iter()
        .map(|path| read(path) + "\n")
        .collect()
}

/// Whether `source` has a function of this name under a `#[test]`, `#[tokio::test]` or the like. One that is ignored must
/// say what it needs; `cargo xtask test --full` runs it.
fn is_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let start = format!("fn {name}(");
    lines
        .iter()
        .enumerate()
        .filter(|(_, line)| {
            line.strip_prefix("async ")
                .unwrap_or(line)
                .starts_with(&start)
        })
        .any(|(position, _)| {
            let attributes: Vec<&str> = lines[..position]
                .iter()
                .rev()
                .take_while(|line| !line.is_empty() && !line.starts_with('}'))
                .copied()
                .collect();
            let any = |wanted: &str| attributes.iter().any(|line| line.starts_with(wanted));
            let tested = any("#[test]") || any("#[tokio::test");
            tested && !any("#[ignore]")
        })
}

#[test]
fn only_a_test_that_runs_counts_as_a_proof() {
    let source = "#[test]\nfn plain() {}\n\n#[tokio::test(start_paused = true)]\n// Why.\nasync fn paused() {}\n\
                  \n#[test]\n#[ignore = \"needs root\"]\nfn full() {}\n\n#[test]\n#[ignore]\nfn ignored() {}\n\nfn helper() {}\n";
    assert!(
        ["plain", "paused", "full"]
            .iter()
            .all(|test| is_test(source, test))
    );
    for absent in ["ignored", "helper", "pla", "other"] {
        assert!(!is_test(source, absent), "{absent}");
    }
}

#[test]
fn a_bar_in_a_cell_does_not_end_it() {
    assert_eq!(
        cells(r"| `a\|b` | built | - | c |"),
        ["`a|b`", "built", "-", "c"]
    );
}
