//! A gateway of its own for each test: the real binary, a free port, an empty data directory.

#![allow(
    dead_code,
    unused_imports,
    reason = "each file of tests uses what it needs"
)]

mod answers;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use self::answers::{booking, hardened, key_of, refused};

pub(crate) const PASSWORD: &str = "correct-horse-battery-staple-42";
pub(crate) const CRM_TOKEN: &str = "crm-Zk3vQ8wT1yLr5nXs9bGd7hJf2mPc4aEu";

pub(crate) struct Gateway {
    process: Child,
    pub(crate) url: String,
    /// Empty in production.
    pub(crate) api_key: String,
    /// The lines on standard output.
    pub(crate) printed: Vec<String>,
    pub(crate) data: TempDir,
    pub(crate) client: Client,
}

impl Gateway {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::launch("exec \"$0\"", |command| {
            command.envs(variables.iter().copied());
        })
    }

    /// Starts the gateway, which is `$0`, by this line of a shell, after `change` has completed the command.
    pub(crate) fn launch(line: &str, change: impl FnOnce(&mut Command)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut command = command(&data, line);
        change(&mut command);
        Self::of(command, data, "/api/quote")
    }

    /// Starts what this command starts, and reads what it prints as far as a line that holds `last`.
    pub(crate) fn of(mut command: Command, data: TempDir, last: &str) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut printed: Vec<String> = Vec::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            printed.push(line.unwrap());
            if printed.iter().any(|line| line.contains(last)) {
                break;
            }
        }
        let found = |begin: &str| {
            let mut found = printed.iter().filter_map(|line| line.strip_prefix(begin));
            found.next().map(str::to_owned)
        };
        Self {
            process,
            url: found("listening on ").expect("the line `listening on http://ADDR`"),
            api_key: found("api key: ").unwrap_or_default(),
            printed,
            data,
            client: Client::new(),
        }
    }

    /// Reads JSON with a credential.
    pub(crate) async fn json(&self, path: &str, (name, value): (&str, &str)) -> (u16, Value) {
        let request = self.client.get(self.at(path)).header(name, value);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(self.at(path)).send().await.unwrap()
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) async fn login(&self, username: &str, password: &str) -> Response {
        let body = json!({ "username": username, "password": password });
        self.client
            .post(self.at("/auth/token"))
            .json(&body)
            .send()
            .await
            .unwrap()
    }

    /// An access token of one of the demo users.
    pub(crate) async fn token(&self, username: &str) -> String {
        let response = self.login(username, PASSWORD).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = response.json().await.unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The memory that the process has in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.expect("VmRSS").parse().unwrap()
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let pid = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        wait(&mut self.process, Duration::from_secs(10))
            .expect("the gateway ends within 10 s of SIGTERM")
    }

    /// The lines of the audit trail; read it after [`terminate`](Self::terminate), which flushes it.
    pub(crate) fn trail(&self) -> Vec<Value> {
        let text = self.trail_text();
        let records = text.lines().map(serde_json::from_str::<Value>);
        records
            .map(|record| record.expect("a line of JSON"))
            .collect()
    }

    /// The text of the trail, whose last line may be half written while the gateway runs.
    pub(crate) fn trail_text(&self) -> String {
        let entries = std::fs::read_dir(self.data.path().join("audit")).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        // Names sort in the order of the records. There is a second file once the day has changed.
        files.sort();
        let texts = files.iter().map(std::fs::read_to_string);
        // A file that gets another name in between is there under it the next time.
        texts.filter_map(Result::ok).collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A gateway that is expected not to start: its exit code and what it said on standard error.
pub(crate) fn refused_start(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let data = tempfile::tempdir().unwrap();
    let mut process = command(&data, "exec \"$0\"")
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = wait(&mut process, Duration::from_secs(10)).expect("the gateway refuses to start");
    let said = std::io::read_to_string(process.stderr.take().unwrap()).unwrap();
    (status.code(), said)
}

fn command(data: &TempDir, line: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", line, env!("CARGO_BIN_EXE_gateway")])
        .env_clear()
        .env("GATEWAY_ADDR", "127.0.0.1:0")
        .env("GATEWAY_DATA_DIR", data.path())
        .env("GATEWAY_DEMO_PASSWORD", PASSWORD)
        .env("CRM_BEARER_TOKEN", CRM_TOKEN)
        .stdin(Stdio::null());
    command
}

/// Waits for a process to end by itself; one that does not within `limit` is killed.
fn wait(process: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let pid = process.id().to_string();
    let (ended, end) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let watchdog = scope.spawn(move || {
            let late = end.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                let _ = Command::new("kill").args(["-KILL", &pid]).status();
            }
            late
        });
        let status = process.wait().unwrap();
        drop(ended);
        (!watchdog.join().unwrap()).then_some(status)
    })
}
