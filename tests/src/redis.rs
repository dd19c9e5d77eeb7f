//! A `redis-server` that a test starts, kills, stops and starts again.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A server on a free port, which ends with this.
#[derive(Debug)]
pub struct Redis {
    process: Child,
    port: u16,
    dir: PathBuf,
}

impl Redis {
    /// Starts a server that keeps nothing on disk.
    ///
    /// # Panics
    ///
    /// When `redis-server` is missing, and says what to install.
    #[must_use]
    pub fn start() -> Self {
        let port = free_port();
        let dir = std::env::temp_dir().join(format!("palisade-tests-redis-{port}"));
        std::fs::create_dir_all(&dir).expect("a directory for the server");
        let redis = Self {
            process: spawn(port, &dir),
            port,
            dir,
        };
        await_ready(port);
        redis
    }

    /// The port on which it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The address on which it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Sends a command, and returns the first line of what it answers.
    ///
    /// # Panics
    ///
    /// When the server cannot be reached.
    pub fn command(&self, words: &[&str]) -> String {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        let mut stream = TcpStream::connect(self.addr()).expect("the server listens");
        stream
            .write_all(command.as_bytes())
            .expect("the server reads");
        let mut line = String::new();
        let read = BufReader::new(stream).read_line(&mut line);
        read.expect("the server answers");
        line.trim_end().to_owned()
    }

    /// Ends it without a word, as a crash does, and loses what it knew.
    ///
    /// # Panics
    ///
    /// When the system does not let it.
    pub fn crash(&mut self) {
        self.process.kill().expect("the server can be killed");
        self.process.wait().expect("the server ends");
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        self.process = spawn(self.port, &self.dir);
        await_ready(self.port);
    }

    /// Lets it hang: it keeps its connections and answers nothing.
    pub fn hang(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "kill {signal} {id}"
        );
    }
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

fn spawn(port: u16, dir: &Path) -> Child {
    let port_text = port.to_string();
    let nothing_kept = ["--save", "", "--appendonly", "no"];
    Command::new("redis-server")
        .args(["--port", &port_text, "--bind", "127.0.0.1"])
        .args(nothing_kept)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is needed; install it with `apt-get install redis-server`")
}

fn await_ready(port: u16) {
    for _ in 0..3_000 {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return;
        }
        // The server says nowhere else that it is ready.
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("redis-server does not listen on port {port}");
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
