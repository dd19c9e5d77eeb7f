//! A real server of the AWS interfaces, and a client of the official SDK.

#![allow(dead_code, reason = "no test uses all of it")]

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

const INSTALL: &str = "moto_server is needed; install it with \
                       `python3 -m venv target/moto && target/moto/bin/pip install 'moto[server]'`";

/// A moto server, killed when this is dropped.
pub(crate) struct Moto {
    process: Child,
    pub(crate) port: u16,
}

impl Moto {
    pub(crate) fn start(port: u16) -> Self {
        let installed = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/moto/bin/moto_server"
        );
        let program = if std::path::Path::new(installed).exists() {
            installed
        } else {
            "moto_server"
        };
        let process = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: {INSTALL}"));
        let moto = Self { process, port };
        // Waits for the real server, for at most a minute.
        for _ in 0..600 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return moto;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("moto_server does not answer: {INSTALL}");
    }

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

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
