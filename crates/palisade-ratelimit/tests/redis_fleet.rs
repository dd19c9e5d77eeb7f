//! Limits in Redis where things go wrong, and where many count together.

#[path = "support/redis.rs"]
mod server;
mod support;

use std::collections::HashSet;
use std::process::Command;
use std::time::Duration;

use palisade_ratelimit::{HOUR, Headers, Limit, Outage, Policy, Redis, burst, per_hour};
use server::{Server, api, in_redis, limiter, patient};
use support::*;

const A: &str = "203.0.113.7";

#[tokio::test]
async fn each_policy_says_what_happens_while_redis_is_down() {
    let mut server = Server::start();
    let service = |outage, redis| {
        let policy = api(Limit::fixed(3, HOUR)).on_outage(outage);
        serve(&in_redis(policy, redis).build().unwrap())
    };
    let redis = || async { Redis::new(server.connection().await) };
    let denying = service(Outage::Deny, redis().await);
    let allowing = service(Outage::Allow, redis().await);
    let counting = service(Outage::default(), redis().await);
    let graceless = service(
        Outage::LocalFallback {
            grace: Duration::ZERO,
        },
        redis().await,
    );
    let login = serve(&in_redis(Policy::login(), redis().await).build().unwrap());
    server.kill();
    assert_eq!(status(&denying, from(A)).await, 503);
    assert_eq!(passed(&allowing, 9, || from(A)).await, 9);
    assert_eq!(passed(&counting, 9, || from(A)).await, 3);
    assert_eq!(status(&graceless, from(A)).await, 503);
    assert_eq!(
        status(&login, from(A)).await,
        503,
        "sign-ins must not go uncounted"
    );
}

#[tokio::test]
async fn a_stopped_redis_costs_microseconds_and_is_back_within_a_second() {
    let server = Server::start();
    let redis = Redis::new(server.connection().await);
    let policy = api(Limit::fixed(1_000_000, HOUR)).on_outage(Outage::default());
    let limiter = limiter(policy, redis.clone()).await;
    assert!(limiter.check("api", "key", 1).await.is_allowed());
    server.signal("STOP");
    let mut slow = 0;
    let mut fastest = Duration::MAX;
    for _ in 0..50 {
        let start = palisade_core::time::now();
        assert!(
            limiter.check("api", "key", 1).await.is_allowed(),
            "counted here meanwhile"
        );
        let took = start.elapsed();
        fastest = fastest.min(took);
        slow += usize::from(took > Duration::from_millis(20));
    }
    assert!(slow <= 3, "{slow} of 50 waited for the timeout");
    assert!(fastest <= Duration::from_micros(50), "{fastest:?}");
    assert!(redis.is_down());
    server.signal("CONT");
    let start = palisade_core::time::now();
    while redis.is_down() {
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "not back within a second"
        );
        let _ = limiter.check("api", "key", 1).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_redis_that_was_killed_and_restarted_is_used_again() {
    let mut server = Server::start();
    let redis = Redis::new(server.connection().await);
    let policy = api(Limit::fixed(1_000_000, HOUR)).on_outage(Outage::default());
    let limiter = limiter(policy, redis.clone()).await;
    for _ in 0..3 {
        assert!(limiter.check("api", "key", 1).await.is_allowed());
        server.kill();
        for _ in 0..20 {
            assert!(limiter.check("api", "key", 1).await.is_allowed());
        }
        server.restart();
        let start = palisade_core::time::now();
        while server.keys().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(5), "not back in use");
            assert!(limiter.check("api", "key", 1).await.is_allowed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
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

#[tokio::test]
async fn parallel_requests_of_one_key_admit_exactly_the_quota() {
    let server = Server::start();
    let layer = in_redis(api(Limit::fixed(100, HOUR)), patient(&server).await)
        .headers(Headers::Off)
        .build()
        .unwrap();
    let service = serve(&layer);
    let calls: Vec<_> = (0..300)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { status(&service, from(A)).await })
        })
        .collect();
    let mut passed = 0;
    for call in calls {
        passed += usize::from(call.await.unwrap() == 200);
    }
    assert_eq!(passed, 100);
}

/// Runs in a process of its own, which the test below starts.
#[tokio::test]
async fn one_of_eight_processes() {
    let Ok(port) = std::env::var("PALISADE_TEST_REDIS_PORT") else {
        return;
    };
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/")).unwrap();
    let redis = Redis::new(client.get_multiplexed_async_connection().await.unwrap());
    let limiter = limiter(
        api(Limit::sliding(1_000, HOUR)),
        redis.timeout(Duration::from_secs(20)),
    )
    .await;
    let mut passed = 0;
    for _ in 0..500 {
        passed += usize::from(limiter.check("api", "shared", 1).await.is_allowed());
    }
    println!("passed={passed};");
}

#[test]
fn eight_processes_on_one_key_admit_exactly_the_quota() {
    let server = Server::start();
    let program = std::env::current_exe().unwrap();
    let processes: Vec<_> = (0..8)
        .map(|_| {
            Command::new(&program)
                .args(["one_of_eight_processes", "--exact", "--nocapture"])
                .env("PALISADE_TEST_REDIS_PORT", server.port.to_string())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let passed = processes.into_iter().map(|process| {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let count = text
            .split("passed=")
            .nth(1)
            .unwrap()
            .split(';')
            .next()
            .unwrap();
        count.parse::<u64>().unwrap()
    });
    assert_eq!(passed.sum::<u64>(), 1_000);
}

#[tokio::test]
async fn a_cluster_of_three_nodes_counts_every_key_once() {
    let nodes = [(); 3].map(|()| Server::start_with(&["--cluster-enabled", "yes"]));
    let slots = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];
    for (node, (first, last)) in nodes.iter().zip(slots) {
        node.command(&[
            "CLUSTER",
            "ADDSLOTSRANGE",
            &first.to_string(),
            &last.to_string(),
        ]);
        node.command(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string()]);
    }
    let ready = || {
        nodes.iter().all(|node| {
            let redis::Value::BulkString(text) = node.command(&["CLUSTER", "INFO"]) else {
                return false;
            };
            let text = String::from_utf8(text).unwrap();
            text.contains("cluster_state:ok") && text.contains("cluster_known_nodes:3")
        })
    };
    let start = palisade_core::time::now();
    while !ready() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "the cluster does not form"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let urls = nodes
        .iter()
        .map(|node| format!("redis://127.0.0.1:{}/", node.port));
    let client = redis::cluster::ClusterClient::new(urls.collect::<Vec<_>>()).unwrap();
    let redis =
        Redis::new(client.get_async_connection().await.unwrap()).timeout(Duration::from_secs(5));
    let policy = Policy::new("api")
        .limit(Limit::fixed(3, HOUR))
        .limit(Limit::exact(5, HOUR));
    let limiter = limiter(policy, redis).await;
    let mut used = HashSet::new();
    for key in 0..60 {
        let key = format!("key-{key}");
        let mut passed = 0;
        for _ in 0..5 {
            passed += usize::from(limiter.check("api", key.as_str(), 1).await.is_allowed());
        }
        assert_eq!(passed, 3, "{key}");
    }
    for (number, node) in nodes.iter().enumerate() {
        if !node.keys().is_empty() {
            used.insert(number);
        }
    }
    assert_eq!(used.len(), 3, "keys lie on all nodes");
}
