//! Documents lead somewhere.

use crate::{crates, files, none_of, read, root, shown};

#[test]
fn no_relative_link_is_broken() {
    let mut problems = Vec::new();
    for path in files(root(), ".md") {
        let dir = path.parent().expect("a file lies in a directory");
        for target in links(&read(&path)) {
            let file = target.split('#').next().unwrap_or_default();
            if is_relative(file) && !dir.join(file).exists() {
                problems.push(format!("{}: {target}", shown(&path)));
            }
        }
    }
    none_of(&problems);
}

/// Whether a target names a file of the repository, rather than an address, or an item that rustdoc finds.
fn is_relative(target: &str) -> bool {
    let elsewhere = target.contains("://") || target.starts_with("mailto:");
    let item = target.contains("::") || !target.contains(['.', '/']) || target.ends_with(".html");
    !target.is_empty() && !elsewhere && !item
}

/// The targets of inline links and of link definitions, outside code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let outside_code: String = line.split('`').step_by(2).collect();
        for rest in outside_code.split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                found.push(target.to_owned());
            }
        }
        if let Some((_, target)) = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("]: "))
        {
            found.push(target.trim().to_owned());
        }
    }
    found
}

#[test]
fn the_readme_lists_each_crate() {
    let readme = read(&root().join("README.md"));
    let rows: Vec<&str> = readme
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    let missing = crates().into_iter().filter(|package| {
        let name = format!("`{}`", package.name);
        !rows.iter().any(|row| row.contains(&name))
    });
    none_of(&missing.map(|package| package.name).collect::<Vec<_>>());
}

#[test]
fn the_readme_names_the_commands_that_ci_runs() {
    let ci = read(&root().join(".ci/run"));
    let commands: Vec<&str> = ci
        .lines()
        .filter(|line| line.starts_with("cargo "))
        .collect();
    assert_eq!(commands, ["cargo xtask test", "cargo xtask ci --no-test"]);
    let readme = read(&root().join("README.md"));
    assert!(
        readme.contains("cargo xtask test"),
        "the README does not name the test command"
    );
}

#[test]
fn links_are_found_outside_code_alone() {
    let text =
        "[a](docs/a.md#x) `[b](b.md)` [c](https://example.com)\n```\n[d](d.md)\n```\n[e]: e.md\n";
    assert_eq!(links(text), ["docs/a.md#x", "https://example.com", "e.md"]);
}
