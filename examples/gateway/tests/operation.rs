//! The view of an operator: metrics, the dashboard, and an end without loss.

mod support;

use support::Gateway;

#[tokio::test]
async fn metrics_count_what_was_refused() {
    let gateway = Gateway::start();
    gateway
        .client
        .get(gateway.at("/api/me"))
        .bearer_auth("a.b.c")
        .send()
        .await
        .unwrap();
    assert_eq!(gateway.get("/api/public").await.status(), 200);
    let response = gateway.get("/metrics").await;
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = response.text().await.unwrap();
    let failures = text
        .lines()
        .filter(|line| line.starts_with("palisade_auth_failures_total{"));
    assert_eq!(failures.count(), 1, "{text}");
    // One address has been seen by a limit that takes long to be full again.
    assert!(
        text.contains("palisade_ratelimit_live_keys{policy=\"public\"} 1"),
        "{text}"
    );
}

#[tokio::test]
async fn the_public_tier_is_told_in_the_headers() {
    let gateway = Gateway::start();
    let response = gateway.get("/api/public").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-ratelimit-limit"], "100");
    assert_eq!(
        response.headers()["ratelimit-policy"],
        "\"public\";q=100;w=3600"
    );
}

#[tokio::test]
async fn the_page_runs_what_carries_its_nonce_and_nothing_else() {
    let gateway = Gateway::start();
    let mut nonces = Vec::new();
    for _ in 0..2 {
        let response = gateway.get("/").await;
        assert_eq!(response.status(), 200);
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        let nonce = policy
            .split("'nonce-")
            .nth(1)
            .and_then(|rest| rest.split('\'').next())
            .unwrap()
            .to_owned();
        assert!(!policy.contains("unsafe"), "{policy}");
        let page = response.text().await.unwrap();
        for element in ["<script", "<style"] {
            let all = page.matches(element).count();
            assert_eq!(
                page.matches(&format!("{element} nonce=\"{nonce}\">"))
                    .count(),
                all
            );
        }
        assert!(!page.contains("{{"), "something was not filled in");
        nonces.push(nonce);
    }
    assert_ne!(nonces[0], nonces[1]);
}

#[tokio::test]
async fn the_page_is_for_admins_where_others_can_reach_it() {
    let gateway = Gateway::start_with(&[("GATEWAY_ADDR", "0.0.0.0:0")]);
    let at = |path: &str| gateway.at(path).replace("0.0.0.0", "127.0.0.1");
    let token = {
        let body = serde_json::json!({ "username": "ada", "password": support::PASSWORD });
        let response = gateway
            .client
            .post(at("/auth/token"))
            .json(&body)
            .send()
            .await
            .unwrap();
        response.json::<serde_json::Value>().await.unwrap()["access_token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for path in ["/", "/live"] {
        assert_eq!(
            gateway.client.get(at(path)).send().await.unwrap().status(),
            401,
            "{path}"
        );
        assert_eq!(
            gateway
                .client
                .get(at(path))
                .bearer_auth(&token)
                .send()
                .await
                .unwrap()
                .status(),
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn live_events_tell_of_a_request_and_end_when_the_gateway_does() {
    let mut gateway = Gateway::start();
    let mut live = gateway.get("/live").await;
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    gateway.get("/v1/ping").await;
    let mut text = String::new();
    while !(text.contains("event: counters") && text.contains("\"path\":\"/v1/ping\"")) {
        text += std::str::from_utf8(&live.chunk().await.unwrap().expect("more events")).unwrap();
    }
    let status = tokio::task::spawn_blocking(move || gateway.terminate())
        .await
        .unwrap();
    assert!(status.success(), "{status}");
    while let Ok(Some(_)) = live.chunk().await {}
}

#[tokio::test]
async fn the_page_is_told_of_what_happened_before_it_was_opened() {
    let gateway = Gateway::start();
    gateway.get("/v1/ping").await;
    assert_eq!(gateway.login("ada", "wrong password").await.status(), 401);
    // Counted a moment after the answer, in a slot that begins with the first second.
    let mut text = String::new();
    for _ in 0..50 {
        let mut live = gateway.get("/live").await;
        text.clear();
        while !text.contains("event: counters") {
            text +=
                std::str::from_utf8(&live.chunk().await.unwrap().expect("more events")).unwrap();
        }
        let history = text.lines().find(|line| line.contains("\"step\":5"));
        if history.is_some_and(|history| history.contains("\"failed_logins\":1")) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let data = |name: &str| -> Vec<serde_json::Value> {
        let mut found = Vec::new();
        let mut is_named = false;
        for line in text.lines() {
            if let Some(event) = line.strip_prefix("event: ") {
                is_named = event == name;
            } else if let (Some(data), true) = (line.strip_prefix("data: "), is_named) {
                found.push(serde_json::from_str(data).unwrap());
            }
        }
        found
    };
    let history = &data("history")[0];
    assert_eq!(history["step"], 5);
    let sum = |name: &str| -> u64 {
        let slots = history["slots"].as_array().unwrap();
        slots.iter().map(|slot| slot[name].as_u64().unwrap()).sum()
    };
    assert!(sum("allowed") >= 1, "{history}");
    assert_eq!(sum("failed_logins"), 1);
    let now = &data("counters")[0];
    assert_eq!(
        (&now["breaker"], &now["lost"]),
        (&"closed".into(), &0.into())
    );
    assert!(now["seal"]["last"].as_u64().unwrap() >= 3, "{now}");
    assert_eq!(now["seal"]["gaps"], 0);
    let records = data("record");
    let failure = records
        .iter()
        .find(|record| record["event"] == "authn_login_fail");
    let failure = failure.unwrap_or_else(|| panic!("{records:?}"));
    assert_eq!(failure["who"], "ada");
    assert!(
        failure["reason"].is_string() && failure["id"].is_string(),
        "{failure}"
    );
    let ping = records
        .iter()
        .any(|record| record["path"] == "/v1/ping" && record["status"] == 200);
    assert!(ping, "{records:?}");
}
