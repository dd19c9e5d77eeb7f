//! SIGTERM under load.

use std::time::Duration;

use serde_json::json;

use crate::load::{Load, NO_ANSWER};
use crate::support::Gateway;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_answers_what_was_asked_and_records_it() {
    let mut gateway = Gateway::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let token = gateway.token("ada").await;
    let turn = gateway
        .client
        .post(gateway.at("/demo/upstream"))
        .bearer_auth(&token);
    let turn = turn.json(&json!({ "mode": "hang" })).send().await.unwrap();
    assert_eq!(turn.status(), 200);
    // Each waits for the upstream for longer than it takes to stop a gateway without them.
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..5 {
        waiting.spawn(gateway.client.get(gateway.at("/api/quote")).send());
    }
    let load = Load::start(&gateway, &token, 4, &["ping", "me"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let told = palisade_core::time::now();
    let (status, gateway) = tokio::task::spawn_blocking(move || (gateway.terminate(), gateway))
        .await
        .unwrap();
    assert!(status.success(), "{status}");
    assert!(
        told.elapsed() < Duration::from_secs(9),
        "{:?}",
        told.elapsed()
    );
    let mut answered = 2;
    for answer in waiting.join_all().await {
        assert_eq!(answer.expect("an answer").status(), 503);
        answered += 1;
    }
    let seen = load.stop().await;
    // What was on its way for a while when the signal came is answered; what comes after it may be refused.
    let before = told - Duration::from_millis(100);
    for kind in ["ping", "me", "login"] {
        let asked = seen.phase(kind, told - Duration::from_secs(60), before);
        assert_eq!(asked.statuses.get(&NO_ANSWER), None, "{kind}: {asked:?}");
        assert!(asked.total() > 0, "{kind} was not asked");
    }
    answered += seen.len() - seen.count(NO_ANSWER);
    let trail = gateway.trail();
    let recorded = trail
        .iter()
        .filter(|record| record["event"] == "http_request");
    assert_eq!(recorded.count(), answered);
    println!(
        "SIGTERM: {answered} requests answered and recorded, ended after {:?}",
        told.elapsed()
    );
}
