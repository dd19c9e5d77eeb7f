//! Each crate brings along what crates.io and docs.rs show of it.

use std::path::{Component, Path, PathBuf};

use toml::{Table, Value};

use crate::{crates, files, none_of, read, shown};

/// Slugs of crates.io that the crates use; another one is looked up there before it is added.
const CATEGORIES: [&str; 8] = [
    "asynchronous",
    "authentication",
    "config",
    "cryptography",
    "network-programming",
    "web-programming",
    "web-programming::http-client",
    "web-programming::http-server",
];

#[test]
fn each_manifest_says_what_a_registry_shows() {
    let mut problems = Vec::new();
    for package in crates() {
        let manifest: Table = package.manifest.parse().expect("a manifest is TOML");
        let about = manifest["package"].as_table().expect("a table");
        let mut complain = |what: String| problems.push(format!("{}: {what}", package.name));
        let described = about
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if described.is_empty() || !described.ends_with('.') {
            complain(format!("its description is no sentence: {described:?}"));
        }
        let keywords = texts(about.get("keywords"));
        if keywords.is_empty() || keywords.len() > 5 || keywords.iter().any(|word| word.len() > 20)
        {
            complain(format!(
                "1 to 5 keywords of at most 20 characters, not {keywords:?}"
            ));
        }
        let own = texts(about.get("categories"));
        if own.len() > 5
            || own
                .iter()
                .any(|category| !CATEGORIES.contains(&category.as_str()))
        {
            complain(format!("unknown categories among {own:?}"));
        }
        if own.is_empty()
            && about
                .get("categories")
                .and_then(|value| value.get("workspace"))
                .is_none()
        {
            complain("it has no categories".to_owned());
        }
        for inherited in ["version", "license", "repository", "authors", "edition"] {
            if about
                .get(inherited)
                .and_then(|value| value.get("workspace"))
                .is_none()
            {
                complain(format!("{inherited} is not the workspace's"));
            }
        }
        let docs = about
            .get("metadata")
            .and_then(|metadata| metadata.get("docs"));
        let docs = docs.and_then(|docs| docs.get("rs"));
        if docs.and_then(|docs| docs.get("all-features")) != Some(&Value::Boolean(true)) {
            complain("docs.rs would not show all features".to_owned());
        }
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let ours = package.dir.join(licence);
            if !ours.is_file() || read(&ours) != read(&crate::root().join(licence)) {
                complain(format!("{licence} is not the workspace's"));
            }
        }
    }
    none_of(&problems);
}

#[test]
fn each_readme_says_more_than_the_name() {
    let short = crates().into_iter().filter(|package| {
        let text = read(&package.dir.join("README.md"));
        text.lines().count() < 20 || !text.contains("```rust")
    });
    none_of(
        &short
            .map(|package| format!("{}: its README has no text or no example", package.name))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn each_changelog_speaks_of_the_next_version_first() {
    let mut problems = Vec::new();
    for package in crates() {
        let text = read(&package.dir.join("CHANGELOG.md"));
        let first = text
            .lines()
            .find(|line| line.starts_with("## "))
            .unwrap_or_default();
        if first != "## Unreleased" {
            problems.push(format!(
                "{}: its changelog begins with {first:?}",
                package.name
            ));
        }
        let known = [
            "Added",
            "Changed",
            "Deprecated",
            "Removed",
            "Fixed",
            "Security",
        ];
        let headings = text.lines().filter_map(|line| line.strip_prefix("### "));
        problems.extend(
            headings
                .filter(|heading| !known.contains(heading))
                .map(|heading| format!("{}: {heading}", package.name)),
        );
    }
    none_of(&problems);
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|value| Some(value.as_str()?.to_owned()))
        .collect()
}

#[test]
fn a_crate_includes_no_file_that_its_package_lacks() {
    let mut problems = Vec::new();
    for package in crates() {
        let inside = package.dir.canonicalize().expect("the crate is there");
        for path in files(&package.dir.join("src"), ".rs") {
            let text = read(&path);
            let dir = path.parent().expect("a file lies in a directory");
            for (at, _) in text.match_indices("include_str!(\"") {
                let rest = &text[at + "include_str!(\"".len()..];
                let named = rest.split('"').next().unwrap_or_default();
                // A link is packed as what it leads to, so it is not followed.
                let lies_inside = inside_of(&dir.join(named), &inside);
                // Documentation tests are run in the repository.
                let tested_alone = text[..at].contains("doctest");
                if !lies_inside && !tested_alone {
                    problems.push(format!("{}: {named}", shown(&path)));
                }
            }
        }
    }
    none_of(&problems);
}

/// Whether a path without its steps back is below this directory.
fn inside_of(path: &Path, dir: &Path) -> bool {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain.starts_with(dir)
}
