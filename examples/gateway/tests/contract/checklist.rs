//! The contract as a list: every route with who may take it, with and without Redis; and the start, line by line.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use palisade_tests::redis::Redis;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{CRM_TOKEN, Gateway, PASSWORD, booking, refused};

const ROUTES: &[(&str, &str)] = &[
    ("GET", "/"),
    ("GET", "/live"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/v1/ping"),
    ("GET", "/api/public"),
    ("GET", "/api/me"),
    ("GET", "/api/bookings"),
    ("POST", "/api/bookings"),
    ("GET", "/api/bookings/by-email?email=guest@example.com"),
    ("GET", "/api/bookings/{id}"),
    ("GET", "/api/partner/bookings"),
    ("GET", "/api/admin/audit?tail=1"),
    ("POST", "/internal/notify"),
    ("GET", "/api/quote"),
    ("POST", "/demo/upstream"),
    ("DELETE", "/api/admin/bookings/{id}"),
    ("GET", "/nothing/here"),
];

/// The answers to each caller, in the order of [`ROUTES`].
const CALLERS: &[(&str, [u16; 20])] = &[
    (
        "nobody",
        [
            200, 200, 200, 200, 200, 200, 200, 200, 401, 401, 401, 401, 401, 401, 401, 401, 200,
            401, 401, 404,
        ],
    ),
    (
        "rita",
        [
            200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 403, 403, 403, 200,
            403, 403, 404,
        ],
    ),
    (
        "fay",
        [
            200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 201, 403, 200, 403, 403, 403, 200,
            403, 403, 404,
        ],
    ),
    (
        "key",
        [
            200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 200, 403, 403, 200,
            403, 403, 404,
        ],
    ),
    (
        "crm",
        [
            200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 403, 403, 403, 202, 200,
            403, 403, 404,
        ],
    ),
    (
        "alice",
        [
            200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 201, 403, 200, 403, 403, 403, 200,
            403, 403, 404,
        ],
    ),
    // The last, because an admin may remove the booking.
    (
        "ada",
        [
            200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 201, 200, 200, 403, 200, 403, 200,
            200, 204, 404,
        ],
    ),
];

/// The credential of a caller as a header. A sign-in may find Redis late on a busy machine.
async fn credential(gateway: &Gateway, caller: &str) -> Option<(&'static str, String)> {
    match caller {
        "nobody" => return None,
        "key" => return Some(("x-api-key", gateway.api_key.clone())),
        "crm" => return Some(("authorization", format!("Bearer {CRM_TOKEN}"))),
        _ => {}
    }
    loop {
        let answer = gateway.login(caller, PASSWORD).await;
        match answer.status().as_u16() {
            200 => {
                let pair: Value = answer.json().await.unwrap();
                let token = pair["access_token"].as_str().unwrap();
                return Some(("authorization", format!("Bearer {token}")));
            }
            503 => {}
            other => panic!("{caller} is told {other}"),
        }
    }
}

async fn walk(gateway: &Gateway) {
    let alice = credential(gateway, "alice").await.unwrap();
    let made = gateway.client.post(gateway.at("/api/bookings"));
    let made = made.header(alice.0, &alice.1).json(&booking()).send().await;
    let made: Value = made.unwrap().json().await.unwrap();
    let id = made["id"].as_str().unwrap();
    for (caller, expected) in CALLERS {
        let credential = credential(gateway, caller).await;
        for ((method, path), expected) in ROUTES.iter().zip(expected) {
            let path = path.replace("{id}", id);
            let status = status(gateway, method, &path, credential.as_ref()).await;
            assert_eq!(status, *expected, "{caller}: {method} {path}");
        }
    }
}

async fn status(
    gateway: &Gateway,
    method: &str,
    path: &str,
    credential: Option<&(&'static str, String)>,
) -> u16 {
    let body = match path {
        "/api/bookings" => booking(),
        _ => json!({ "mode": "ok" }),
    };
    // An answer of Redis that is late on a busy machine is a 503 for who shows a credential.
    for _ in 0..50 {
        let method: Method = method.parse().unwrap();
        let mut request = gateway.client.request(method.clone(), gateway.at(path));
        if let Some((name, value)) = credential {
            request = request.header(*name, value);
        }
        if method == Method::POST {
            request = request.json(&body);
        }
        let status = request.send().await.unwrap().status().as_u16();
        if status != 503 {
            return status;
        }
    }
    503
}

#[tokio::test]
async fn every_route_answers_each_caller_as_the_contract_says() {
    walk(&Gateway::start()).await;
}

#[tokio::test]
async fn with_redis_every_route_answers_each_caller_the_same() {
    let redis = Redis::start();
    let gateway = Gateway::start_with(&[("REDIS_URL", &redis.url())]);
    walk(&gateway).await;
    // And it is Redis that has counted.
    assert_ne!(redis.command(&["DBSIZE"]), ":0");
}

#[tokio::test]
async fn what_operators_probe_is_exempt_from_every_limit() {
    let gateway = Gateway::start();
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        // Whatever is counted says so.
        assert!(
            !answer.headers().contains_key("x-ratelimit-limit"),
            "{path}"
        );
    }
    let counted = gateway.get("/api/quote").await;
    assert!(counted.headers().contains_key("x-ratelimit-limit"));
}

#[tokio::test]
async fn an_upstream_that_is_slow_or_hangs_holds_nobody_up_for_long() {
    let mut modes = tokio::task::JoinSet::new();
    for mode in ["slow", "hang"] {
        modes.spawn(async move {
            let gateway = Gateway::start();
            let ada = credential(&gateway, "ada").await.unwrap();
            let turn = async |mode: &str| {
                let turn = gateway.client.post(gateway.at("/demo/upstream"));
                let turn = turn.header(ada.0, &ada.1).json(&json!({ "mode": mode }));
                turn.send().await.unwrap()
            };
            refused(turn("broken").await, "VALIDATION_ERROR").await;
            assert_eq!(gateway.get("/api/quote").await.status(), 200);
            assert_eq!(turn(mode).await.status(), 200);
            let since = palisade_core::time::now();
            let quote = gateway.get("/api/quote").await;
            assert_eq!(quote.status(), 200, "{mode}");
            assert!(
                quote.headers()["warning"]
                    .to_str()
                    .unwrap()
                    .starts_with("110 ")
            );
            // Two attempts of a second each, and the pause between them; the rest is a busy machine's.
            let took = since.elapsed();
            assert!((2..5).contains(&took.as_secs()), "{mode}: {took:?}");
        });
    }
    while let Some(mode) = modes.join_next().await {
        mode.unwrap();
    }
}

#[tokio::test]
async fn the_501st_request_of_a_user_in_an_hour_is_refused() {
    let gateway = Gateway::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let (name, value) = credential(&gateway, "rita").await.unwrap();
    let mut statuses = std::collections::BTreeMap::new();
    for nth in 0..501_u32 {
        let request = gateway.client.get(gateway.at("/api/bookings"));
        let request = request.header(name, &value);
        // No address asks too often.
        let request = request.header("x-forwarded-for", format!("10.0.{}.1", nth % 8));
        let answer = request.send().await.unwrap();
        *statuses.entry(answer.status().as_u16()).or_insert(0) += 1;
    }
    assert_eq!(statuses, [(200, 500), (429, 1)].into());
}

#[test]
fn the_start_prints_where_it_listens_who_is_there_and_what_to_try() {
    let gateway = Gateway::start();
    let lines = &gateway.printed;
    assert_eq!(lines[0], format!("listening on {}", gateway.url));
    let users: Vec<Vec<&str>> = lines[3..7]
        .iter()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        users,
        [
            vec!["alice", PASSWORD, "user", "read", "write"],
            vec!["rita", PASSWORD, "user", "read"],
            vec!["fay", PASSWORD, "facilitator", "read", "write"],
            vec!["ada", PASSWORD, "admin", "read", "write", "admin"],
        ]
    );
    let keys = lines.iter().filter(|line| line.starts_with("api key: "));
    assert_eq!(keys.count(), 1);
    let to_try: Vec<&String> = lines
        .iter()
        .filter(|line| line.starts_with("curl "))
        .collect();
    assert_eq!(to_try.len(), 4, "{lines:?}");
    assert!(to_try.iter().all(|line| line.contains(&gateway.url)));
}

#[test]
fn keys_of_development_are_kept_where_nobody_else_reads_them() {
    let gateway = Gateway::start();
    let keys = gateway.data.path().join("keys");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&keys).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    // The two that this test's gateway is given are not made.
    assert_eq!(
        names,
        ["BACKEND_SERVICE_TOKEN", "ENCRYPTION_KEY", "JWT_SECRET_KEY"]
    );
}

#[tokio::test]
async fn a_gateway_in_production_says_where_it_listens_and_no_more() {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command
        .env_clear()
        .env("GATEWAY_ADDR", "127.0.0.1:0")
        .env("GATEWAY_DATA_DIR", data.path())
        .env("GATEWAY_ENV", "production")
        .env("JWT_SECRET_KEY", "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu")
        .env(
            "ENCRYPTION_KEY",
            "8aeGNOc7ZZniLkAXyUFqthnhKZhTdh9aW6rfgA8eWrk=",
        )
        .stdin(Stdio::null());
    let mut production = Gateway::of(command, data, "listening on ");
    // Even on the loopback the dashboard is for admins, of whom there are none.
    for path in ["/", "/live"] {
        refused(production.get(path).await, "AUTHENTICATION_ERROR").await;
    }
    refused(
        production.login("ada", PASSWORD).await,
        "AUTHENTICATION_ERROR",
    )
    .await;
    // No token is set for either service.
    let notify = production.client.post(production.at("/internal/notify"));
    let notify = notify.bearer_auth(CRM_TOKEN).send().await.unwrap();
    refused(notify, "AUTHENTICATION_ERROR").await;
    assert!(production.terminate().success());
    assert_eq!(
        production.printed,
        [format!("listening on {}", production.url)]
    );
}
