//! The configuration in a file, changed while the gateway runs.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;

use support::{Gateway, refused_start};

const BUILT_IN: &str = include_str!("../palisade.toml");

/// A gateway with a file of its own, as it is built in, but for a limit that is soon reached.
fn start(folder: &Path) -> (Gateway, PathBuf, String) {
    let file = folder.join("gateway.toml");
    let text = BUILT_IN.replace(
        "{ preset = \"public\" }",
        "{ name = \"public\", limits = [{ quota = 20, window = \"1d\" }] }",
    );
    assert_ne!(text, BUILT_IN);
    fs::write(&file, &text).unwrap();
    let gateway = Gateway::start_with(&[("GATEWAY_CONFIG", file.to_str().unwrap())]);
    (gateway, file, text)
}

/// The same with the limits of clients in shadow mode.
fn shadowed(text: &str) -> String {
    let shadowed = text.replace("[limits.clients]", "[limits.clients]\nmode = \"shadow\"");
    assert_ne!(shadowed, text);
    shadowed
}

/// The changes of the configuration that are in the trail, once there are so many.
async fn changes(gateway: &Gateway, wanted: usize) -> Vec<Value> {
    for _ in 0..300 {
        let text = gateway.trail_text();
        let lines = text.lines();
        // The last line may be half written.
        let changes: Vec<Value> = lines
            .filter(|line| line.contains("sys_config_change"))
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        if changes.len() >= wanted {
            return changes;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the trail does not have {wanted} changes");
}

fn hang_up(gateway: &Gateway) {
    let pid = gateway.pid().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-HUP", &pid])
        .status();
    assert!(sent.unwrap().success());
}

/// Asks until it is told to stop, and gives the statuses in order.
async fn ask(client: Client, url: String, stop: Arc<AtomicBool>) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let response = client
            .get(&url)
            .send()
            .await
            .expect("every request is answered");
        assert!(response.headers().contains_key("x-request-id"));
        statuses.push(response.status().as_u16());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_shadows_a_limit_and_takes_it_back_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let (mut gateway, file, text) = start(folder.path());
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let asking = ask(
                gateway.client.clone(),
                gateway.at("/api/public"),
                Arc::clone(&stop),
            );
            tokio::spawn(asking)
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(gateway.get("/api/public").await.status(), 429);

    // A change of the file alone.
    fs::write(&file, shadowed(&text)).unwrap();
    changes(&gateway, 1).await;
    assert_eq!(gateway.get("/api/public").await.status(), 200);
    tokio::time::sleep(Duration::from_millis(500)).await;

    // And back, by a signal.
    fs::write(&file, &text).unwrap();
    hang_up(&gateway);
    let seen = changes(&gateway, 2).await;
    for _ in 0..5 {
        let status = gateway.get("/api/public").await.status();
        assert_eq!(status, 429, "counts went on");
    }
    stop.store(true, Ordering::Relaxed);
    let mut statuses = Vec::new();
    for task in load {
        statuses.push(task.await.unwrap());
    }

    let owner = std::process::Command::new("id").arg("-u").output().unwrap();
    let uid = String::from_utf8(owner.stdout).unwrap();
    for (record, trigger, change) in [
        (&seen[0], "file", "limits.clients.mode: on -> shadow"),
        (&seen[1], "SIGHUP", "limits.clients.mode: shadow -> on"),
    ] {
        assert_eq!(record["outcome"], "success", "{record}");
        let who = record["actor"].as_str().unwrap();
        assert!(who.contains(&format!("uid {}", uid.trim())), "{record}");
        assert_eq!(record["details"]["trigger"], trigger, "{record}");
        assert_eq!(
            record["details"]["said"],
            serde_json::json!([change]),
            "{record}"
        );
    }

    assert!(gateway.terminate().success());
    let all: Vec<u16> = statuses.iter().flatten().copied().collect();
    assert!(
        all.iter().all(|status| [200, 429].contains(status)),
        "{all:?}"
    );
    for statuses in &statuses {
        // Passed, refused, passed in shadow mode, refused.
        let mut phases = statuses.clone();
        phases.dedup();
        let ends = [phases.first(), phases.last()];
        assert!(phases.len() <= 4 && ends[1] == Some(&429), "{phases:?}");
    }
    // Nothing is lost: a record for each request, of the load and of this test's own.
    let trail = gateway.trail();
    let recorded = trail
        .iter()
        .filter(|record| record["event"] == "http_request" && record["path"] == "/api/public");
    assert_eq!(recorded.count(), all.len() + 7);
}

#[tokio::test]
async fn a_bad_file_is_refused_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (mut gateway, file, text) = start(folder.path());
    let canary = "c4n4ry-Zk3vQ8wT1yLr5nXs9bGd7hJf2mPc";
    let bad = text
        .replace("mode = \"on\"", "")
        .replace("rate = 10", "raet = 10");
    fs::write(
        &file,
        format!("{bad}\n[limits.extra]\nkey = [\"{canary}\"]\n"),
    )
    .unwrap();
    let seen = changes(&gateway, 1).await;
    assert_eq!(seen[0]["outcome"], "failure");
    let said = seen[0]["details"]["said"].to_string();
    assert!(
        said.contains("did you mean rate?") && said.contains("gateway.toml:"),
        "{said}"
    );
    assert!(
        said.contains("limits.extra: nothing has this name"),
        "{said}"
    );
    for _ in 0..20 {
        assert_eq!(gateway.get("/api/public").await.status(), 200);
    }
    assert_eq!(
        gateway.get("/api/public").await.status(),
        429,
        "the old one stays"
    );

    // A page that is opened later is told of it.
    let mut live = gateway.get("/live").await;
    let mut told = String::new();
    while !told.contains("event: counters") || !told.contains("\"config\"") {
        told += std::str::from_utf8(&live.chunk().await.unwrap().unwrap()).unwrap();
    }
    assert!(told.contains("\"outcome\":\"failure\""), "{told}");

    // Mended, it is taken.
    fs::write(&file, shadowed(&text)).unwrap();
    let seen = changes(&gateway, 2).await;
    assert_eq!(seen[1]["outcome"], "success");
    assert_eq!(gateway.get("/api/public").await.status(), 200);
    drop(live);
    assert!(gateway.terminate().success());
    assert!(!format!("{:?}", gateway.trail()).contains(canary));
}

#[tokio::test]
async fn layers_are_switched_and_what_waits_for_a_start_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, file, text) = start(folder.path());
    let response = gateway.get("/api/public").await;
    assert!(response.headers().contains_key("x-content-type-options"));
    let changed = text
        .replace("[security_headers]", "[security_headers]\nmode = \"off\"")
        .replace("burst = 20", "burst = 1")
        .replace("keep = 30", "keep = 31")
        .replace(
            "failure_threshold = 5",
            "failure_threshold = 6\nmode = \"off\"",
        );
    fs::write(&file, changed).unwrap();
    let seen = changes(&gateway, 1).await;
    assert_eq!(seen[0]["outcome"], "success", "{seen:?}");
    assert_eq!(
        seen[0]["details"]["at_restart"],
        serde_json::json!(["audit.keep", "breakers.upstream.failure_threshold"])
    );
    let response = gateway.get("/api/public").await;
    assert!(!response.headers().contains_key("x-content-type-options"));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(gateway.get("/v1/ping").await.status().as_u16());
    }
    assert_eq!(
        statuses,
        [200, 429, 429],
        "the limit of one route changes too"
    );
}

#[test]
fn a_bad_file_ends_the_start_with_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, "\n[limits.clients]\npolices = []\n").unwrap();
    let (code, said) = refused_start(&[
        ("GATEWAY_CONFIG", file.to_str().unwrap()),
        ("RATE_LIMIT_BURST", "0"),
    ]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains(
            "gateway.toml:3: limits.clients.polices: is no setting; did you mean policies?"
        ),
        "{said}"
    );
    assert!(said.contains("gateway: RATE_LIMIT_BURST: "), "{said}");
    let (code, said) = refused_start(&[("GATEWAY_CONFIG", "/nowhere/gateway.toml")]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("/nowhere/gateway.toml: cannot be read"),
        "{said}"
    );
}

#[tokio::test]
async fn a_variable_overrides_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, BUILT_IN).unwrap();
    let gateway = Gateway::start_with(&[
        ("GATEWAY_CONFIG", file.to_str().unwrap()),
        ("RATE_LIMIT_REQUESTS_PER_SECOND", "1"),
        ("RATE_LIMIT_BURST", "2"),
    ]);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(gateway.get("/v1/ping").await.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
}
