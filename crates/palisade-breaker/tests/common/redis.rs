//! A real Redis, which each test starts for itself.
#![allow(dead_code, reason = "each test uses some of it")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use palisade_core::time::now;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::time::sleep;

/// A `redis-server` on a free port, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        Self::start_on(port)
    }

    pub(crate) fn start_on(port: u16) -> Self {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed: apt-get install redis-server");
        Self { child, port }
    }

    pub(crate) fn client(&self) -> redis::Client {
        redis::Client::open(("127.0.0.1", self.port)).unwrap()
    }

    /// A connection of the test's own, which waits for as long as a busy machine takes.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        loop {
            let client = self.client();
            let connecting = client.get_multiplexed_async_connection_with_config(&config);
            if let Ok(connection) = connecting.await {
                return connection;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// The number of entries under the name of a layer, and the milliseconds that they last.
    pub(crate) async fn entries(&self, name: &str) -> (usize, i64) {
        let set = format!("palisade:breaker:{{{name}}}");
        let mut redis = self.connection().await;
        let mut ask = redis::pipe();
        ask.cmd("ZCARD").arg(&set).cmd("PTTL").arg(&set);
        ask.query_async(&mut redis).await.unwrap()
    }

    /// Waits until there are so many entries under the name of a layer.
    pub(crate) async fn remembers(&self, name: &str, entries: usize) {
        while self.entries(name).await.0 != entries {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it holds; far longer than it takes where other tests leave little of the processor.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = now();
    while !holds() {
        assert!(now() - start < Duration::from_secs(60), "never: {what}");
        sleep(Duration::from_millis(1)).await;
    }
}
