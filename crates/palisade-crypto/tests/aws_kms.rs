//! AWS KMS, as moto serves it to the official SDK.

#![cfg(feature = "aws-kms")]

#[path = "../../palisade-secrets/tests/moto/proxy.rs"]
mod proxy;
#[path = "../../palisade-secrets/tests/moto/server.rs"]
mod server;

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use palisade_crypto::{
    AwsKms, Context, Error, FieldCipher, Key, KeyId, KeyManagement, WrappedKeyset,
};
use proxy::Proxy;
use server::{Moto, free_port};

fn client(port: u16) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let credentials = Credentials::builder()
        .access_key_id("test")
        .secret_access_key("test")
        .provider_name("test")
        .build();
    let retry = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(10));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(credentials)
        .retry_config(retry)
        .http_client(http);
    Client::from_conf(config.build())
}

/// A fresh master key.
async fn master(client: &Client) -> String {
    let made = client.create_key().send().await.unwrap();
    made.key_metadata.unwrap().key_id
}

const PLACE: Context<'static> = Context::new("users").path("/email");

#[tokio::test]
async fn a_keyset_is_wrapped_by_aws_and_its_keys_and_master_key_rotate() {
    let moto = Moto::start(free_port());
    let client = client(moto.port);
    let id = master(&client).await;
    let kms = AwsKms::from_client(client.clone(), &id);
    let mut keyset = WrappedKeyset::generate("bookings", KeyId(1), &kms)
        .await
        .unwrap();
    let cipher = FieldCipher::new(keyset.unwrap(&kms).await.unwrap());
    let sealed = cipher.encrypt_str("a@b.c", &PLACE).unwrap();

    client
        .enable_key_rotation()
        .key_id(&id)
        .send()
        .await
        .unwrap();
    keyset.add(KeyId(2), &kms).await.unwrap();
    keyset.set_primary(KeyId(2)).unwrap();
    let keyset = WrappedKeyset::from_json(&keyset.to_json()).unwrap();
    cipher.swap_keyring(keyset.unwrap(&kms).await.unwrap());
    assert_eq!(cipher.keyring().primary(), KeyId(2));
    assert_eq!(cipher.decrypt_str(&sealed, &PLACE).unwrap(), "a@b.c");

    // By its alias too, and by no other key.
    client
        .create_alias()
        .alias_name("alias/bookings")
        .target_key_id(&id)
        .send()
        .await
        .unwrap();
    let by_alias = AwsKms::from_client(client.clone(), "alias/bookings");
    assert!(keyset.unwrap(&by_alias).await.is_ok());
    let other = AwsKms::from_client(client.clone(), &master(&client).await);
    let refused = keyset.unwrap(&other).await;
    assert!(
        matches!(refused, Err(Error::KeyManagement { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn aws_unwraps_a_key_for_its_context_alone() {
    let moto = Moto::start(free_port());
    let client = client(moto.port);
    let kms = AwsKms::from_client(client.clone(), &master(&client).await);
    let key = Key::generate().unwrap();
    let wrapped = kms
        .wrap(&key, &[("keyset", "a"), ("key", "1")])
        .await
        .unwrap();
    let back = kms
        .unwrap(&wrapped, &[("key", "1"), ("keyset", "a")])
        .await
        .unwrap();
    assert_eq!(back.expose_bytes(), key.expose_bytes());
    for context in [
        &[("keyset", "a")][..],
        &[("keyset", "a"), ("key", "2")],
        &[],
    ] {
        let error = kms.unwrap(&wrapped, context).await.unwrap_err();
        assert_eq!(error.to_string(), "refused: InvalidCiphertextException");
    }
}

#[tokio::test]
async fn throttling_a_disabled_key_and_an_outage_are_told_and_recovered_from() {
    let port = free_port();
    let moto = Moto::start(port);
    let proxy = Proxy::default();
    let before = client(proxy.start(port).await);
    let id = master(&client(port)).await;
    let kms = AwsKms::from_client(before, &id);
    let keyset = WrappedKeyset::generate("bookings", KeyId(1), &kms)
        .await
        .unwrap();
    let cipher = FieldCipher::new(keyset.unwrap(&kms).await.unwrap());

    proxy.asked.store(0, Ordering::Relaxed);
    proxy.refuse.store(2, Ordering::Relaxed);
    keyset.unwrap(&kms).await.unwrap();
    assert_eq!(
        proxy.asked.load(Ordering::Relaxed),
        3,
        "it was asked again until it answered"
    );
    proxy.refuse.store(usize::MAX, Ordering::Relaxed);
    let error = keyset.unwrap(&kms).await.unwrap_err();
    assert_eq!(error.to_string(), "key 1: refused: ThrottlingException");

    // moto unwraps by disabled keys; AWS answers so.
    let disabled = Proxy {
        instead: Some(
            "{\"__type\":\"DisabledException\",\"message\":\"arn:aws:kms:canary is disabled.\"}",
        ),
        ..Proxy::default()
    };
    disabled.refuse.store(1, Ordering::Relaxed);
    let by_disabled = AwsKms::from_client(client(disabled.start(port).await), &id);
    let error = keyset.unwrap(&by_disabled).await.unwrap_err();
    assert_eq!(error.to_string(), "key 1: refused: DisabledException");

    drop(moto);
    let direct = AwsKms::from_client(client(port), &id);
    let error = keyset.unwrap(&direct).await.unwrap_err();
    assert_eq!(error.to_string(), "key 1: could not be reached");
    // Nobody is asked to seal and open.
    let sealed = cipher.encrypt_str("a@b.c", &PLACE).unwrap();
    assert_eq!(cipher.decrypt_str(&sealed, &PLACE).unwrap(), "a@b.c");

    let _back = Moto::start(port);
    let direct = AwsKms::from_client(client(port), &master(&client(port)).await);
    let keyset = WrappedKeyset::generate("bookings", KeyId(1), &direct)
        .await
        .unwrap();
    assert!(keyset.unwrap(&direct).await.is_ok());
}
