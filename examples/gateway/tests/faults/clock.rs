//! A wall clock that jumps, as after a correction or a suspended machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Gateway, PASSWORD};

/// A library that shifts wall time, built by the C compiler that every Rust program is linked with.
fn shifter() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shift_clock.c");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shift_clock.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "a C compiler is needed, as `cc`; `apt-get install gcc` installs one"
    );
    library
}

async fn me(gateway: &Gateway, token: &str) -> u16 {
    let request = gateway.client.get(gateway.at("/api/me")).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

/// Waits until a token is answered so: a change of wall time may go unnoticed for some milliseconds.
async fn until(gateway: &Gateway, token: &str, wanted: u16) {
    let since = palisade_core::time::now();
    loop {
        let status = me(gateway, token).await;
        if status == wanted {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(5), "still {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A ping by a client that has used up its burst.
async fn greedy(gateway: &Gateway) -> Vec<u16> {
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let request = gateway.client.get(gateway.at("/v1/ping"));
        let request = request.header("x-track-id", "greedy").send();
        asked.spawn(async move { request.await.unwrap().status().as_u16() });
    }
    asked.join_all().await
}

#[tokio::test]
async fn a_clock_that_jumps_moves_no_limit_and_ends_only_what_has_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let shift = folder.path().join("shift");
    let set = |seconds: i64| {
        // Replaced as a whole, so that nobody reads half of it.
        let next = folder.path().join("next");
        std::fs::write(&next, seconds.to_string()).unwrap();
        std::fs::rename(&next, &shift).unwrap();
    };
    set(0);
    let library = shifter();
    let mut gateway = Gateway::launch("exec \"$0\"", |command| {
        command
            .env("LD_PRELOAD", &library)
            .env("SHIFT_CLOCK", &shift);
    });
    let now = gateway.token("alice").await;
    assert_eq!(me(&gateway, &now).await, 200);

    // An hour ahead: what expired has expired, and who signs in now is known.
    set(3_600);
    until(&gateway, &now, 401).await;
    let ahead = gateway.token("alice").await;
    assert_eq!(me(&gateway, &ahead).await, 200);
    let unseen = gateway.token("rita").await;
    assert_eq!(gateway.get("/readyz").await.status(), 200);

    // Two hours back: a token of the future that nobody has verified before is not believed.
    set(-3_600);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(me(&gateway, &unseen).await, 401);
    assert_eq!(me(&gateway, &now).await, 401);
    let behind = gateway.token("alice").await;
    assert_eq!(me(&gateway, &behind).await, 200);

    // Nobody's bucket is filled by a clock that is set: 20 at once and 10 a second by the monotonic clock.
    set(0);
    let since = palisade_core::time::now();
    let mut passed = 0;
    for hour in 1..4 {
        let statuses = greedy(&gateway).await;
        passed += statuses.iter().filter(|status| **status == 200).count();
        set(hour * 3_600);
    }
    let most = 20.0 + 10.0 * since.elapsed().as_secs_f64() + 1.0;
    assert!(
        passed >= 20 && (passed as f64) <= most,
        "{passed} passed, at most {most}"
    );

    // Back where it was: what was good is good again.
    set(0);
    until(&gateway, &now, 200).await;
    assert!(gateway.login("alice", PASSWORD).await.status().is_success());
    assert!(gateway.terminate().success());
    // In the order in which they came, whatever the time on them.
    let trail = gateway.trail();
    let numbers: Vec<u64> = trail
        .iter()
        .filter_map(|record: &Value| record["seq"].as_u64())
        .collect();
    let first = numbers[0];
    let expected: Vec<u64> = (first..first + numbers.len() as u64).collect();
    assert_eq!(numbers, expected);
}
