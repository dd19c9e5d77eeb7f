//! The dashboard and the alert rules of docs/dashboards, over the metrics of a gateway, by a real Prometheus.

#[path = "prometheus/chart.rs"]
mod chart;
#[path = "prometheus/pictures.rs"]
mod pictures;
#[path = "prometheus/server.rs"]
mod server;
mod support;

use std::time::Duration;

use serde_json::Value;
use server::{Prometheus, dashboards};
use support::{Gateway, PASSWORD};

/// The expressions of the dashboard's panels, with something in the place of Grafana's variables.
fn panels() -> Vec<String> {
    let text = std::fs::read_to_string(dashboards().join("palisade.grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    targets
        .flatten()
        .map(|target| {
            let filled = target["expr"]
                .as_str()
                .unwrap()
                .replace("$__rate_interval", "1m");
            filled.replace("$job", ".*").replace("$instance", ".*")
        })
        .collect()
}

/// The metrics that an expression names.
fn names(expression: &str) -> Vec<&str> {
    expression
        .split(|found: char| !found.is_ascii_alphanumeric() && found != '_')
        .filter(|word| word.starts_with("palisade_"))
        .collect()
}

#[tokio::test]
#[ignore = "needs prometheus: apt-get install prometheus"]
async fn every_rule_and_panel_is_evaluated_over_the_metrics_of_a_gateway() {
    let gateway = Gateway::start();
    // Something of everything: requests, a login, a failed one, a refused token.
    gateway.get("/v1/ping").await;
    gateway.get("/api/public").await;
    gateway.get("/api/quote").await;
    assert_eq!(gateway.login("alice", PASSWORD).await.status(), 200);
    assert_eq!(gateway.login("alice", "wrong").await.status(), 401);
    let forged = gateway
        .client
        .get(gateway.at("/api/me"))
        .bearer_auth("a.b.c");
    assert_eq!(forged.send().await.unwrap().status(), 401);
    let metrics = gateway.get("/metrics").await.text().await.unwrap();
    let exported = |name: &str| {
        metrics.lines().any(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        })
    };

    let prometheus = Prometheus::watching(&gateway);
    let is_up = |data: &Value| data["activeTargets"][0]["health"] == "up";
    prometheus.wait("/api/v1/targets", is_up).await;
    // Two evaluations, and so more than one sample of each metric.
    let evaluated = |data: &Value| {
        let rules = rules(data);
        !rules.is_empty() && rules.iter().all(|rule| rule["health"] != "unknown")
    };
    let data = prometheus.wait("/api/v1/rules", evaluated).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rules = rules(&data);
    assert!(rules.len() >= 13, "{}", rules.len());
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        assert!(
            !names(rule["query"].as_str().unwrap()).is_empty()
                || rule["query"].as_str().unwrap().contains("up"),
            "{rule}"
        );
    }

    let queries = rules
        .iter()
        .map(|rule| rule["query"].as_str().unwrap().to_owned());
    let described = std::fs::read_to_string(dashboards().join("../metrics.md")).unwrap();
    for query in queries.chain(panels()) {
        for name in names(&query) {
            // What an exporter adds to a histogram's name.
            let name = name.trim_end_matches("_sum").trim_end_matches("_count");
            assert!(
                described.contains(&format!("`{name}`")),
                "{name} in {query}"
            );
        }
    }

    let mut drawn = 0;
    for expression in panels() {
        let query = [("query", &expression[..])];
        let data = prometheus.get("/api/v1/query", &query).await.unwrap();
        let is_empty = data["result"].as_array().unwrap().is_empty();
        if names(&expression).iter().all(|name| exported(name)) {
            assert!(!is_empty, "{expression}");
            drawn += 1;
        }
    }
    assert!(drawn > 10, "{drawn} panels have data");
}

fn rules(data: &Value) -> Vec<Value> {
    let groups = data["groups"].as_array().into_iter().flatten();
    groups
        .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
        .collect()
}
