//! Units that are taken in advance: they save round trips, and admit nobody more, whatever dies or comes late.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::server::{Server, api, at_leisure, limiter, multiplexed, patient};
use crate::through::Through;
use palisade_ratelimit::{HOUR, Limit, Redis, burst, per_hour, per_second};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, RedisFuture, Value};

#[tokio::test]
async fn tokens_of_a_lease_that_are_given_back_make_no_second_burst() {
    let server = Server::start();
    let policy = api(Limit::token_bucket(per_second(4), burst(8))).lease(8);
    let limiter = limiter(policy, patient(&server).await).await;
    for _ in 0..4 {
        let charge = limiter.charge("api", "key", 1).await.unwrap();
        charge.refund().await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (mut passed, began) = (0, palisade_core::time::now());
    for _ in 0..40 {
        passed += u32::from(limiter.check("api", "key", 1).await.is_allowed());
    }
    let refilled = (4.0 * began.elapsed().as_secs_f64()) as u32;
    assert!(passed <= 8 + refilled + 1, "{passed} at once");
}

#[tokio::test]
async fn what_is_given_back_to_a_lease_can_be_spent_again() {
    let server = Server::start();
    let policy = api(Limit::token_bucket(per_hour(1), burst(8))).lease(8);
    let limiter = limiter(policy, patient(&server).await).await;
    for attempt in 0..40 {
        let charge = limiter.charge("api", "key", 1).await;
        assert!(charge.is_ok(), "attempt {attempt}");
        charge.unwrap().refund().await;
    }
    // The bucket lacks eight by Redis's clock, and a little less by one that may run slower.
    for _ in 0..7 {
        assert!(limiter.check("api", "key", 1).await.is_allowed());
    }
    assert!(!limiter.check("api", "key", 1).await.is_allowed());
}

#[tokio::test]
async fn leases_admit_no_more_than_the_limit_and_are_returned() {
    let server = Server::start();
    for limit in [
        Limit::fixed(1_000, HOUR),
        Limit::sliding(1_000, HOUR),
        Limit::token_bucket(per_hour(1), burst(1_000)),
    ] {
        server.command(&["FLUSHALL"]);
        let policy = || api(limit).lease(50);
        let instances = [
            limiter(policy(), patient(&server).await).await,
            limiter(policy(), patient(&server).await).await,
            limiter(policy(), patient(&server).await).await,
        ];
        let mut passed = 0;
        for request in 0..400 {
            passed += usize::from(
                instances[request % 3]
                    .check("api", "key", 1)
                    .await
                    .is_allowed(),
            );
        }
        assert_eq!(passed, 400, "{limit:?}");
        for instance in &instances {
            instance.return_leases().await;
        }
        assert_eq!(
            instances[0].peek("api", "key").await.remaining,
            600,
            "what was not spent came back, {limit:?}"
        );
        for request in 0..2_000 {
            passed += usize::from(
                instances[request % 3]
                    .check("api", "key", 1)
                    .await
                    .is_allowed(),
            );
        }
        // The last lease that does not fit is asked for again as a single unit, so that nothing stays unused.
        assert_eq!(passed, 1_000, "{limit:?}");
    }
}

#[tokio::test]
async fn a_lease_saves_round_trips() {
    let server = Server::start();
    let limiter = limiter(
        api(Limit::fixed(1_000_000, HOUR)).lease(100),
        patient(&server).await,
    )
    .await;
    let calls = || {
        let redis::Value::BulkString(text) = server.command(&["INFO", "commandstats"]) else {
            panic!()
        };
        let text = String::from_utf8(text).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("cmdstat_set:"))
            .unwrap_or("cmdstat_set:calls=0,");
        line.trim_start_matches("cmdstat_set:calls=")
            .split(',')
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    for _ in 0..5_000 {
        assert!(limiter.check("api", "key", 1).await.is_allowed());
    }
    assert_eq!(calls(), 50);
}

const LATE: Duration = Duration::from_millis(400);

/// Answers late.
fn slow(mut connection: MultiplexedConnection, command: Cmd) -> RedisFuture<'static, Value> {
    Box::pin(async move {
        let answer = connection.req_packed_command(&command).await;
        tokio::time::sleep(LATE).await;
        answer
    })
}

/// Redis refills from the moment of the charge, and a window ends when it does, however late the answer comes.
#[tokio::test]
async fn a_lease_that_comes_late_is_worth_less() {
    for (limit, most) in [
        // One in 10 ms: of the 50 that were taken 40 are back in Redis when the answer comes.
        (Limit::token_bucket(per_second(100), burst(100)), 10),
        // Its window is over by then.
        (Limit::fixed(100, LATE), 0),
    ] {
        let mut server = Server::start();
        let connection = multiplexed(&server.client()).await;
        let send = slow;
        let redis = Redis::new(Through { connection, send }).timeout(Duration::from_secs(20));
        let limiter = limiter(api(limit).lease(50), redis).await;
        assert!(limiter.check("api", "key", 1).await.is_allowed());
        server.kill();
        let mut spent = 0;
        while limiter.check("api", "key", 1).await.is_allowed() {
            spent += 1;
        }
        assert!(spent <= most, "{spent}, {limit:?}");
    }
}

/// Runs in a process of its own, which the test below starts and which does not end well.
#[tokio::test]
async fn one_that_dies_with_a_lease() {
    let Ok(port) = std::env::var("PALISADE_TEST_DYING_REDIS_PORT") else {
        return;
    };
    let redis = at_leisure(port.parse().unwrap()).await;
    let limiter = limiter(api(Limit::fixed(1_000, HOUR)).lease(50), redis).await;
    for _ in 0..60 {
        assert!(limiter.check("api", "key", 1).await.is_allowed());
    }
    std::process::abort();
}

#[tokio::test]
async fn what_a_process_held_when_it_died_is_lost_and_no_more() {
    let server = Server::start();
    let program = std::env::current_exe().unwrap();
    let died = Command::new(&program)
        .args(["leases::one_that_dies_with_a_lease", "--exact"])
        .env("PALISADE_TEST_DYING_REDIS_PORT", server.port.to_string())
        .output()
        .unwrap();
    assert!(!died.status.success(), "{died:?}");
    let policy = api(Limit::fixed(1_000, HOUR)).lease(50);
    let limiter = limiter(policy, patient(&server).await).await;
    let mut passed = 0;
    for _ in 0..2_000 {
        passed += usize::from(limiter.check("api", "key", 1).await.is_allowed());
    }
    assert_eq!(
        passed, 900,
        "two leases of 50 were taken, and 60 of the 100 were spent"
    );
}

/// A Redis that writes down what it has before it answers forgets nothing when it is killed.
#[tokio::test]
async fn a_redis_that_is_killed_under_load_admits_nobody_more_whatever_lies_in_leases() {
    const QUOTA: usize = 3_000;
    for limit in [
        Limit::fixed(QUOTA as u32, HOUR),
        Limit::token_bucket(per_hour(1), burst(QUOTA as u32)),
    ] {
        let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
        let stop = Arc::new(AtomicBool::new(false));
        let mut instances = Vec::new();
        for _ in 0..3 {
            let policy = api(limit).lease(20);
            let limiter = limiter(policy, Redis::new(server.connection().await)).await;
            let stop = Arc::clone(&stop);
            instances.push(tokio::spawn(async move {
                let mut passed = 0;
                while !stop.load(Ordering::Relaxed) {
                    passed += usize::from(limiter.check("api", "key", 1).await.is_allowed());
                    tokio::task::yield_now().await;
                }
                passed
            }));
        }
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            server.kill();
            server.restart();
        }
        // What is left goes while nothing fails.
        let last = limiter(api(limit), patient(&server).await).await;
        let mut passed = 0;
        while last.check("api", "key", 1).await.is_allowed() {
            passed += 1;
            assert!(passed <= QUOTA, "the quota has no end, {limit:?}");
        }
        stop.store(true, Ordering::Relaxed);
        for instance in instances {
            passed += instance.await.unwrap();
        }
        assert!(passed <= QUOTA, "{passed} of {QUOTA}, {limit:?}");
    }
}
