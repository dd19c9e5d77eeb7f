//! A disk on which nothing can be written any more.

use std::process::Command;
use std::time::Duration;

use crate::support::Gateway;

/// Asks whether the gateway is ready until it says so, or says no, and returns how long that took.
async fn until_readiness_is(gateway: &Gateway, wanted: u16) -> (Duration, usize) {
    let since = palisade_core::time::now();
    let mut asked = 0;
    loop {
        asked += 1;
        let status = gateway.get("/readyz").await.status();
        if status == wanted {
            return (since.elapsed(), asked);
        }
        let waited = since.elapsed();
        assert!(waited < Duration::from_secs(30), "still {status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
#[ignore = "takes 15 seconds: cargo xtask test --full"]
async fn a_full_disk_holds_nobody_up_and_costs_no_record() {
    // No file may be larger than 2 MiB, which is more than the database takes; a write beyond that fails as on a full disk.
    let line = "trap '' XFSZ; ulimit -S -f 4096; exec \"$0\"";
    let mut gateway = Gateway::launch(line, |command| {
        command.env("TRUSTED_PROXIES", "127.0.0.1");
    });
    // Records of some size, so that there need not be many.
    let path = format!("/{}", "x".repeat(2_000));
    let mut asked = 0;
    let ask = async |nth: usize| {
        let request = gateway.client.get(gateway.at(&path));
        let request = request.header("x-forwarded-for", format!("10.0.0.{}", nth % 250));
        let since = palisade_core::time::now();
        assert_eq!(request.send().await.unwrap().status(), 404);
        since.elapsed()
    };
    loop {
        for _ in 0..50 {
            ask(asked).await;
            asked += 1;
        }
        let ready = gateway.get("/readyz").await;
        asked += 1;
        if ready.status() == 503 {
            let report: serde_json::Value = ready.json().await.unwrap();
            assert_eq!(report["checks"]["audit"], "failing", "{report}");
            break;
        }
        assert!(asked < 5_000, "the disk never filled");
    }
    // The process lives, and says so.
    assert_eq!(gateway.get("/healthz").await.status(), 200);
    asked += 1;
    let mut longest = Duration::ZERO;
    for _ in 0..500 {
        longest = longest.max(ask(asked).await);
        asked += 1;
    }
    assert!(longest < Duration::from_secs(2), "{longest:?}");

    let pid = gateway.pid().to_string();
    let mended = Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited"])
        .status();
    assert!(mended.unwrap().success(), "prlimit is part of util-linux");
    let (well, probes) = until_readiness_is(&gateway, 200).await;
    asked += probes;
    assert!(gateway.terminate().success());
    let trail = gateway.trail();
    let requests = trail
        .iter()
        .filter(|record| record["event"] == "http_request");
    assert_eq!(requests.count(), asked);
    println!(
        "disk full: {asked} requests answered and recorded, longest {longest:?}; ready again after {well:?}"
    );
}
