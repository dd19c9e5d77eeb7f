//! AWS answers that it was asked too often. moto never does, so a proxy before it does, with the answer that AWS gives.

#![cfg(feature = "aws")]

mod moto;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_secretsmanager::config::retry::RetryConfig;
use moto::{Moto, client, free_port};
use palisade_secrets::{AwsSecretsManager, Environment, Error, ExposeSecret, Secrets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What Secrets Manager says, with the status and the headers of its protocol, AWS JSON 1.1.
const THROTTLED: &str = "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}";

#[derive(Clone, Default)]
struct Proxy {
    /// How many requests are still refused.
    refuse: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(&self, upstream: u16) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = self.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let proxy = proxy.clone();
                tokio::spawn(async move { proxy.answer(connection, upstream).await });
            }
        });
        port
    }

    /// One request a connection.
    async fn answer(&self, mut connection: TcpStream, upstream: u16) {
        let request = read_request(&mut connection).await;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let refuse = self
            .refuse
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        let answer = if refuse.is_ok() {
            format!(
                "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{THROTTLED}",
                THROTTLED.len()
            )
            .into_bytes()
        } else {
            let mut moto = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream))
                .await
                .unwrap();
            let line = request.windows(2).position(|end| end == b"\r\n").unwrap() + 2;
            moto.write_all(&request[..line]).await.unwrap();
            moto.write_all(b"connection: close\r\n").await.unwrap();
            moto.write_all(&request[line..]).await.unwrap();
            let mut answer = Vec::new();
            moto.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let _ = connection.write_all(&answer).await;
    }
}

async fn read_request(connection: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    loop {
        connection.read_buf(&mut request).await.unwrap();
        let Some(head) = request.windows(4).position(|end| end == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
        let len: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |len| len.trim().parse().unwrap());
        if request.len() >= head + 4 + len {
            return request;
        }
    }
}

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
