//! A receiver of webhooks whose behaviour a test changes while it runs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answers 202.
    Ok,
    /// Answers 500.
    Fail,
    /// Answers 400.
    Refuse,
    /// Reads the request and never answers.
    Hang,
}

/// A server on loopback.
#[derive(Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    mode: Mode,
    /// Head and body of each request, and how it was answered.
    seen: Vec<(String, Value, Mode)>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(State {
                mode: Mode::Ok,
                seen: Vec::new(),
            })),
        };
        let own = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (own, stream) = (own.clone(), stream.unwrap());
                std::thread::spawn(move || own.serve(stream));
            }
        });
        receiver
    }

    /// The path holds what would be a secret.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks/T0KEN", self.address)
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    /// Head and body of every request.
    pub(crate) fn requests(&self) -> Vec<(String, Value)> {
        let state = self.state.lock().unwrap();
        let seen = state.seen.iter();
        seen.map(|(head, body, _)| (head.clone(), body.clone()))
            .collect()
    }

    /// The bodies of those that were answered with success.
    pub(crate) fn accepted(&self) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        let accepted = state.seen.iter().filter(|(.., mode)| *mode == Mode::Ok);
        accepted.map(|(_, body, _)| body.clone()).collect()
    }

    /// The `Idempotency-Key` of every request.
    pub(crate) fn ids(&self) -> Vec<String> {
        let id = |head: &str| {
            let mut lines = head.lines();
            let line = lines.find_map(|line| line.strip_prefix("idempotency-key: "));
            line.unwrap().to_owned()
        };
        self.requests().iter().map(|(head, _)| id(head)).collect()
    }

    /// Waits until so many requests have come.
    pub(crate) fn until(&self, enough: impl Fn(usize) -> bool) {
        self.wait(|state| enough(state.seen.len()));
    }

    pub(crate) fn until_accepted(&self, requests: usize) {
        self.wait(|state| {
            let accepted = state.seen.iter().filter(|(.., mode)| *mode == Mode::Ok);
            accepted.count() >= requests
        });
    }

    fn wait(&self, done: impl Fn(&State) -> bool) {
        let start = palisade_core::time::now();
        while !done(&self.state.lock().unwrap()) {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "it never happens"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some((head, body)) = read(&mut reader) {
            let mut state = self.state.lock().unwrap();
            let mode = state.mode;
            state.seen.push((head, body, mode));
            drop(state);
            let answer = match mode {
                Mode::Ok => "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok",
                Mode::Fail => "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
                Mode::Refuse => "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
                Mode::Hang => continue,
            };
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// Reads a request; `None` at the end of the connection.
fn read(reader: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).unwrap()))
}
