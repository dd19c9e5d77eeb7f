//! The pictures of docs/dashboards: what the panels show of a gateway that has a bad minute.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::chart::{Panel, Phase, Picture, Place, Series};
use crate::server::{Prometheus, dashboards};
use crate::support::{Gateway, PASSWORD};

const SECONDS: f64 = 90.0;

const PHASES: [Phase; 3] = [
    Phase {
        name: "a flood of requests from one client",
        from: 15.0,
        until: 30.0,
    },
    Phase {
        name: "wrong passwords, forged tokens, foreign origins",
        from: 38.0,
        until: 50.0,
    },
    Phase {
        name: "an upstream that fails",
        from: 58.0,
        until: 75.0,
    },
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus: apt-get install prometheus"]
async fn the_panels_are_drawn_from_what_a_real_prometheus_saw_of_a_gateway() {
    let gateway = Gateway::start_with(&[
        ("CIRCUIT_BREAKER_THRESHOLD", "3"),
        ("CIRCUIT_BREAKER_TIMEOUT_SEC", "8"),
    ]);
    let ada = gateway.token("ada").await;
    let prometheus = Prometheus::watching(&gateway);
    let is_up = |data: &Value| data["activeTargets"][0]["health"] == "up";
    prometheus.wait("/api/v1/targets", is_up).await;
    // So that the first rates have something to begin with.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let now = prometheus
        .get("/api/v1/query", &[("query", "time()")])
        .await;
    let began: f64 = now.unwrap()["result"][1].as_str().unwrap().parse().unwrap();
    a_bad_minute(&gateway, &ada).await;

    let text = std::fs::read_to_string(dashboards().join("palisade.grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut rows: Vec<(String, Vec<Panel>)> = Vec::new();
    let mut with_data = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        if panel["type"] == "row" {
            rows.push((title.to_owned(), Vec::new()));
            continue;
        }
        let series = series_of(&prometheus, panel, began).await;
        let moves = series
            .iter()
            .any(|series| series.points.iter().any(|point| point.1 > 0.0));
        with_data += usize::from(moves);
        let row = &mut rows.last_mut().unwrap().1;
        row.push(drawn(panel, series));
    }
    assert!(with_data >= 12, "only {with_data} panels show anything");
    let writes = std::env::var_os("PALISADE_WRITE_PICTURES").is_some();
    for (title, mut panels) in rows {
        let top = panels
            .iter()
            .map(|panel| panel.place.y)
            .fold(f64::MAX, f64::min);
        for panel in &mut panels {
            panel.place.y -= top;
        }
        let picture = Picture {
            title: &title,
            panels: &panels,
            phases: &PHASES,
            seconds: SECONDS,
        };
        let svg = picture.draw();
        assert!(
            !svg.contains("NaN") && svg.len() < 60_000,
            "{title}: {}",
            svg.len()
        );
        if writes {
            let name = title.to_lowercase().replace(' ', "-");
            std::fs::write(dashboards().join(format!("{name}.svg")), svg).unwrap();
        }
    }
}

/// Requests of all kinds, and in each phase something that goes wrong.
async fn a_bad_minute(gateway: &Gateway, ada: &str) {
    let client = &gateway.client;
    let start = Instant::now();
    let mut failing = false;
    for beat in 0_u32.. {
        let now = start.elapsed().as_secs_f64();
        if now >= SECONDS {
            break;
        }
        let within = |nth: usize| (PHASES[nth].from..PHASES[nth].until).contains(&now);
        gateway.get("/v1/ping").await;
        if beat % 2 == 0 {
            gateway.get("/api/public").await;
            gateway.get("/api/quote").await;
        }
        if beat % 5 == 0 {
            let me = client.get(gateway.at("/api/me")).bearer_auth(ada);
            me.send().await.unwrap();
        }
        if within(0) {
            for _ in 0..12 {
                gateway.get("/api/public").await;
            }
        }
        if within(1) {
            gateway.login("ada", "wrong").await;
            let forged = client.get(gateway.at("/api/me")).bearer_auth("a.b.c");
            forged.send().await.unwrap();
            let preflight = client
                .request(reqwest::Method::OPTIONS, gateway.at("/api/public"))
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "PUT");
            preflight.send().await.unwrap();
            let foreign = client
                .post(gateway.at("/auth/token"))
                .header("sec-fetch-site", "cross-site")
                .header("origin", "https://evil.example")
                .json(&json!({ "username": "ada", "password": PASSWORD }));
            foreign.send().await.unwrap();
        }
        if within(2) != failing {
            failing = within(2);
            let mode = json!({ "mode": if failing { "fail" } else { "ok" } });
            let turn = client.post(gateway.at("/demo/upstream")).bearer_auth(ada);
            let turned = turn.json(&mode).send().await.unwrap();
            assert_eq!(turned.status(), 200);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The lines of a panel over the time of the picture.
async fn series_of(prometheus: &Prometheus, panel: &Value, began: f64) -> Vec<Series> {
    let mut all = Vec::new();
    for target in panel["targets"].as_array().unwrap() {
        let expression = target["expr"].as_str().unwrap();
        let expression = expression
            .replace("$__rate_interval", "5s")
            .replace("$job", ".*")
            .replace("$instance", ".*");
        let (start, end) = (began.to_string(), (began + SECONDS).to_string());
        let query = [
            ("query", &expression[..]),
            ("start", &start),
            ("end", &end),
            ("step", "1"),
        ];
        let data = prometheus.get("/api/v1/query_range", &query).await.unwrap();
        for result in data["result"].as_array().unwrap() {
            let points = result["values"].as_array().unwrap().iter();
            let points = points.filter_map(|pair| {
                let value: f64 = pair[1].as_str()?.parse().ok()?;
                let second = pair[0].as_f64()? - began;
                value.is_finite().then_some((second, value))
            });
            all.push(Series {
                name: legend(
                    target["legendFormat"].as_str().unwrap_or(""),
                    &result["metric"],
                ),
                points: points.collect(),
            });
        }
    }
    all
}

/// The name of a line: labels in the place of `{{label}}`.
fn legend(format: &str, labels: &Value) -> String {
    let mut name = format.to_owned();
    for (label, value) in labels.as_object().into_iter().flatten() {
        let value = match label.as_str() {
            // The port of the test's gateway is another one each time.
            "instance" => "gateway",
            _ => value.as_str().unwrap_or(""),
        };
        name = name.replace(&format!("{{{{{label}}}}}"), value);
    }
    name
}

fn drawn(panel: &Value, series: Vec<Series>) -> Panel {
    let place = |side: &str| panel["gridPos"][side].as_f64().unwrap();
    let defaults = &panel["fieldConfig"]["defaults"];
    let options = defaults["mappings"][0]["options"].as_object();
    let mapped = options.into_iter().flatten().filter_map(|(value, shown)| {
        let text = shown["text"].as_str()?.to_owned();
        Some((value.parse().ok()?, text))
    });
    Panel {
        title: panel["title"].as_str().unwrap().to_owned(),
        unit: defaults["unit"].as_str().unwrap().to_owned(),
        mapped: mapped.collect(),
        place: Place {
            x: place("x"),
            y: place("y"),
            w: place("w"),
            h: place("h"),
        },
        series,
    }
}
