//! The program, run as the README says; with `PALISADE_BROWSER` in Chromium at a certified provider.

mod browser;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use palisade_tests::servers::request;

/// A program, until the test is over.
struct Running {
    process: Child,
    url: String,
    /// Open, so that the program may say more.
    _output: BufReader<ChildStdout>,
}

impl Running {
    /// Starts a program that says where it listens.
    fn start(program: &mut Command) -> Self {
        let mut process = program.stdout(Stdio::piped()).spawn().expect("it starts");
        let output = process.stdout.take().expect("its output");
        let mut output = BufReader::new(output);
        let lines = output.by_ref().lines().map_while(Result::ok);
        let mut named =
            lines.filter_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        let url = named.next().expect("its address");
        Self {
            process,
            url,
            _output: output,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn instances_that_share_a_redis_must_share_a_secret_too() {
    let redis = palisade_tests::redis::Redis::start();
    let mut program = Command::new(env!("CARGO_BIN_EXE_sign-in"));
    let program = program
        .env("ADDR", "127.0.0.1:0")
        .env("REDIS_URL", redis.url());
    let output = program.env_remove("COOKIE_SECRET").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("COOKIE_SECRET"),
        "{said}"
    );
}

#[tokio::test]
async fn it_starts_without_its_provider_and_signs_nobody_in() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sign-in"));
    let nowhere = [
        ("ADDR", "127.0.0.1:0"),
        ("OIDC_ISSUER", "http://127.0.0.1:1"),
    ];
    let running = Running::start(program.envs(nowhere));
    let address = running.url.strip_prefix("http://").unwrap();
    let address = address.parse().expect("an address");
    let home = request(address, "GET", "/", &[]).await;
    assert_eq!(home.status, 200);
    assert!(home.body.contains("/login?return_to="), "{home:?}");
    assert_eq!(request(address, "GET", "/me", &[]).await.status, 401);
    assert_eq!(request(address, "GET", "/login", &[]).await.status, 503);
    let forged = "/callback?state=a&code=b";
    let forged = request(address, "GET", forged, &[]).await;
    assert_eq!(forged.status, 400, "{forged:?}");
}
