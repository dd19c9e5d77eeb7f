//! The example, run against a Redis of its own.

use std::process::Command;

use palisade_tests::redis::Redis;

#[test]
fn three_processes_are_let_through_as_often_as_one_would_be() {
    let redis = Redis::start();
    let output = Command::new(env!("CARGO_BIN_EXE_redis-fleet"))
        .env("REDIS_URL", redis.url())
        .output()
        .expect("the example starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.lines().last(), Some("together: 50 of 50"), "{said}");
    let promised = "```text\ntogether: 50 of 50\n```";
    assert!(include_str!("../README.md").contains(promised));
}
