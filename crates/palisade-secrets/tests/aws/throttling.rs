//! AWS answers that it was asked too often. moto never does, so a proxy before it does, with the answer that AWS gives.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_secretsmanager::config::retry::RetryConfig;
use palisade_secrets::{AwsSecretsManager, Environment, Error, ExposeSecret, Secrets};

use crate::moto::proxy::Proxy;
use crate::moto::{Moto, client, free_port};

#[tokio::test]
async fn throttling_is_waited_out_and_then_told_by_its_code() {
    let moto = Moto::start(free_port());
    for name in ["KNOWN", "TOKEN", "OTHER"] {
        let made = moto.client().create_secret().name(name).secret_string(name);
        made.send().await.unwrap();
    }
    let proxy = Proxy::default();
    let port = proxy.start(moto.port).await;
    // As `AwsSecretsManager::from_env`, but for shorter pauses.
    let retry = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(10));
    let secrets = Secrets::builder(Environment::Development)
        .provider(AwsSecretsManager::from_client(client(port, retry)))
        .ttl(Duration::from_secs(10))
        .build()
        .await
        .unwrap();
    let asked = || proxy.asked.swap(0, Ordering::Relaxed);
    assert_eq!(
        secrets.secret("KNOWN").await.unwrap().expose_secret(),
        "KNOWN"
    );
    assert_eq!(asked(), 1);

    proxy.refuse.store(2, Ordering::Relaxed);
    assert_eq!(
        secrets.secret("TOKEN").await.unwrap().expose_secret(),
        "TOKEN"
    );
    assert_eq!(asked(), 3, "it was asked again until it answered");

    proxy.refuse.store(usize::MAX, Ordering::Relaxed);
    let readers: Vec<_> = (0..100)
        .map(|_| {
            let secrets = secrets.clone();
            tokio::spawn(async move { secrets.secret("OTHER").await })
        })
        .collect();
    for reader in readers {
        let error = reader.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Provider { .. }));
        assert_eq!(
            error.to_string(),
            "secret OTHER: aws: refused: ThrottlingException"
        );
    }
    assert_eq!(asked(), 3, "a hundred readers ask as often as one");
    // Right after it, nobody asks again; what is known is read meanwhile.
    assert!(secrets.secret("OTHER").await.is_err());
    assert_eq!(
        secrets.secret("KNOWN").await.unwrap().expose_secret(),
        "KNOWN"
    );
    assert_eq!(asked(), 0);

    proxy.refuse.store(0, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        secrets.secret("OTHER").await.unwrap().expose_secret(),
        "OTHER"
    );
}
