//! An operator finds every metric in one list.

use crate::{files, none_of, read, root, shown};

const PAGE: &str = "docs/metrics.md";

/// The names of metrics in a text: between quotes in code, between backquotes in the page. A name ends in its kind or
/// unit, which tells it from the target of a log line.
fn names(text: &str, quote: char) -> Vec<&str> {
    text.split(quote)
        .filter(|part| {
            let word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            part.starts_with("palisade_") && part.matches('_').count() > 1 && part.bytes().all(word)
        })
        .collect()
}

#[test]
fn every_metric_is_on_the_page_and_no_other() {
    let page = read(&root().join(PAGE));
    let listed = names(&page, '`');
    let mut known = Vec::new();
    let mut problems = Vec::new();
    for path in files(&root().join("crates"), ".rs") {
        if !path.components().any(|part| part.as_os_str() == "src") {
            continue;
        }
        let code = read(&path);
        for name in names(&code, '"') {
            if !listed.contains(&name) {
                problems.push(format!("{}: {name} is not on {PAGE}", shown(&path)));
            }
            known.push(name.to_owned());
        }
    }
    let gone = listed
        .iter()
        .filter(|name| !known.iter().any(|known| known == *name));
    problems.extend(gone.map(|name| format!("{PAGE}: nothing counts {name}")));
    assert!(known.len() > 10, "the names were not found at all");
    none_of(&problems);
}
