//! The gateway as a client sees it: the real binary, over real HTTP.

mod support;

use std::collections::HashSet;

use http::StatusCode;
use reqwest::Response;
use serde_json::{Value, json};

use support::{CRM_TOKEN, Gateway, PASSWORD, refused_start};

fn booking() -> Value {
    json!({
        "room": "Blue", "start": "2026-12-01T09:00:00Z", "end": "2026-12-01T10:00:00Z",
        "email": "guest@example.com", "phone": "+41 44 668 18 00", "credit_card": "4111 1111 1111 1111",
    })
}

/// Checks what holds for every response, and gives back its status, headers and body.
async fn hardened(response: Response) -> (StatusCode, http::HeaderMap, Value) {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.unwrap();
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        (
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        ),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("x-xss-protection", "0"),
    ] {
        assert_eq!(
            headers.get(name).map(|value| value.to_str().unwrap()),
            Some(value),
            "{name} of a {status}"
        );
    }
    assert_eq!(
        headers.get_all("x-request-id").iter().count(),
        1,
        "one request id"
    );
    (
        status,
        headers,
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

/// The same for a refusal: the one format, and the id in both places.
async fn refused(response: Response, code: &str) -> (http::HeaderMap, Value) {
    let (status, headers, body) = hardened(response).await;
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(body["error"]["code"], code, "{body}");
    assert_eq!(body["status"], status.as_u16());
    assert_eq!(
        body["error"]["correlation_id"],
        headers["x-request-id"].to_str().unwrap()
    );
    (headers, body)
}

#[tokio::test]
async fn health_is_told() {
    let gateway = Gateway::start();
    for path in ["/healthz", "/readyz"] {
        let (status, _, body) = hardened(gateway.get(path).await).await;
        assert_eq!(status, 200);
        assert_eq!(
            (&body["status"], &body["service"]),
            (&json!("healthy"), &json!("gateway"))
        );
        assert!(
            body["timestamp"].is_string() && body["checks"].is_object(),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_burst_passes_and_the_rest_is_told_when() {
    let gateway = Gateway::start();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..25 {
        requests.spawn(
            gateway
                .client
                .get(gateway.at("/v1/ping"))
                .header("x-track-id", "t-1")
                .send(),
        );
    }
    let mut passed = 0;
    for response in requests.join_all().await {
        let response = response.unwrap();
        if response.status() == 200 {
            let (_, headers, body) = hardened(response).await;
            assert_eq!(body, json!({ "pong": true }));
            assert_eq!(headers["x-ratelimit-limit"], "10");
            passed += 1;
        } else {
            let (headers, body) = refused(response, "RATE_LIMIT_EXCEEDED").await;
            assert_eq!(headers["retry-after"], "1");
            assert_eq!(headers["x-ratelimit-remaining"], "0");
            assert_eq!(body["error"]["details"]["retry_after"], 1);
        }
    }
    // 20 at once; five more could only pass after half a second of refilling.
    assert!((20..25).contains(&passed), "{passed} of 25 passed");
}

#[tokio::test]
async fn another_track_id_has_its_own_bucket() {
    let gateway = Gateway::start();
    for _ in 0..30 {
        gateway
            .client
            .get(gateway.at("/v1/ping"))
            .header("x-track-id", "busy")
            .send()
            .await
            .unwrap();
    }
    let other = gateway
        .client
        .get(gateway.at("/v1/ping"))
        .header("x-track-id", "calm")
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 200);
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_the_one_format() {
    let gateway = Gateway::start();
    refused(gateway.get("/nothing/here").await, "NOT_FOUND").await;
    let wrong = gateway
        .client
        .delete(gateway.at("/v1/ping"))
        .send()
        .await
        .unwrap();
    let (headers, _) = refused(wrong, "METHOD_NOT_ALLOWED").await;
    assert_eq!(headers["allow"], "GET,HEAD");
}

#[tokio::test]
async fn a_login_gives_a_pair_that_works() {
    let gateway = Gateway::start();
    let (status, headers, body) = hardened(gateway.login("alice", PASSWORD).await).await;
    assert_eq!(status, 200);
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("Bearer"), &json!(900))
    );
    assert!(body["refresh_token"].is_string());

    let token = body["access_token"].as_str().unwrap();
    let me = gateway
        .client
        .get(gateway.at("/api/me"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    let (status, _, body) = hardened(me).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["subject"], &body["scopes"]),
        (&json!("alice"), &json!(["read", "write"]))
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let gateway = Gateway::start();
    let mut answers = HashSet::new();
    for username in ["alice", "nobody"] {
        let (_, mut body) = refused(
            gateway.login(username, "wrong").await,
            "AUTHENTICATION_ERROR",
        )
        .await;
        body["error"]["correlation_id"].take();
        body["error"]["timestamp"].take();
        answers.insert(body.to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn the_sixth_login_in_a_minute_is_refused_whatever_the_outcome() {
    let gateway = Gateway::start();
    for _ in 0..5 {
        assert_eq!(gateway.login("alice", PASSWORD).await.status(), 200);
    }
    let (headers, _) = refused(gateway.login("rita", PASSWORD).await, "RATE_LIMIT_EXCEEDED").await;
    assert!(headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_protected_route_asks_who_is_there() {
    let gateway = Gateway::start();
    let (headers, _) = refused(gateway.get("/api/me").await, "AUTHENTICATION_ERROR").await;
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.starts_with("Bearer realm=") && !challenge.contains("error"),
        "{challenge}"
    );

    let forged = gateway
        .client
        .get(gateway.at("/api/me"))
        .bearer_auth("a.b.c")
        .send()
        .await
        .unwrap();
    let (headers, _) = refused(forged, "AUTHENTICATION_ERROR").await;
    assert!(
        headers["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("error=\"invalid_token\"")
    );
}

#[tokio::test]
async fn an_api_key_is_somebody_too() {
    let gateway = Gateway::start();
    let me = gateway
        .client
        .get(gateway.at("/api/me"))
        .header("x-api-key", &gateway.api_key)
        .send()
        .await
        .unwrap();
    let (status, _, body) = hardened(me).await;
    assert_eq!((status.as_u16(), &body["scopes"]), (200, &json!(["read"])));
}

#[tokio::test]
async fn a_booking_is_its_owners_and_sealed_at_rest() {
    let gateway = Gateway::start();
    let alice = gateway.token("alice").await;
    let rita = gateway.token("rita").await;
    let fay = gateway.token("fay").await;

    let made = gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&alice)
        .json(&booking())
        .send()
        .await;
    let (status, _, made) = hardened(made.unwrap()).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/api/bookings/{}", made["id"].as_str().unwrap());

    for (token, expected) in [(&alice, 200), (&fay, 200), (&rita, 403)] {
        let read = gateway
            .client
            .get(gateway.at(&path))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(read.status(), expected);
    }
    let (_, _, list) = hardened(
        gateway
            .client
            .get(gateway.at("/api/bookings"))
            .bearer_auth(&alice)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(list["bookings"][0]["email"], "guest@example.com");

    let stored = std::fs::read(gateway.data.path().join("bookings.redb")).unwrap();
    for clear in ["guest@example.com", "668 18 00", "4111 1111"] {
        assert!(
            !stored
                .windows(clear.len())
                .any(|window| window == clear.as_bytes()),
            "{clear} lies there in clear"
        );
    }
}

#[tokio::test]
async fn every_bad_field_of_a_booking_is_listed() {
    let gateway = Gateway::start();
    let alice = gateway.token("alice").await;
    let bad = json!({ "room": "", "start": "x", "end": "y", "email": "z", "phone": "p", "credit_card": "1" });
    let sent = gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&alice)
        .json(&bad)
        .send()
        .await
        .unwrap();
    let (_, body) = refused(sent, "VALIDATION_ERROR").await;
    let fields: HashSet<_> = body["error"]["details"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        fields,
        HashSet::from(["room", "start", "end", "email", "phone", "credit_card"])
    );
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named() {
    let gateway = Gateway::start();
    let rita = gateway.token("rita").await;
    let sent = gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&rita)
        .json(&booking())
        .send()
        .await;
    let (headers, _) = refused(sent.unwrap(), "AUTHORIZATION_ERROR").await;
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("insufficient_scope") && challenge.contains("scope=\"write\""),
        "{challenge}"
    );
}

#[tokio::test]
async fn an_admin_finds_by_email_and_deletes() {
    let gateway = Gateway::start();
    let alice = gateway.token("alice").await;
    let ada = gateway.token("ada").await;
    gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&alice)
        .json(&booking())
        .send()
        .await
        .unwrap();

    let search = gateway.at("/api/bookings/by-email?email=Guest@Example.com");
    let refusal = gateway
        .client
        .get(&search)
        .bearer_auth(&alice)
        .send()
        .await
        .unwrap();
    refused(refusal, "AUTHORIZATION_ERROR").await;
    let (_, _, found) = hardened(
        gateway
            .client
            .get(&search)
            .bearer_auth(&ada)
            .send()
            .await
            .unwrap(),
    )
    .await;
    let id = found["bookings"][0]["id"]
        .as_str()
        .expect("one booking")
        .to_owned();

    let path = gateway.at(&format!("/api/admin/bookings/{id}"));
    assert_eq!(
        gateway
            .client
            .delete(&path)
            .bearer_auth(&alice)
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(
        gateway
            .client
            .delete(&path)
            .bearer_auth(&ada)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    assert_eq!(
        gateway
            .client
            .delete(&path)
            .bearer_auth(&ada)
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    let (_, _, found) = hardened(
        gateway
            .client
            .get(&search)
            .bearer_auth(&ada)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(found["bookings"], json!([]));

    let tail = gateway
        .client
        .get(gateway.at("/api/admin/audit?tail=50"))
        .bearer_auth(&ada)
        .send()
        .await
        .unwrap();
    let (status, _, tail) = hardened(tail).await;
    assert_eq!(status, 200);
    assert!(
        tail["records"].to_string().contains("authz_admin"),
        "{tail}"
    );
}

#[tokio::test]
async fn a_partner_gets_fields_sealed() {
    let gateway = Gateway::start();
    let alice = gateway.token("alice").await;
    gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&alice)
        .json(&booking())
        .send()
        .await
        .unwrap();
    let path = gateway.at("/api/partner/bookings");
    assert_eq!(
        gateway
            .client
            .get(&path)
            .bearer_auth(&alice)
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    let (status, _, body) = hardened(
        gateway
            .client
            .get(&path)
            .header("x-api-key", &gateway.api_key)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, 200);
    for field in ["email", "phone", "credit_card"] {
        assert!(
            body["bookings"][0][field]
                .as_str()
                .unwrap()
                .starts_with("pl1."),
            "{body}"
        );
    }
    assert_eq!(body["bookings"][0]["room"], "Blue");
}

#[tokio::test]
async fn only_services_may_notify() {
    let gateway = Gateway::start();
    let alice = gateway.token("alice").await;
    let path = gateway.at("/internal/notify");
    assert_eq!(
        gateway
            .client
            .post(&path)
            .bearer_auth(alice)
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(
        gateway
            .client
            .post(&path)
            .bearer_auth(CRM_TOKEN)
            .send()
            .await
            .unwrap()
            .status(),
        202
    );
    assert_eq!(
        gateway.client.post(&path).send().await.unwrap().status(),
        401
    );
}

#[tokio::test]
async fn a_failing_upstream_is_left_alone_and_the_last_quote_served() {
    let gateway = Gateway::start_with(&[("CIRCUIT_BREAKER_THRESHOLD", "2")]);
    let ada = gateway.token("ada").await;
    let good = gateway.get("/api/quote").await;
    assert_eq!(good.status(), 200);
    assert!(!good.headers().contains_key("warning"));
    let turn = gateway
        .client
        .post(gateway.at("/demo/upstream"))
        .bearer_auth(&ada)
        .json(&json!({ "mode": "fail" }));
    assert_eq!(turn.send().await.unwrap().status(), 200);
    for _ in 0..4 {
        let (status, headers, body) = hardened(gateway.get("/api/quote").await).await;
        assert_eq!(status, 200);
        assert!(headers["warning"].to_str().unwrap().starts_with("110 "));
        assert_eq!(body["room"], "Blue");
    }
}

#[tokio::test]
async fn without_a_last_quote_a_failing_upstream_is_a_503() {
    let gateway = Gateway::start_with(&[("CIRCUIT_BREAKER_THRESHOLD", "1")]);
    let ada = gateway.token("ada").await;
    let turn = gateway
        .client
        .post(gateway.at("/demo/upstream"))
        .bearer_auth(&ada)
        .json(&json!({ "mode": "fail" }));
    turn.send().await.unwrap();
    for _ in 0..3 {
        let (headers, _) = refused(gateway.get("/api/quote").await, "SERVICE_UNAVAILABLE").await;
        assert!(headers.contains_key("retry-after"));
    }
}

#[tokio::test]
async fn every_request_leaves_one_line_and_no_secret() {
    let mut gateway = Gateway::start();
    let token = gateway.token("alice").await;
    gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&token)
        .json(&booking())
        .send()
        .await
        .unwrap();
    gateway
        .get("/nothing?token=s3cr3t-in-the-query&email=guest@example.com")
        .await;
    gateway
        .client
        .get(gateway.at("/api/me"))
        .header("x-api-key", &gateway.api_key)
        .send()
        .await
        .unwrap();
    gateway.login("alice", "a-wrong-password").await;
    assert!(gateway.terminate().success());

    let trail = gateway.trail();
    let mut requests: Vec<_> = trail
        .iter()
        .filter(|record| record["event"] == "http_request")
        .map(|record| {
            format!(
                "{} {} {}",
                record["method"], record["path"], record["status"]
            )
            .replace('"', "")
        })
        .collect();
    requests.sort_unstable();
    let expected = [
        "GET /api/me 200",
        "GET /nothing 404",
        "POST /api/bookings 201",
        "POST /auth/token 200",
        "POST /auth/token 401",
    ];
    assert_eq!(requests, expected);
    assert!(
        trail
            .iter()
            .any(|record| record["event"] == "authn_login_fail"),
        "{trail:?}"
    );

    let text = format!("{trail:?}");
    let secrets = [
        PASSWORD,
        CRM_TOKEN,
        &token,
        &gateway.api_key,
        "s3cr3t",
        "a-wrong-password",
        "guest@example.com",
        "4111",
    ];
    for secret in secrets {
        assert!(!text.contains(secret), "the trail holds {secret}");
    }
}

#[tokio::test]
async fn a_restart_reads_what_it_wrote() {
    let mut gateway = Gateway::start();
    let token = gateway.token("alice").await;
    gateway
        .client
        .post(gateway.at("/api/bookings"))
        .bearer_auth(&token)
        .json(&booking())
        .send()
        .await
        .unwrap();
    assert!(gateway.terminate().success());
    let folder = gateway.data.path().to_str().unwrap().to_owned();
    let again = Gateway::start_with(&[("GATEWAY_DATA_DIR", &folder)]);
    let list = again
        .client
        .get(again.at("/api/bookings"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    let (status, _, list) = hardened(list).await;
    assert_eq!(
        (status.as_u16(), &list["bookings"][0]["email"]),
        (200, &json!("guest@example.com"))
    );
}

#[test]
fn a_bad_setting_is_named_and_ends_the_start() {
    let (code, said) = refused_start(&[
        ("RATE_LIMIT_BURST", "0"),
        ("CORS_ORIGINS", "https://a.example/path"),
    ]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("RATE_LIMIT_BURST") && said.contains("CORS_ORIGINS"),
        "{said}"
    );
}

#[test]
fn production_refuses_missing_and_placeholder_secrets_all_at_once() {
    let (code, said) = refused_start(&[
        ("GATEWAY_ENV", "production"),
        ("JWT_SECRET_KEY", "Your-Secret-Key-Change-In-Production"),
        (
            "BACKEND_SERVICE_TOKEN",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ),
    ]);
    assert_eq!(code, Some(2), "{said}");
    for name in ["JWT_SECRET_KEY", "ENCRYPTION_KEY", "BACKEND_SERVICE_TOKEN"] {
        assert!(said.contains(name), "{name} is not named in: {said}");
    }
    assert!(
        !said.contains("Your-Secret") && !said.contains("aaaaaa"),
        "a value is repeated: {said}"
    );
}
