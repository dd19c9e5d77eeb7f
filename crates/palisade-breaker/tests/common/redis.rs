//! A real Redis, which each test starts for itself.
#![allow(dead_code, reason = "each test uses some of it")]

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
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

/// A port below those from which connections go out, so that none takes it while the server starts, or starts again.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Processes begin far from each other.
        let number = std::process::id() * 97 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + (number % 12_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_on(free_port())
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
        let start = now();
        loop {
            let waited = start.elapsed();
            assert!(
                waited < Duration::from_secs(60),
                "{waited:?} without an answer"
            );
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
