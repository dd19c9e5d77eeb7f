//! The labels of metrics while no request is like another.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::Gateway;

/// Stands in every text that the clients make up, so that it is found wherever one of them gets to.
const MARK: &str = "zq7x";
/// The addresses that they claim: RFC 5737, section 3.
const NETWORK: &str = "198.51.100.";

/// Requests of one client, each with texts of its own in every place that a client fills.
fn requests(gateway: &Gateway, admin: &str, client: u8) -> Vec<RequestBuilder> {
    let address = format!("{NETWORK}{client}");
    let text = |place: &str| format!("{MARK}{client}{place}");
    let send = |method: Method, path: &str| {
        let request = gateway.client.request(method, gateway.at(path));
        request
            .header("x-forwarded-for", &address)
            .header("user-agent", text("agent"))
            .header("x-request-id", text("id"))
    };
    let get = |path: &str| send(Method::GET, path);
    let made_up = Method::from_bytes(text("m").to_uppercase().as_bytes()).unwrap();
    let origin = format!("https://{}.example", text("origin"));
    vec![
        get(&format!("/{}/{}?q={}", text("a"), text("b"), text("q"))),
        send(made_up, "/api/public"),
        get("/api/public"),
        get("/v1/ping").header("x-track-id", text("track")),
        get("/v1/ping").bearer_auth(text("token")),
        get("/api/me").bearer_auth(format!("{0}.{0}.{0}", text("token"))),
        get("/api/me").header("x-api-key", text("key")),
        send(Method::POST, "/auth/token")
            .json(&json!({ "username": text("user"), "password": text("password") })),
        send(Method::POST, "/auth/refresh").json(&json!({ "refresh_token": text("refresh") })),
        send(Method::POST, "/auth/token")
            .header("origin", &origin)
            .header("sec-fetch-site", "cross-site"),
        send(Method::OPTIONS, "/api/public")
            .header("origin", &origin)
            .header("access-control-request-method", "GET"),
        send(Method::POST, "/api/bookings")
            .bearer_auth(admin)
            .json(&json!({ "room": text("room"), "email": text("email") })),
        get(&format!("/api/bookings/{}", text("booking"))).bearer_auth(admin),
        get(&format!("/api/bookings/by-email?email={}", text("email"))).bearer_auth(admin),
        send(Method::POST, "/internal/notify").bearer_auth(text("service")),
        send(Method::POST, "/demo/upstream")
            .bearer_auth(admin)
            .json(&json!({ "mode": text("mode") })),
        get("/api/quote").header("tracestate", format!("{MARK}={client}")),
    ]
}

/// Each metric with its labels, without its value.
async fn series(gateway: &Gateway) -> BTreeSet<String> {
    let text = gateway.get("/metrics").await.text().await.unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let series = lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()));
    series.collect()
}

#[tokio::test]
async fn metrics_have_no_more_series_whatever_clients_send() {
    let gateway = Gateway::start_with(&[
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("CORS_ORIGINS", "https://app.example"),
    ]);
    let admin = gateway.token("ada").await;
    let mut seen = Vec::new();
    for clients in [0..1, 1..5] {
        for client in clients {
            for request in requests(&gateway, &admin, client) {
                let status = request.send().await.unwrap().status();
                assert!(!status.is_server_error(), "{status}");
            }
        }
        seen.push(series(&gateway).await);
    }
    for metric in [
        "palisade_audit_records_total{",
        "palisade_auth_failures_total{",
        "palisade_cors_denied_total",
        "palisade_cross_origin_refused_total{",
        "palisade_ratelimit_allowed_total{",
        "palisade_ratelimit_live_keys{",
    ] {
        let counted = seen[0].iter().any(|series| series.starts_with(metric));
        assert!(counted, "{metric} was not counted: {:?}", seen[0]);
    }
    let more: Vec<&String> = seen[1].difference(&seen[0]).collect();
    assert!(more.is_empty(), "four clients more made {more:?}");
    for series in &seen[1] {
        let lower = series.to_lowercase();
        assert!(
            !lower.contains(MARK) && !lower.contains(NETWORK),
            "{series}"
        );
    }
}
