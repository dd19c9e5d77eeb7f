//! The service as it was and as it is, run and asked alike; and the guide, which has to show both.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use palisade_tests::servers::{Answer, request};

const TOKEN: &str = "kD2vGq0yX8mTn5cWbR7sHf3jQ9pLzA4e";

struct Running {
    process: Child,
    addr: SocketAddr,
}

fn program(path: &str, token: &str, logs: &Path) -> Command {
    let mut program = Command::new(path);
    program
        .env("ADDR", "127.0.0.1:0")
        .env("LOGS", logs)
        .env("API_TOKEN", token);
    program
}

impl Running {
    fn before(logs: &Path) -> Self {
        Self::start(program(env!("CARGO_BIN_EXE_before"), TOKEN, logs))
    }

    fn after(logs: &Path) -> Self {
        Self::start(program(env!("CARGO_BIN_EXE_after"), TOKEN, logs))
    }

    fn start(mut program: Command) -> Self {
        let mut process = program.stdout(Stdio::piped()).spawn().expect("it starts");
        let output = process.stdout.take().expect("its output");
        let line = BufReader::new(output).lines().next();
        let line = line.expect("a line").expect("text");
        let addr = line.strip_prefix("listening on ").expect("its address");
        Self {
            addr: addr.parse().expect("an address"),
            process,
        }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.addr, "GET", path, headers).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn what_worked_before_works_after() {
    let logs = tempfile::tempdir().unwrap();
    let signed = format!("Bearer {TOKEN}");
    for server in [Running::before(logs.path()), Running::after(logs.path())] {
        let notes = server.get("/notes", &[("authorization", &signed)]).await;
        assert_eq!((notes.status, notes.body.as_str()), (200, "[]"));
        assert_eq!(server.get("/healthz", &[]).await.status, 200);
        assert_eq!(server.get("/notes", &[]).await.status, 401);
    }
}

#[tokio::test]
async fn what_the_guide_says_is_new_is_new() {
    let logs = tempfile::tempdir().unwrap();
    let (before, after) = (Running::before(logs.path()), Running::after(logs.path()));
    // A refusal says what it is, in one format, with the headers of every other answer.
    let refused = before.get("/notes", &[]).await;
    assert!(!refused.head.contains("www-authenticate"), "{refused:?}");
    assert!(refused.body.is_empty(), "{refused:?}");
    let refused = after.get("/notes", &[]).await;
    for header in [
        "www-authenticate: bearer",
        "x-request-id: ",
        "x-content-type-options: nosniff",
    ] {
        assert!(refused.head.contains(header), "{header} {refused:?}");
    }
    let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(problem["status"], 401);
    // A page reads why it was refused.
    let origin = [("origin", "https://page.example")];
    let refused = after.get("/notes", &origin).await;
    assert!(
        refused.head.contains("access-control-expose-headers: "),
        "{refused:?}"
    );
    // Guesses at the token come to an end.
    let mut last = 0;
    for _ in 0..40 {
        assert_eq!(before.get("/notes", &[]).await.status, 401);
        last = after.get("/notes", &[]).await.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
}

#[test]
fn a_placeholder_is_no_token_any_more() {
    let logs = tempfile::tempdir().unwrap();
    let Output { status, stderr, .. } =
        program(env!("CARGO_BIN_EXE_after"), "changeme", logs.path())
            .output()
            .unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!status.success());
    assert!(!stderr.contains("changeme"), "{stderr}");
}

#[test]
fn the_guide_shows_both() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(here.join(path)).unwrap();
    let guide = read("../../docs/guides/hardening-an-existing-service.md");
    let diff = guide
        .split_once("```diff\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(diff, _)| diff)
        .expect("the diff of the guide");
    let side = |sign: char| {
        let lines = diff.lines().filter(|line| !line.starts_with(sign));
        // An empty line may have lost its blank.
        lines
            .map(|line| format!("{}\n", line.get(1..).unwrap_or_default()))
            .collect::<String>()
    };
    assert_eq!(side('+'), read("src/bin/before.rs"));
    assert_eq!(side('-'), read("src/bin/after.rs"));
}
