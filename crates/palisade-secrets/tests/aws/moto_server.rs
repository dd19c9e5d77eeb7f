//! AWS Secrets Manager, as moto serves it to the official SDK.

use aws_sdk_secretsmanager::Client;
use palisade_secrets::{
    AwsSecretsManager, EnvVars, Environment, Error, ExposeSecret, Provider, Secrets, Stage,
};

use crate::moto::{Moto, free_port};

async fn create(client: &Client, name: &str, value: &str) {
    let made = client.create_secret().name(name).secret_string(value);
    made.send().await.unwrap();
}

async fn rotate(client: &Client, name: &str, value: &str) {
    let put = client
        .put_secret_value()
        .secret_id(name)
        .secret_string(value);
    put.send().await.unwrap();
}

/// The value of a stage, if it is there.
async fn read(aws: &AwsSecretsManager, name: &str, stage: Stage) -> Option<String> {
    let fetched = aws.fetch(name, stage).await.unwrap()?;
    let secret = fetched.secret();
    assert!(
        secret
            .version_text()
            .is_some_and(|version| !version.is_empty())
    );
    Some(secret.expose_secret().to_owned())
}

#[tokio::test]
async fn secrets_are_read_by_stage_while_they_rotate() {
    let moto = Moto::start(free_port());
    let client = moto.client();
    create(&client, "prod/TOKEN", "one").await;
    let aws = AwsSecretsManager::from_client(client.clone()).prefix("prod/");
    assert_eq!(
        read(&aws, "TOKEN", Stage::Current).await.as_deref(),
        Some("one")
    );
    assert_eq!(read(&aws, "TOKEN", Stage::Previous).await, None);
    rotate(&client, "prod/TOKEN", "two").await;
    assert_eq!(
        read(&aws, "TOKEN", Stage::Current).await.as_deref(),
        Some("two")
    );
    assert_eq!(
        read(&aws, "TOKEN", Stage::Previous).await.as_deref(),
        Some("one")
    );
    assert_eq!(read(&aws, "MISSING", Stage::Current).await, None);
}

#[tokio::test]
async fn absence_falls_through_and_an_outage_does_not() {
    let port = free_port();
    let moto = Moto::start(port);
    create(&moto.client(), "IN_AWS", "from aws").await;
    let build = || {
        Secrets::builder(Environment::Development)
            .provider(AwsSecretsManager::from_client(moto.client()))
            .provider(EnvVars::from_fn(|_| Some("from the environment".into())))
            .build()
    };
    let secrets = build().await.unwrap();
    assert_eq!(
        secrets.secret("IN_AWS").await.unwrap().expose_secret(),
        "from aws"
    );
    assert_eq!(
        secrets.secret("ELSEWHERE").await.unwrap().expose_secret(),
        "from the environment"
    );

    let during = build().await.unwrap();
    drop(moto);
    let error = during.secret("IN_AWS").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "secret IN_AWS: aws: could not be reached"
    );
    // What is known stays known.
    assert_eq!(
        secrets.secret("IN_AWS").await.unwrap().expose_secret(),
        "from aws"
    );

    let back = Moto::start(port);
    create(&back.client(), "IN_AWS", "after").await;
    let aws = AwsSecretsManager::from_client(back.client());
    assert_eq!(
        read(&aws, "IN_AWS", Stage::Current).await.as_deref(),
        Some("after")
    );
}

#[tokio::test]
async fn what_the_service_refuses_is_told_by_its_code_alone() {
    let moto = Moto::start(free_port());
    let client = moto.client();
    create(&client, "GONE", "canary").await;
    let blob = aws_sdk_secretsmanager::primitives::Blob::new(*b"canary");
    client
        .create_secret()
        .name("BINARY")
        .secret_binary(blob)
        .send()
        .await
        .unwrap();
    client
        .delete_secret()
        .secret_id("GONE")
        .send()
        .await
        .unwrap();
    let aws = AwsSecretsManager::from_client(client);
    let secrets = Secrets::builder(Environment::Development)
        .provider(aws)
        .build()
        .await
        .unwrap();
    for (name, said) in [
        ("GONE", "refused: InvalidRequestException"),
        ("BINARY", "the secret is binary, not text"),
    ] {
        let error = secrets.secret(name).await.unwrap_err();
        assert!(matches!(error, Error::Provider { .. }));
        assert_eq!(error.to_string(), format!("secret {name}: aws: {said}"));
        assert!(!format!("{error:?}").contains("canary"));
    }
}
