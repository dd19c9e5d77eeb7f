//! Documents lead somewhere.

use std::path::PathBuf;

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

/// The pages that the facade's `guides` shows, by their paths.
fn guides() -> Vec<PathBuf> {
    let facade = root().join("crates/palisade");
    let text = read(&facade.join("src/guides.rs"));
    let named = text.lines().filter_map(|line| {
        let (_, file) = line.split_once(" = \"../")?;
        Some(root().join(file.strip_suffix("\",")?))
    });
    named.collect()
}

#[test]
fn every_guide_is_in_the_documentation_and_linked_from_the_readme() {
    let shown_by_rustdoc = guides();
    let linked: Vec<PathBuf> = links(&read(&root().join("README.md")))
        .iter()
        .map(|link| root().join(link))
        .collect();
    let mut pages = files(&root().join("docs/guides"), ".md");
    pages.extend(shown_by_rustdoc.iter().cloned());
    let mut problems = Vec::new();
    for page in pages {
        if !shown_by_rustdoc.contains(&page) {
            problems.push(format!("{} is not in the facade's guides.rs", shown(&page)));
        }
        if !linked.contains(&page) {
            problems.push(format!("README.md does not lead to {}", shown(&page)));
        }
    }
    none_of(&problems);
}

#[test]
fn guides_lead_to_each_other_in_rustdoc_too() {
    let known = read(&root().join("docs/links.md"));
    let labels: Vec<&str> = known
        .lines()
        .filter_map(|line| Some(line.strip_prefix('[')?.split_once("]: ")?.0))
        .collect();
    let mut problems = Vec::new();
    for page in guides() {
        let text = read(&page);
        let (defined, inline): (Vec<String>, Vec<String>) = links(&text)
            .into_iter()
            .filter(|target| is_relative(target) || target.contains(".md"))
            .filter(|target| !target.contains("://"))
            .partition(|target| text.contains(&format!("]: {target}\n")));
        for target in inline {
            problems.push(format!("{}: ({target}) is no label", shown(&page)));
        }
        for line in text.lines().filter(|line| line.starts_with('[')) {
            let Some((label, target)) = line[1..].split_once("]: ") else {
                continue;
            };
            if defined.iter().any(|relative| relative == target) && !labels.contains(&label) {
                problems.push(format!(
                    "{}: docs/links.md does not know [{label}]",
                    shown(&page)
                ));
            }
        }
    }
    none_of(&problems);
}

#[test]
fn the_snippets_of_every_guide_are_tested_in_one_crate() {
    let sources: Vec<String> = crates()
        .iter()
        .map(|package| read(&package.dir.join("src/lib.rs")))
        .collect();
    let mut problems = Vec::new();
    for page in guides() {
        let tested = read(&page)
            .lines()
            .any(|line| line.starts_with("```rust") && !line.contains("ignore"));
        let name = shown(&page);
        let included = format!("{}\")]", name.trim_start_matches("docs"));
        let testing = sources
            .iter()
            .filter(|text| text.contains("doctest") && text.contains(&included))
            .count();
        if testing != usize::from(tested) {
            problems.push(format!("{name} is tested in {testing} crates"));
        }
    }
    none_of(&problems);
}

#[test]
fn the_guide_to_policies_quotes_the_example_as_it_is() {
    let example = root().join("examples/cedar-policy");
    let sources = [".rs", ".cedar"].map(|ending| {
        let texts = files(&example, ending).into_iter().map(|path| read(&path));
        texts.collect::<String>()
    });
    let written: Vec<&str> = sources
        .iter()
        .flat_map(|text| text.lines())
        .map(str::trim)
        .collect();
    let guide = read(&root().join("docs/guides/guards-and-policies.md"));
    let quoted: Vec<&str> = ["```text\n", "```rust,ignore\n"]
        .into_iter()
        .filter_map(|fence| guide.split_once(fence)?.1.split_once("```"))
        .flat_map(|(block, _)| block.lines())
        .collect();
    assert!(quoted.len() > 5, "{quoted:?}");
    let changed = quoted
        .into_iter()
        .filter(|line| !written.contains(&line.trim()));
    none_of(&changed.map(str::to_owned).collect::<Vec<_>>());
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

/// A first sentence that begins so names a question and leaves out the thing.
const QUESTIONS: [&str; 10] = [
    "What ", "When ", "How ", "Why ", "Where ", "Who ", "Whom ", "Whose ", "Which ", "That ",
];

#[test]
fn the_documentation_of_an_item_begins_with_its_name_or_its_deed() {
    let mut problems = Vec::new();
    for path in files(root(), ".rs") {
        let text = read(&path);
        let questions = first_lines(&text)
            .filter(|(_, line)| QUESTIONS.iter().any(|question| line.starts_with(question)));
        problems
            .extend(questions.map(|(number, line)| format!("{}:{number}: {line}", shown(&path))));
    }
    none_of(&problems);
}

/// The first line of each comment of documentation, with its number.
fn first_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut before = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.trim_start();
        let documented = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        let first = documented.filter(|_| !before);
        before = documented.is_some();
        first.map(|line| (index + 1, line.trim_start()))
    })
}

#[test]
fn only_the_first_line_of_documentation_is_looked_at() {
    let text =
        "//! What.\n\n/// The limit.\n/// What else.\nfn f() {\n    /// Why\n    // What\n}\n";
    let found: Vec<_> = first_lines(text).collect();
    assert_eq!(found, [(1, "What."), (3, "The limit."), (6, "Why")]);
}
