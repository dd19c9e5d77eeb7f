//! The start, the end, and what is left on the disk.

mod support;

use serde_json::json;

use support::{CRM_TOKEN, Gateway, PASSWORD, booking, hardened, refused_start};

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
