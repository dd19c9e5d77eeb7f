//! Redis servers that a test starts for itself, and that end with it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use palisade_core::time::now;
use palisade_ratelimit::{
    Limit, Outage, Policy, RateLimitBuilder, RateLimitLayer, RateLimiter, Redis,
};
use redis::AsyncConnectionConfig;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};

/// A `redis-server` on a free port, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    dir: std::path::PathBuf,
    arguments: Vec<String>,
}

/// A port below those from which connections go out, so that none takes it while the server starts, or starts again. A
/// cluster's bus has the port above by 10,000.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Processes begin far from each other.
        let number = std::process::id() * 97 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + (number % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let port = free_port();
        let dir =
            std::env::temp_dir().join(format!("palisade-ratelimit-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let child = Self::spawn(port, &dir, &arguments);
        let server = Self {
            child,
            port,
            dir,
            arguments,
        };
        server.await_ready();
        server
    }

    fn spawn(port: u16, dir: &std::path::Path, arguments: &[String]) -> Child {
        Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args(["--dir", dir.to_str().unwrap()])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is needed: apt-get install redis-server")
    }

    fn await_ready(&self) {
        let start = now();
        while start.elapsed() < Duration::from_secs(60) {
            if let Ok(mut connection) = self.client().get_connection()
                && redis::cmd("PING").query::<String>(&mut connection).is_ok()
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server on port {} does not answer", self.port);
    }

    pub(crate) fn client(&self) -> redis::Client {
        redis::Client::open(format!("redis://127.0.0.1:{}/", self.port)).unwrap()
    }

    /// A connection that comes back by itself.
    pub(crate) async fn connection(&self) -> ConnectionManager {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(50))
            .set_response_timeout(None);
        ConnectionManager::new_with_config(self.client(), config)
            .await
            .unwrap()
    }

    pub(crate) fn command(&self, words: &[&str]) -> redis::Value {
        let mut connection = self.client().get_connection().unwrap();
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        command.query(&mut connection).unwrap()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        redis::from_redis_value(self.command(&["KEYS", "*"])).unwrap()
    }

    /// `STOP`, `CONT` or `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again on the same port, with nothing in it.
    pub(crate) fn restart(&mut self) {
        self.child = Self::spawn(self.port, &self.dir, &self.arguments);
        self.await_ready();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn in_redis(policy: Policy, redis: Redis) -> RateLimitBuilder {
    RateLimitLayer::builder().policy(policy).store(redis)
}

/// A timeout that holds on a machine which is busy with other tests.
pub(crate) async fn patient(server: &Server) -> Redis {
    Redis::new(server.connection().await).timeout(Duration::from_secs(5))
}

/// A connection without a timeout of its own.
pub(crate) async fn multiplexed(client: &redis::Client) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    connecting.await.unwrap()
}

/// The server on this port, with a timeout that holds while many processes share the machine.
pub(crate) async fn at_leisure(port: u16) -> Redis {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/")).unwrap();
    Redis::new(multiplexed(&client).await).timeout(Duration::from_secs(20))
}

/// A policy that shows it when Redis was not asked.
pub(crate) fn api(limit: Limit) -> Policy {
    Policy::new("api").limit(limit).on_outage(Outage::Deny)
}

pub(crate) async fn limiter(policy: Policy, redis: Redis) -> RateLimiter {
    in_redis(policy, redis).build().unwrap().limiter()
}
