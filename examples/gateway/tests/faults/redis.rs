//! Redis is killed, stopped, slow, partitioned, read-only, out of memory and restarted, under load.

use std::time::Duration;

use palisade_tests::proxy::{Link, Proxy};
use palisade_tests::redis::Redis;

use crate::load::{Load, NO_ANSWER, Phase};
use crate::support::Gateway;

const BUILT_IN: &str = include_str!("../../palisade.toml");

/// The durations of a fault, and of the load after it.
const FAULT: Duration = Duration::from_secs(5);
/// By then the gateway must have noticed that something is wrong, and that it is well again.
const SETTLED: Duration = Duration::from_secs(2);

/// The answers to a kind of request once the fault is noticed.
#[derive(Debug, Clone, Copy)]
enum Answers {
    /// 200 and nothing else.
    Always,
    /// 200, and 503 where Redis takes longer than the gateway waits for it, which on a busy machine it may.
    Served,
    /// 503 and nothing else.
    Refused,
    Either,
}

/// The answers of `/v1/ping`, `/api/me` and `/auth/token`.
type Expected = [Answers; 3];

/// Limits go on by themselves; nobody can say whether a token is revoked, so nobody passes; no guess goes uncounted.
const AWAY: Expected = [Answers::Always, Answers::Refused, Answers::Refused];
/// Requests that only read go on.
const READ_ONLY: Expected = [Answers::Always, Answers::Served, Answers::Refused];
/// It comes and goes.
const FLAPPING: Expected = [Answers::Always, Answers::Either, Answers::Either];

impl Answers {
    fn fit(self, phase: &Phase) -> bool {
        let known = phase.share(200) + phase.share(503);
        let fits = match self {
            Self::Always => phase.share(503) == 0.0,
            Self::Served => phase.share(200) > 0.1,
            Self::Refused => phase.share(200) == 0.0,
            Self::Either => true,
        };
        phase.total() > 0 && known > 0.999 && fits
    }
}

async fn under_load(
    name: &str,
    expected: Expected,
    break_it: impl FnOnce(&mut Redis, &Proxy),
    mend_it: impl FnOnce(&mut Redis, &Proxy),
) {
    let mut redis = Redis::start();
    let proxy = Proxy::before(redis.addr()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    // One principal asks more than an hour's worth.
    let text = BUILT_IN.replace(
        "{ preset = \"admin\" }",
        "{ name = \"admin\", limits = [{ rate = 100000, per = \"1s\", burst = 100000 }] }",
    );
    assert_ne!(text, BUILT_IN);
    std::fs::write(&file, text).unwrap();
    let gateway = Gateway::start_with(&[
        ("REDIS_URL", &format!("redis://{}", proxy.addr())),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("GATEWAY_CONFIG", file.to_str().unwrap()),
    ]);
    let token = signed_in(&gateway).await;

    let load = Load::start(&gateway, &token, 8, &["ping", "me"]);
    let begun = palisade_core::time::now();
    tokio::time::sleep(SETTLED).await;
    let broken = palisade_core::time::now();
    break_it(&mut redis, &proxy);
    tokio::time::sleep(FAULT).await;
    let mended = palisade_core::time::now();
    mend_it(&mut redis, &proxy);
    tokio::time::sleep(FAULT).await;
    let end = palisade_core::time::now();
    let seen = load.stop().await;

    assert_eq!(
        seen.count(NO_ANSWER),
        0,
        "{name}: requests without an answer"
    );
    let mut well = Vec::new();
    for (kind, expected) in ["ping", "me", "login"].into_iter().zip(expected) {
        let before = seen.phase(kind, begun, broken);
        let during = seen.phase(kind, broken, mended);
        let settled = seen.phase(kind, broken + SETTLED, mended);
        let after = seen.phase(kind, mended + SETTLED, end);
        println!(
            "{name}: {kind}: {:?}, p99 {:?} before; {:?}, p99 {:?}, longest {:?} during; {:?} after",
            before.statuses,
            before.p99,
            during.statuses,
            during.p99,
            during.longest,
            after.statuses,
        );
        assert!(
            expected.fit(&settled),
            "{name}: {kind}: {expected:?}, {settled:?}"
        );
        // Sign-ins are few, and ask Redis several times.
        if kind != "login" {
            for phase in [before, after] {
                assert!(Answers::Served.fit(&phase), "{name}: {kind}: {phase:?}");
            }
        }
        well.push(seen.first_success(kind, mended));
    }
    println!(
        "{name}: {} requests, served {well:?} after it ended",
        seen.len()
    );
    assert!(well[..2].iter().all(Option::is_some), "{name}: {well:?}");
    signed_in(&gateway).await;
}

/// A sign-in, which may take more than one attempt on a busy machine.
async fn signed_in(gateway: &Gateway) -> String {
    for _ in 0..20 {
        let answer = gateway.login("ada", crate::support::PASSWORD).await;
        if answer.status() == 200 {
            let pair: serde_json::Value = answer.json().await.unwrap();
            return pair["access_token"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("nobody is signed in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 15 seconds: cargo xtask test --full"]
async fn redis_is_killed_under_load() {
    under_load(
        "killed",
        AWAY,
        |redis, _| redis.crash(),
        |redis, _| redis.restart(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 15 seconds: cargo xtask test --full"]
async fn redis_is_stopped_under_load() {
    under_load(
        "stopped",
        AWAY,
        |redis, _| redis.hang(),
        |redis, _| redis.go_on(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 15 seconds: cargo xtask test --full"]
async fn redis_is_slow_under_load() {
    let slow = Link::Slow(Duration::from_millis(300));
    under_load(
        "slow",
        AWAY,
        |_, proxy| proxy.set(slow),
        |_, proxy| proxy.set(Link::Up),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 15 seconds: cargo xtask test --full"]
async fn redis_is_behind_a_partition_under_load() {
    under_load(
        "partitioned",
        AWAY,
        |_, proxy| proxy.set(Link::Partitioned),
        |_, proxy| proxy.set(Link::Up),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 15 seconds: cargo xtask test --full"]
async fn connections_to_redis_are_reset_under_load() {
    under_load(
        "reset",
        AWAY,
        |_, proxy| proxy.set(Link::Reset),
        |_, proxy| proxy.set(Link::Up),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 15 seconds: cargo xtask test --full"]
async fn redis_becomes_a_replica_that_takes_no_writes_under_load() {
    under_load(
        "read-only",
        READ_ONLY,
        |redis, _| {
            // Of a primary that is not there; what it has it still reads out.
            assert_eq!(redis.command(&["REPLICAOF", "127.0.0.1", "1"]), "+OK");
        },
        |redis, _| assert_eq!(redis.command(&["REPLICAOF", "NO", "ONE"]), "+OK"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 15 seconds: cargo xtask test --full"]
async fn redis_is_out_of_memory_under_load() {
    under_load(
        "out of memory",
        READ_ONLY,
        |redis, _| assert_eq!(redis.command(&["CONFIG", "SET", "maxmemory", "1"]), "+OK"),
        |redis, _| assert_eq!(redis.command(&["CONFIG", "SET", "maxmemory", "0"]), "+OK"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 15 seconds: cargo xtask test --full"]
async fn redis_is_restarted_under_load() {
    under_load(
        "restarted",
        FLAPPING,
        |redis, _| {
            redis.crash();
            redis.restart();
        },
        |redis, _| {
            redis.crash();
            redis.restart();
        },
    )
    .await;
}
