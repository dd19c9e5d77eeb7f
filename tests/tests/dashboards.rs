//! The dashboard and the alerts of docs/dashboards, as Prometheus reads them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dashboards")
}

/// Runs promtool and wants that it succeeds.
fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(directory())
        .output()
        .expect("promtool is needed: apt-get install prometheus");
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
#[ignore = "needs promtool: apt-get install prometheus"]
fn each_alert_fires_when_it_should_and_is_silent_otherwise() {
    promtool(&["check", "rules", "palisade.rules.yml"]);
    promtool(&["test", "rules", "palisade.rules.test.yml"]);
}

/// The expressions of the panels, with something in the place of Grafana's variables.
fn expressions() -> Vec<String> {
    let text = std::fs::read_to_string(directory().join("palisade.grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    targets
        .flatten()
        .map(|target| {
            let expression = target["expr"].as_str().unwrap();
            let filled = expression.replace("$__rate_interval", "5m");
            filled.replace("$job", ".*").replace("$instance", ".*")
        })
        .collect()
}

#[test]
fn every_panel_has_a_title_a_unit_and_an_expression() {
    let text = std::fs::read_to_string(directory().join("palisade.grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut seen = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(!panel["title"].as_str().unwrap().is_empty());
        let id = panel["id"].as_u64().unwrap();
        assert!(!seen.contains(&id), "{id} is there twice");
        seen.push(id);
        if panel["type"] == "row" {
            continue;
        }
        assert!(
            panel["fieldConfig"]["defaults"]["unit"].is_string(),
            "{panel}"
        );
        assert!(
            !panel["description"].as_str().unwrap().is_empty(),
            "{panel}"
        );
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
        let place = &panel["gridPos"];
        assert!(
            place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24,
            "{panel}"
        );
    }
    let expressions = expressions();
    assert!(expressions.len() >= 20);
    assert!(
        expressions
            .iter()
            .all(|expression| !expression.contains('$')),
        "{expressions:?}"
    );
}

#[test]
fn each_row_of_the_dashboard_has_a_picture_with_all_of_its_panels() {
    let read = |name: &str| std::fs::read_to_string(directory().join(name)).unwrap();
    let dashboard: Value = serde_json::from_str(&read("palisade.grafana.json")).unwrap();
    let page = read("README.md");
    let mut picture = String::new();
    let mut seen = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        if panel["type"] == "row" {
            let name = format!("{}.svg", title.to_lowercase().replace(' ', "-"));
            assert!(page.contains(&format!("({name})")), "{name}");
            picture = read(&name);
            assert!(picture.len() < 60_000, "{name}: {}", picture.len());
        } else {
            let drawn = format!(">{title}</text>");
            assert!(
                picture.contains(&drawn),
                "{title}: run `cargo xtask pictures`"
            );
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
#[ignore = "needs promtool: apt-get install prometheus"]
fn prometheus_parses_every_expression_of_the_dashboard() {
    let rules: Vec<Value> = expressions()
        .iter()
        .enumerate()
        .map(|(nth, expression)| serde_json::json!({ "record": format!("panel:{nth}"), "expr": expression }))
        .collect();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("panels.yml");
    // YAML is a superset of JSON.
    let rules = serde_json::json!({ "groups": [{ "name": "panels", "rules": rules }] });
    std::fs::write(&file, rules.to_string()).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()]);
}
