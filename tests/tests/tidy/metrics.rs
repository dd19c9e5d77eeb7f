//! An operator finds every metric in one list.

mod labels;

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

#[test]
fn dashboards_and_alerts_read_metrics_that_are_counted() {
    let page = read(&root().join(PAGE));
    let listed = names(&page, '`');
    let mut problems = Vec::new();
    let mut shown_metrics = Vec::new();
    for file in [
        "palisade.grafana.json",
        "palisade.rules.yml",
        "palisade.rules.test.yml",
    ] {
        let text = read(&root().join("docs/dashboards").join(file));
        let in_name = |found: char| found.is_ascii_lowercase() || found == '_';
        for name in text.split(|found| !in_name(found)) {
            if !name.starts_with("palisade_") {
                continue;
            }
            if !listed.contains(&name) {
                problems.push(format!("{file}: nothing counts {name}"));
            }
            if file.ends_with(".json") {
                shown_metrics.push(name.to_owned());
            }
        }
    }
    // An operator sees what is worth an alert.
    let rules = read(&root().join("docs/dashboards/palisade.rules.yml"));
    let alerts = rules.matches("- alert: ").count();
    let tests = read(&root().join("docs/dashboards/palisade.rules.test.yml"));
    for rule in rules.split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap_or_default();
        let times = tests.matches(&format!("alertname: {name}\n")).count();
        let silent = tests
            .matches(&format!("alertname: {name}, exp_alerts: []"))
            .count();
        if times == 0 || silent == 0 {
            problems.push(format!("{name} is not tested both firing and silent"));
        }
    }
    assert!(
        alerts >= 10 && shown_metrics.len() >= 20,
        "nothing was found"
    );
    none_of(&problems);
}
