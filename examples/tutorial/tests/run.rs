//! The service of the tutorial answers as the page says.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use palisade_tests::servers::request;

const PAGE: &str = include_str!("../../../docs/tutorial.md");
const SECRET: &str = "kD2vGq0yX8mTn5cWbR7sHf3jQ9pLzA4e";

fn program(dir: &Path, secret: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tutorial"));
    program
        .current_dir(dir)
        .env("ADDRESS", "127.0.0.1:0")
        .env("JWT_SECRET_KEY", secret);
    program
}

struct Running {
    process: Child,
    addr: SocketAddr,
}

impl Running {
    fn start(dir: &Path) -> Self {
        let mut process = program(dir, SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = process.stdout.take().expect("its output");
        let line = BufReader::new(output).lines().next();
        let line = line.expect("a line").expect("text");
        let addr = line
            .strip_prefix("listening on http://")
            .expect("where it listens");
        Self {
            addr: addr.parse().expect("an address"),
            process,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn token(dir: &Path, name: &str) -> String {
    let made = program(dir, SECRET).args(["token", name]).output();
    let text = String::from_utf8(made.expect("it runs").stdout).expect("text");
    format!("Bearer {}", text.trim())
}

/// The lines of the blocks of text on the page that hold this one.
fn block(with: &str) -> Vec<&'static str> {
    let blocks = PAGE.split("```text\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split_once("```").map(|(block, _)| block));
    let found = blocks.find(|block| block.contains(with));
    found.expect("the page has it").lines().collect()
}

#[test]
fn the_page_shows_the_program() {
    let (_, program) = include_str!("../src/main.rs")
        .split_once("\n\n")
        .expect("a first line about the file");
    assert!(PAGE.contains(&format!("```rust,no_run\n{program}```\n")));
}

#[tokio::test]
async fn it_answers_as_the_page_says() {
    let dir = tempfile::tempdir().unwrap();
    let server = Running::start(dir.path());
    let alice = token(dir.path(), "alice");
    let hello = request(server.addr, "GET", "/", &[("authorization", &alice)]).await;
    assert_eq!(
        (hello.status, hello.body.as_str()),
        (200, block("hello alice")[0])
    );
    for line in block("x-frame-options") {
        let (name, value) = line.split_once(": ").expect("a header");
        // An id is another one each time.
        let shown = if name == "x-request-id" { name } else { line };
        assert!(
            hello.head.contains(&shown.to_ascii_lowercase()),
            "{name}: {value} is missing: {hello:?}"
        );
    }
    let refused = request(server.addr, "GET", "/", &[]).await;
    for line in block("www-authenticate").iter().skip(1) {
        assert!(
            refused.head.contains(&line.to_ascii_lowercase()),
            "{line} is missing: {refused:?}"
        );
    }
    assert_eq!(refused.status, 401);
    assert_eq!(
        request(server.addr, "GET", "/healthz", &[]).await.status,
        200
    );

    // A burst of 20 and 10 a second: it is exceeded however slow this machine is.
    let mut last = 200;
    for _ in 0..1000 {
        last = request(server.addr, "GET", "/", &[("authorization", &alice)])
            .await
            .status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
    assert_eq!(
        request(server.addr, "GET", "/healthz", &[]).await.status,
        200
    );
}

#[tokio::test]
async fn its_trail_names_the_subject_and_holds_no_token() {
    let dir = tempfile::tempdir().unwrap();
    let alice = token(dir.path(), "alice");
    let log = dir.path().join("logs/hello_audit.log");
    let server = Running::start(dir.path());
    request(server.addr, "GET", "/", &[("authorization", &alice)]).await;
    let written = async {
        loop {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if text.contains("\"alice\"") {
                break text;
            }
            tokio::task::yield_now().await;
        }
    };
    let text = tokio::time::timeout(std::time::Duration::from_secs(10), written)
        .await
        .expect("a line in time");
    let secret = alice.rsplit('.').next().expect("a signature");
    assert!(!text.contains(secret), "{text}");
}

#[test]
fn a_placeholder_is_refused_with_the_message_of_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let refused = program(dir.path(), "changeme").output().expect("it runs");
    assert!(!refused.status.success());
    let message = String::from_utf8(refused.stderr).expect("text");
    assert_eq!(message.trim_end(), block("Error: ")[0]);
}
