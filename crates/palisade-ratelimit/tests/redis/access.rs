//! The rights that the user needs, the settings that the server needs, and servers that answer but cannot write.

use std::time::Duration;

use crate::logged::Logged;
use crate::server::{Server, api, limiter, multiplexed, patient};
use palisade_core::time::now;
use palisade_ratelimit::{
    Error, HOUR, Limit, Memory, Outage, Outcome, Policy, RateLimiter, Redis, burst, per_hour,
};

/// A limit of each script.
const BUCKET: Limit = Limit::token_bucket(per_hour(1), burst(5));
const WINDOW: Limit = Limit::sliding(5, HOUR);

/// As the documentation of `Redis` has it.
const COMMANDS: [&str; 8] = [
    "+evalsha", "+eval", "+time", "+get", "+set", "+incrby", "+pexpire", "+del",
];

/// A connection of a user that may use these commands, on keys of the prefix.
async fn user(server: &Server, commands: &[&str]) -> Redis {
    let mut rules = vec![
        "ACL",
        "SETUSER",
        "limits",
        "reset",
        "on",
        ">secret",
        "~palisade:*",
    ];
    rules.extend(commands);
    server.command(&rules);
    let url = format!("redis://limits:secret@127.0.0.1:{}/", server.port);
    let connection = multiplexed(&redis::Client::open(url).unwrap()).await;
    Redis::new(connection).timeout(Duration::from_secs(5))
}

async fn outcome(limiter: &RateLimiter, key: &str) -> Outcome {
    limiter.check("api", key, 1).await.outcome
}

/// Asks until the answer is this, for a minute at most.
async fn until(expected: Outcome, limiter: &RateLimiter, place: &str) {
    let start = now();
    while outcome(limiter, "another").await != expected {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{expected:?}: {place}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_user_may_be_allowed_no_more_than_the_named_commands() {
    let server = Server::start();
    for limit in [BUCKET, WINDOW] {
        for lease in [1, 3] {
            let redis = user(&server, &COMMANDS).await;
            let limiter = limiter(api(limit).lease(lease), redis.remembered_refusals(0)).await;
            let charged = limiter.charge("api", "key", 1).await.unwrap();
            for _ in 0..4 {
                assert_eq!(
                    outcome(&limiter, "key").await,
                    Outcome::Allowed,
                    "{limit:?}"
                );
            }
            assert_eq!(
                outcome(&limiter, "key").await,
                Outcome::Limited,
                "{limit:?}"
            );
            charged.refund().await;
            limiter.return_leases().await;
            assert_eq!(limiter.peek("api", "key").await.outcome, Outcome::Allowed);
            limiter.reset("api", "key").await.unwrap();
            assert_eq!(limiter.peek("api", "key").await.remaining, 5, "{limit:?}");
        }
    }
}

#[tokio::test]
async fn each_of_the_named_commands_is_needed() {
    let server = Server::start();
    for command in COMMANDS {
        let rest: Vec<_> = COMMANDS
            .into_iter()
            .filter(|kept| *kept != command)
            .collect();
        let mut fails = false;
        for limit in [BUCKET, WINDOW] {
            server.command(&["FLUSHALL"]);
            server.command(&["SCRIPT", "FLUSH"]);
            let limiter = limiter(api(limit), user(&server, &rest).await).await;
            for _ in 0..2 {
                fails |= outcome(&limiter, "key").await == Outcome::StoreDown;
            }
            fails |= limiter.reset("api", "key").await.is_err();
        }
        assert!(fails, "{command}");
    }
}

#[tokio::test]
async fn a_user_without_ping_recovers() {
    for limit in [BUCKET, WINDOW] {
        let server = Server::start();
        let redis = user(&server, &COMMANDS).await;
        let limiter = limiter(api(limit), redis.clone()).await;
        server.command(&["REPLICAOF", "127.0.0.1", "1"]);
        while !redis.is_down() {
            assert_eq!(outcome(&limiter, "key").await, Outcome::StoreDown);
        }
        server.command(&["REPLICAOF", "NO", "ONE"]);
        until(Outcome::Allowed, &limiter, "it takes writes again").await;
    }
}

fn falling_back(limit: Limit, grace: Duration) -> Policy {
    api(limit).on_outage(Outage::LocalFallback { grace })
}

#[tokio::test]
async fn missing_rights_end_with_the_grace() {
    let server = Server::start();
    for (limit, missing) in [
        (BUCKET, "+evalsha"),
        (BUCKET, "+get"),
        (BUCKET, "+set"),
        (WINDOW, "+time"),
        (WINDOW, "+set"),
    ] {
        server.command(&["FLUSHALL"]);
        let rest: Vec<_> = COMMANDS
            .into_iter()
            .filter(|kept| *kept != missing)
            .collect();
        let grace = Duration::from_millis(700);
        let limiter = limiter(falling_back(limit, grace), user(&server, &rest).await).await;
        let start = now();
        assert_eq!(
            outcome(&limiter, "key").await,
            Outcome::Allowed,
            "{missing}"
        );
        until(Outcome::StoreDown, &limiter, missing).await;
        assert!(start.elapsed() >= grace, "{missing}");
        user(&server, &COMMANDS).await;
        until(
            Outcome::Limited,
            &limiter,
            "the user may do everything again",
        )
        .await;
    }
}

/// A replica answers as ever where nothing is written: that must not pass for health.
#[tokio::test]
async fn a_server_that_reads_and_cannot_write_ends_with_the_grace() {
    for limit in [BUCKET, WINDOW] {
        let server = Server::start();
        let redis = patient(&server).await.remembered_refusals(0);
        let grace = Duration::from_millis(700);
        let limiter = limiter(falling_back(limit, grace), redis).await;
        let spent = async || limiter.check("api", "spent", 5).await.outcome;
        assert_eq!(spent().await, Outcome::Allowed);
        assert_eq!(spent().await, Outcome::Limited);
        server.command(&["REPLICAOF", "127.0.0.1", "1"]);
        let start = now();
        while outcome(&limiter, "key").await != Outcome::StoreDown {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the grace has no end"
            );
            let _ = spent().await;
            let _ = limiter.peek("api", "spent").await;
            let _ = limiter.check("api", "spent", 0).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.command(&["REPLICAOF", "NO", "ONE"]);
        until(Outcome::Allowed, &limiter, "it takes writes again").await;
    }
}

/// One answer that was late says nothing about a Redis that refuses everybody since.
#[tokio::test]
async fn a_failure_is_forgotten_by_a_probe_where_nothing_fits() {
    let server = Server::start();
    let redis = patient(&server).await.remembered_refusals(0);
    let grace = Duration::from_millis(300);
    let limiter = limiter(falling_back(WINDOW, grace), redis.clone()).await;
    assert_eq!(
        limiter.check("api", "spent", 5).await.outcome,
        Outcome::Allowed
    );
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(
        outcome(&limiter, "key").await,
        Outcome::Allowed,
        "counted here"
    );
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    let start = now();
    while start.elapsed() < Duration::from_secs(1) {
        assert_eq!(outcome(&limiter, "spent").await, Outcome::Limited);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(
        outcome(&limiter, "key").await,
        Outcome::Allowed,
        "the grace begins anew"
    );
}

#[tokio::test]
async fn during_an_outage_a_peek_answers_as_a_check_would() {
    for (outage, expected) in [
        (Outage::Deny, [Outcome::StoreDown; 2]),
        (Outage::Allow, [Outcome::Allowed; 2]),
        (Outage::default(), [Outcome::Allowed, Outcome::Limited]),
        (
            Outage::LocalFallback {
                grace: Duration::ZERO,
            },
            [Outcome::StoreDown; 2],
        ),
    ] {
        let mut server = Server::start();
        let limiter = limiter(api(WINDOW).on_outage(outage), patient(&server).await).await;
        server.kill();
        for (cost, expected) in [4, 1].into_iter().zip(expected) {
            let _ = limiter.check("api", "key", cost).await;
            let peeked = limiter.peek("api", "key").await;
            assert_eq!(peeked.outcome, expected, "{outage:?}");
        }
    }
}

const EVICTING: [&str; 4] = ["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"];

#[tokio::test]
async fn a_server_that_is_not_set_up_for_limits_is_told_of() {
    let server = Server::start();
    assert_eq!(patient(&server).await.check_server().await, Ok(()));
    let mut without_info = COMMANDS.to_vec();
    let unknown = user(&server, &without_info).await.check_server().await;
    assert!(matches!(unknown, Err(Error::Store(_))), "{unknown:?}");
    without_info.push("+info");
    assert_eq!(
        user(&server, &without_info).await.check_server().await,
        Ok(())
    );
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let replica = patient(&server).await.check_server().await.unwrap_err();
    assert!(
        replica.to_string().contains("store.role: is a replica"),
        "{replica}"
    );

    let evicting = Server::start_with(&EVICTING);
    let error = patient(&evicting)
        .await
        .check_server()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("store.maxmemory-policy: is allkeys-lru"),
        "{error}"
    );
}

#[tokio::test]
async fn the_first_layer_looks_at_the_server_once() {
    let logged = Logged::default();
    let _listening = logged.listen();
    let evicting = Server::start_with(&EVICTING);
    let redis = patient(&evicting).await;
    for _ in 0..3 {
        let limiter = limiter(api(WINDOW), redis.clone()).await;
        assert_eq!(outcome(&limiter, "key").await, Outcome::Allowed);
    }
    let start = now();
    while logged.is_empty() && start.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let lines = logged.take();
    assert_eq!(lines.len(), 2, "a message and what it is about: {lines:?}");
    assert!(
        lines.iter().any(|line| line.contains("allkeys-lru")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn what_redis_does_not_count_lies_in_a_memory_of_ones_own() {
    let mut server = Server::start();
    let memory = Memory::with_capacity(1_000);
    let redis = patient(&server).await.local(memory.clone());
    let limiter = limiter(api(WINDOW).on_outage(Outage::default()), redis).await;
    assert_eq!(outcome(&limiter, "key").await, Outcome::Allowed);
    assert_eq!(memory.live_keys(), 0);
    server.kill();
    for key in ["one", "another"] {
        assert_eq!(outcome(&limiter, key).await, Outcome::Allowed);
    }
    assert_eq!(memory.live_keys(), 2);
}

#[cfg(feature = "serde")]
#[tokio::test]
async fn a_file_says_what_an_outage_means_and_how_much_is_leased() {
    let mut server = Server::start();
    let config: palisade_ratelimit::RateLimitConfig = serde_json::from_str(
        r#"{ "policies": [
            { "name": "deny", "limits": [{ "quota": 9, "window": "1h" }], "outage": "deny", "lease": 4 },
            { "preset": "login", "outage": "allow" },
            { "name": "local", "limits": [{ "quota": 1, "window": "1h" }], "outage": "local" },
            { "name": "over", "limits": [{ "quota": 1, "window": "1h" }], "outage": "local:0s" }
        ] }"#,
    )
    .unwrap();
    let redis = patient(&server).await;
    let limiter = config
        .builder()
        .unwrap()
        .store(redis)
        .build()
        .unwrap()
        .limiter();
    let check = async |policy| limiter.check(policy, "key", 1).await.outcome;
    assert_eq!(check("deny").await, Outcome::Allowed);
    server.kill();
    for expected in [
        Outcome::Allowed,
        Outcome::Allowed,
        Outcome::Allowed,
        Outcome::StoreDown,
    ] {
        assert_eq!(check("deny").await, expected, "three of the four are left");
    }
    assert_eq!(check("login").await, Outcome::Allowed);
    assert_eq!(check("local").await, Outcome::Allowed);
    assert_eq!(check("local").await, Outcome::Limited);
    assert_eq!(check("over").await, Outcome::StoreDown);

    let wrong = r#"{ "policies": [{ "preset": "login", "outage": "local:soon" }] }"#;
    let config: palisade_ratelimit::RateLimitConfig = serde_json::from_str(wrong).unwrap();
    let error = config.builder().unwrap_err().to_string();
    assert!(
        error.contains("policies[0].outage: \"local:soon\" is not"),
        "{error}"
    );
}
