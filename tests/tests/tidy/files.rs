//! Files that a reader can hold in mind.

use std::path::Path;

use crate::{crates, files, none_of, packages, read, root, shown};

/// No file is longer than this, tests and documentation included.
const LINES: usize = 400;
/// Nor is one that holds tests alone, which are read one at a time.
const LINES_OF_TESTS: usize = 600;
/// Nor has it more lines of code than this, which are neither blank, comment nor test.
const LINES_OF_CODE: usize = 300;

/// Files that may be longer, with the reason.
const LONGER: &[(&str, &str)] = &[];

#[test]
fn no_file_is_too_long_to_read() {
    let mut problems = Vec::new();
    for path in files(root(), ".rs") {
        let name = shown(&path);
        if LONGER.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let text = read(&path);
        let lines = text.lines().count();
        let (most, only_tests) = if holds_only_tests(&path) {
            (LINES_OF_TESTS, true)
        } else {
            (LINES, false)
        };
        if lines > most {
            problems.push(format!("{name}: {lines} lines, at most {most}"));
        }
        let code = lines_of_code(&text);
        if code > LINES_OF_CODE && !only_tests {
            problems.push(format!(
                "{name}: {code} lines of code, at most {LINES_OF_CODE}"
            ));
        }
    }
    none_of(&problems);
}

#[test]
fn what_is_excused_from_the_limit_still_needs_it() {
    let stale = LONGER.iter().filter(|(name, _)| {
        let path = root().join(name);
        !path.is_file() || read(&path).lines().count() <= LINES
    });
    none_of(
        &stale
            .map(|(name, _)| (*name).to_owned())
            .collect::<Vec<_>>(),
    );
}

/// Whether a file lies under `tests/`, or is a module that its parent declares under `#[cfg(test)]`.
fn holds_only_tests(path: &Path) -> bool {
    let under_tests = path
        .components()
        .any(|component| component.as_os_str() == "tests");
    let (Some(dir), Some(stem)) = (path.parent(), path.file_stem()) else {
        return under_tests;
    };
    let declared = format!("#[cfg(test)]\nmod {};", stem.to_string_lossy());
    let parents = ["mod.rs", "lib.rs", "main.rs"].map(|name| dir.join(name));
    let beside = dir.with_extension("rs");
    under_tests
        || parents
            .iter()
            .chain([&beside])
            .any(|parent| parent.is_file() && read(parent).contains(&declared))
}

/// Lines outside `#[cfg(test)]` modules, which stand last, that are neither blank nor comment.
fn lines_of_code(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0].starts_with("#[cfg(test)]") && pair[1].starts_with("mod tests"));
    lines[..tests.unwrap_or(lines.len())]
        .iter()
        .map(|line| line.trim_start())
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

#[test]
fn each_package_takes_the_lints_of_the_workspace() {
    let lax = packages()
        .into_iter()
        .filter(|package| package.dir != root().join("fuzz"))
        .filter(|package| !package.manifest.contains("[lints]\nworkspace = true"));
    none_of(&lax.map(|package| package.name).collect::<Vec<_>>());
}

#[test]
fn unsafe_code_is_forbidden_to_the_whole_workspace() {
    assert!(read(&root().join("Cargo.toml")).contains("unsafe_code = \"forbid\""));
}

#[test]
fn each_crate_comes_with_a_readme_and_a_changelog() {
    let mut problems = Vec::new();
    for package in crates() {
        for name in ["README.md", "CHANGELOG.md"] {
            if !package.dir.join(name).is_file() {
                problems.push(format!("{} has no {name}", package.name));
            }
        }
    }
    none_of(&problems);
}

#[test]
fn each_example_comes_with_a_readme() {
    let examples = root().join("examples");
    let lacking: Vec<String> = packages()
        .into_iter()
        .filter(|package| package.dir.starts_with(&examples))
        .filter(|package| !package.dir.join("README.md").is_file())
        .map(|package| package.name)
        .collect();
    none_of(&lacking);
}
