//! The example, run as a newcomer runs it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use palisade_tests::servers::request;

struct Running {
    process: Child,
    addr: SocketAddr,
}

impl Running {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_axum-minimal"))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let output = process.stdout.take().expect("its output");
        let line = BufReader::new(output)
            .lines()
            .next()
            .expect("a line")
            .expect("text");
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

#[tokio::test]
async fn the_shortest_stack_answers_with_ids_headers_and_a_limit() {
    let server = Running::start();
    let hello = request(server.addr, "GET", "/", &[]).await;
    assert_eq!((hello.status, hello.body.as_str()), (200, "hello"));
    // The headers that the README promises.
    let readme = include_str!("../README.md");
    let row = readme.lines().find(|line| line.starts_with("| `GET /` |"));
    let promised = row
        .expect("its row")
        .split('|')
        .nth(3)
        .expect("its headers");
    let headers: Vec<&str> = promised.split('`').skip(1).step_by(2).collect();
    assert!(headers.contains(&"x-request-id"), "{headers:?}");
    for header in headers {
        let header = format!("\n{header}: ");
        assert!(
            hello.head.contains(&header),
            "{header} is missing: {hello:?}"
        );
    }
    let nowhere = request(server.addr, "GET", "/nowhere", &[]).await;
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.body.contains("NOT_FOUND"), "{nowhere:?}");

    // A burst of 20 and 10 a second: of 200 at once, most are too many.
    let mut refused = 0;
    for _ in 0..200 {
        refused += usize::from(request(server.addr, "GET", "/", &[]).await.status == 429);
    }
    assert!(refused > 50, "{refused} of 200 were refused");
}
