//! A log that nobody reads.

use std::process::Stdio;
use std::time::Duration;

use crate::support::Gateway;

#[tokio::test]
async fn a_log_that_nobody_reads_holds_nobody_up() {
    // A pipe takes 64 KiB, and each of these requests logs more than 500 bytes.
    let mut gateway = Gateway::launch("exec \"$0\"", |command| {
        command.env("RUST_LOG", "trace").stderr(Stdio::piped());
    });
    let mut longest = Duration::ZERO;
    for _ in 0..300 {
        let since = palisade_core::time::now();
        let request = gateway.client.get(gateway.at("/api/quote"));
        let answer = tokio::time::timeout(Duration::from_secs(10), request.send()).await;
        assert_eq!(answer.expect("an answer").unwrap().status(), 200);
        longest = longest.max(since.elapsed());
    }
    println!("log: the longest of 300 requests took {longest:?}");
    // The rest of the log is given up, and the trail is not.
    assert!(gateway.terminate().success());
    let trail = gateway.trail();
    let requests = trail
        .iter()
        .filter(|record| record["event"] == "http_request");
    assert_eq!(requests.count(), 300);
}
