//! Secrets from AWS Secrets Manager, as moto serves it, and a keyset that rotates there.

#![cfg(feature = "aws")]

mod support;

#[path = "../../../crates/palisade-secrets/tests/moto/server.rs"]
mod server;

use std::time::Duration;

use palisade::crypto::Key;
use serde_json::{Value, json};

use server::{Moto, free_port};
use support::{Gateway, booking, key_of};

/// Calls an operation of Secrets Manager. moto reads the service from the signature's scope, and checks no signature.
async fn call(moto: &Moto, operation: &str, body: Value) {
    let scope = "Credential=test/20261129/us-east-1/secretsmanager/aws4_request";
    let response = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{}/", moto.port))
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("secretsmanager.{operation}"))
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"),
        )
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200, "{operation}");
}

#[tokio::test]
async fn secrets_come_from_aws_and_a_keyset_rotates_there() {
    let [six, seven] =
        [6, 7].map(|id| json!({"id": id, "key": *Key::generate().unwrap().to_text()}));
    let moto = Moto::start(free_port());
    let secrets = [
        (
            "JWT_SECRET_KEY",
            "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu".to_owned(),
        ),
        (
            "ENCRYPTION_KEYS",
            json!({"primary": 6, "keys": [six]}).to_string(),
        ),
    ];
    for (name, value) in secrets {
        call(
            &moto,
            "CreateSecret",
            json!({"Name": name, "SecretString": value, "ClientRequestToken": "a".repeat(32)}),
        )
        .await;
    }
    let endpoint = format!("http://127.0.0.1:{}", moto.port);
    let gateway = Gateway::start_with(&[
        ("USE_AWS_SECRETS", "true"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("SECRETS_TTL_SEC", "1"),
    ]);
    assert!(
        !gateway.data.path().join("keys/JWT_SECRET_KEY").exists(),
        "none was made where AWS has one"
    );
    let bearer = format!("Bearer {}", gateway.token("alice").await);
    let made = gateway
        .client
        .post(gateway.at("/api/bookings"))
        .header("authorization", &bearer);
    assert_eq!(made.json(&booking()).send().await.unwrap().status(), 201);
    let partner = ("x-api-key", &*gateway.api_key);
    let (_, sealed) = gateway.json("/api/partner/bookings", partner).await;
    assert_eq!(key_of(&sealed["bookings"][0]["email"]), 6);

    let next = json!({"primary": 7, "keys": [six, seven]}).to_string();
    let put = json!({"SecretId": "ENCRYPTION_KEYS", "SecretString": next, "ClientRequestToken": "b".repeat(32)});
    call(&moto, "PutSecretValue", put).await;
    let mut key = 6;
    for _ in 0..100 {
        let (status, read) = gateway
            .json("/api/bookings", ("authorization", &bearer))
            .await;
        assert_eq!(
            (status, &read["bookings"][0]["email"]),
            (200, &json!("guest@example.com"))
        );
        let (_, sealed) = gateway.json("/api/partner/bookings", partner).await;
        key = key_of(&sealed["bookings"][0]["email"]);
        if key == 7 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(key, 7, "the next key is in use within ten seconds");
}
