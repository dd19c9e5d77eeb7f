//! A real server of the AWS interfaces, and a client of the official SDK.

#![allow(dead_code, unused_imports, reason = "no test uses all of it")]

pub(crate) mod proxy;
mod server;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

pub(crate) use self::server::{Moto, free_port};

impl Moto {
    /// A client that asks once.
    pub(crate) fn client(&self) -> Client {
        client(self.port, RetryConfig::disabled())
    }
}

/// A client of whatever answers at this port.
pub(crate) fn client(port: u16, retry: RetryConfig) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let credentials = Credentials::builder()
        .access_key_id("test")
        .secret_access_key("test")
        .provider_name("test")
        .build();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(credentials)
        .retry_config(retry)
        .http_client(http);
    Client::from_conf(config.build())
}
