//! Checks beyond the compiler: that the list of features is honest, that arrows between crates point down, that
//! files stay short enough to read, that documents lead somewhere, and that a change of a public interface is seen.

#![allow(missing_docs, reason = "tests")]

mod circles;
mod dependencies;
mod documents;
mod facade;
mod features;
mod files;
mod interface;
mod logs;
mod metrics;
mod publishing;
mod rust_versions;

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file under `dir` whose name ends so, without what tools have written there.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    const WRITTEN_BY_TOOLS: [&str; 4] = ["target", ".git", "node_modules", "gateway-data"];
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            // A link leads to what is read where it lies.
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                if !WRITTEN_BY_TOOLS.iter().any(|skipped| name == *skipped) {
                    left.push(path);
                }
            } else if name.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A path as the reader of a message knows it.
fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// A package of the workspace, by its directory.
struct Package {
    name: String,
    dir: PathBuf,
    manifest: String,
}

fn packages() -> Vec<Package> {
    files(root(), "Cargo.toml")
        .into_iter()
        .filter_map(|path| {
            let manifest = read(&path);
            let name = manifest
                .lines()
                .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))?;
            Some(Package {
                name: name.to_owned(),
                dir: path.parent()?.to_owned(),
                manifest,
            })
        })
        .collect()
}

/// The published crates: those under `crates/`.
fn crates() -> Vec<Package> {
    let home = root().join("crates");
    packages()
        .into_iter()
        .filter(|package| package.dir.starts_with(&home))
        .collect()
}

/// Fails with every problem at once, so that one run is enough to mend them.
#[track_caller]
fn none_of(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
