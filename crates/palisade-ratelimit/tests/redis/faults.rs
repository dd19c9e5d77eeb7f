//! A Redis that answers, but not with what the scripts say, and limits that change while it remembers.

use std::time::Duration;

use crate::fake::FakeRedis;
use crate::recording::Recording;
use crate::server::{Server, api, in_redis, limiter, multiplexed, patient};
use palisade_core::time::now;
use palisade_ratelimit::{
    HOUR, Limit, MINUTE, Outage, Outcome, Policy, RateLimiter, Redis, burst, per_hour, per_second,
};

const ERRORS: &str = "palisade_ratelimit_store_errors_total{policy=api}";

/// A limit of each script.
const BUCKET: Limit = Limit::token_bucket(per_hour(1), burst(5));
const WINDOW: Limit = Limit::sliding(5, HOUR);

/// A limiter that refuses what it cannot count, and what it records.
fn recorded(limit: Limit, redis: Redis) -> (RateLimiter, Recording) {
    let recording = Recording::default();
    let layer =
        metrics::with_local_recorder(&recording, || in_redis(api(limit), redis).build().unwrap());
    (layer.limiter(), recording)
}

async fn outcome(limiter: &RateLimiter, key: &str) -> Outcome {
    limiter.check("api", key, 1).await.outcome
}

/// The limiter and every error that it is to count; then Redis is well again.
async fn expect_outage(limit: Limit, server: &Server, break_it: &[&[&str]], mend_it: &[&[&str]]) {
    let redis = patient(server).await;
    let (limiter, recording) = recorded(limit, redis.clone());
    assert_eq!(outcome(&limiter, "key").await, Outcome::Allowed);
    for command in break_it {
        server.command(command);
    }
    for error in 1..=3 {
        assert_eq!(
            outcome(&limiter, "key").await,
            Outcome::StoreDown,
            "{break_it:?}"
        );
        assert_eq!(recording.value(ERRORS), f64::from(error), "{break_it:?}");
    }
    assert!(
        redis.is_down(),
        "three in a row, whatever the key: {break_it:?}"
    );
    for command in mend_it {
        server.command(command);
    }
    let start = now();
    while redis.is_down() {
        assert!(start.elapsed() < Duration::from_secs(60), "{mend_it:?}");
        let _ = limiter.check("api", "key", 1).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        outcome(&limiter, "key").await,
        Outcome::Allowed,
        "{mend_it:?}"
    );
}

#[tokio::test]
async fn a_redis_without_memory_is_an_outage() {
    for limit in [BUCKET, WINDOW] {
        let server = Server::start();
        expect_outage(
            limit,
            &server,
            &[&["CONFIG", "SET", "maxmemory", "1"]],
            &[&["CONFIG", "SET", "maxmemory", "0"]],
        )
        .await;
    }
}

#[tokio::test]
async fn a_replica_that_takes_no_writes_is_an_outage() {
    for limit in [BUCKET, WINDOW] {
        let server = Server::start();
        // Of a server that is not there: this one keeps what it has, as after a failover that it has lost.
        expect_outage(
            limit,
            &server,
            &[&["REPLICAOF", "127.0.0.1", "1"]],
            &[&["REPLICAOF", "NO", "ONE"]],
        )
        .await;
    }
}

#[tokio::test]
async fn a_key_that_somebody_else_wrote_is_an_outage_for_itself_alone() {
    for limit in [BUCKET, WINDOW] {
        let server = Server::start();
        let redis = patient(&server).await;
        let (limiter, recording) = recorded(limit, redis.clone());
        assert_eq!(outcome(&limiter, "key").await, Outcome::Allowed);
        let name = server.keys().remove(0);
        for (errors, planted) in [
            (10.0, ["RPUSH", &name, "x"]),
            (20.0, ["SET", &name, "\u{c1}{]"]),
        ] {
            server.command(&["DEL", &name]);
            server.command(&planted);
            for _ in 0..10 {
                assert_eq!(
                    outcome(&limiter, "key").await,
                    Outcome::StoreDown,
                    "{planted:?}"
                );
            }
            assert_eq!(recording.value(ERRORS), errors, "{planted:?}");
            assert!(!redis.is_down(), "all other keys are well: {planted:?}");
            assert_eq!(outcome(&limiter, planted[0]).await, Outcome::Allowed);
        }
        limiter.reset("api", "key").await.unwrap();
        assert_eq!(outcome(&limiter, "key").await, Outcome::Allowed);
    }
}

/// An answer that no script of this crate gives.
fn nonsense() -> Vec<Vec<u8>> {
    let packed = |bytes: &[u8]| {
        let mut answer = format!("${}\r\n", bytes.len()).into_bytes();
        answer.extend_from_slice(bytes);
        answer.extend_from_slice(b"\r\n");
        answer
    };
    let numbers = |head: &[u8], numbers: &[f64]| {
        let doubles = numbers.iter().flat_map(|number| number.to_le_bytes());
        packed(&head.iter().copied().chain(doubles).collect::<Vec<u8>>())
    };
    let texts: [&[u8]; 12] = [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MASTERDOWN Link with MASTER is down\r\n",
        b"-ERR unknown command 'EVALSHA'\r\n",
        b"-NOSCRIPT No matching script.\r\n",
        b"-\r\n",
        b"+OK\r\n",
        b":0\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"*0\r\n",
        b"*2\r\n-ERR no\r\n:1\r\n",
        b"?!\r\n",
    ];
    let mut all: Vec<_> = texts.map(<[u8]>::to_vec).into();
    all.extend([
        // Too short, and too long, for either script.
        numbers(&[0], &[1.0]),
        numbers(&[0, 1], &[4.0, 1.0]),
        packed(&[0; 7]),
        numbers(&[0, 1], &[4.0, 1.0, 1e15, 1.0, 1.0, 1.0]),
        // No code, and no limit, of ours.
        numbers(&[9], &[1.0, 1e15]),
        numbers(&[9, 1], &[4.0, 1.0, 1e15]),
        numbers(&[0, 0], &[4.0, 1.0, 1e15]),
        numbers(&[0, 7], &[4.0, 1.0, 1e15]),
        // No numbers.
        numbers(&[0], &[f64::NAN, 1e15]),
        numbers(&[1], &[f64::INFINITY, 1e15]),
        numbers(&[0, 1], &[4.0, f64::NAN, 1e15]),
        numbers(&[1, 1], &[4.0, 1.0, 1e15, f64::NEG_INFINITY]),
    ]);
    all
}

#[tokio::test]
async fn what_no_script_answers_is_an_outage() {
    for limit in [BUCKET, WINDOW] {
        for answer in nonsense() {
            let fake = FakeRedis::answering(answer.clone()).await;
            let connection = multiplexed(&fake.client()).await;
            let redis = Redis::new(connection).timeout(Duration::from_secs(5));
            let (limiter, recording) = recorded(limit, redis);
            let place = format!("{limit:?} {:?}", String::from_utf8_lossy(&answer));
            assert_eq!(
                outcome(&limiter, "key").await,
                Outcome::StoreDown,
                "{place}"
            );
            assert_eq!(recording.value(ERRORS), 1.0, "{place}");
        }
    }
}

/// The figures of the scripts as they are, so that the fake is known to be understood.
#[tokio::test]
async fn what_a_script_answers_is_no_outage() {
    for (limit, head, numbers) in [
        // The bucket of one token an hour: two hours of debt in nanoseconds.
        (BUCKET, vec![0], vec![2.0 * 3_600e9, 1.8e15]),
        (WINDOW, vec![0, 1], vec![3.0, 3_600e9, 1.8e15]),
    ] {
        let mut answer = format!("${}\r\n", head.len() + 8 * numbers.len()).into_bytes();
        answer.extend(head);
        answer.extend(numbers.iter().flat_map(|number: &f64| number.to_le_bytes()));
        answer.extend(b"\r\n");
        let fake = FakeRedis::answering(answer).await;
        let connection = multiplexed(&fake.client()).await;
        let (limiter, recording) = recorded(
            limit,
            Redis::new(connection).timeout(Duration::from_secs(5)),
        );
        let decision = limiter.check("api", "key", 1).await;
        assert_eq!(
            (decision.outcome, decision.remaining),
            (Outcome::Allowed, 3)
        );
        assert_eq!(recording.value(ERRORS), 0.0);
    }
}

#[tokio::test]
async fn a_policy_that_changes_does_not_read_the_states_of_another() {
    let server = Server::start();
    let limits = [
        Limit::sliding(2, MINUTE),
        // Its steps are sixty times as long: those of the minute would lie in the far future.
        Limit::sliding(2, HOUR),
        Limit::fixed(2, HOUR),
        Limit::exact(2, HOUR),
        Limit::token_bucket(per_hour(1), burst(2)),
    ];
    for limit in limits {
        let limiter = limiter(api(limit), patient(&server).await).await;
        for expected in [Outcome::Allowed, Outcome::Allowed, Outcome::Limited] {
            assert_eq!(outcome(&limiter, "key").await, expected, "{limit:?}");
        }
    }
    // More of the same shape counts on.
    let limiter = limiter(api(Limit::sliding(3, HOUR)), patient(&server).await).await;
    assert_eq!(limiter.peek("api", "key").await.remaining, 1);
}

#[tokio::test]
async fn an_outage_lasts_since_the_first_failure_and_not_since_the_last_answer() {
    let mut server = Server::start();
    let grace = Duration::from_millis(400);
    let policy = Policy::new("api")
        .limit(Limit::fixed(1_000_000, HOUR))
        .on_outage(Outage::LocalFallback { grace });
    let limiter = limiter(policy, patient(&server).await).await;
    assert_eq!(outcome(&limiter, "key").await, Outcome::Allowed);
    server.kill();
    // Nobody asks for longer than the grace.
    tokio::time::sleep(grace * 2).await;
    let start = now();
    assert_eq!(
        outcome(&limiter, "key").await,
        Outcome::Allowed,
        "it has only begun"
    );
    while outcome(&limiter, "key").await == Outcome::Allowed {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the grace has no end"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(start.elapsed() >= grace);
}

/// A request that Redis did not answer in time was decided by the policy. If Redis carries it out after all it
/// is charged there, and once: nothing is sent a second time.
#[tokio::test]
async fn what_redis_carries_out_after_the_timeout_is_charged_once() {
    for limit in [
        Limit::token_bucket(per_hour(1), burst(100)),
        Limit::fixed(100, HOUR),
    ] {
        let server = Server::start();
        let redis = Redis::new(server.connection().await).timeout(Duration::from_millis(25));
        let (limiter, recording) = recorded(limit, redis.clone());
        while limiter.peek("api", "key").await.remaining != 100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server.signal("STOP");
        for _ in 0..20 {
            assert_eq!(outcome(&limiter, "key").await, Outcome::StoreDown);
        }
        let asked = recording.value(ERRORS);
        assert!((1.0..=3.0).contains(&asked), "{asked}");
        server.signal("CONT");
        let start = now();
        let charged = loop {
            assert!(start.elapsed() < Duration::from_secs(60), "not back");
            let _ = outcome(&limiter, "another").await;
            let seen = limiter.peek("api", "key").await;
            if seen.outcome == Outcome::Allowed {
                break 100 - seen.remaining;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        // Peeks come behind what was asked before.
        assert!(charged as f64 <= asked, "{charged} of {asked}");
        assert!(charged > 0, "it was carried out");
    }
}

#[tokio::test]
async fn a_server_that_answers_and_decides_nothing_does_not_renew_the_grace() {
    let server = Server::start();
    let grace = Duration::from_millis(1_500);
    let plenty = Limit::token_bucket(per_second(10_000), burst(10_000));
    let policy = api(plenty).on_outage(Outage::LocalFallback { grace });
    let limiter = limiter(policy, patient(&server).await).await;
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    for _ in 0..60 {
        let _ = limiter.check("api", "key", 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(outcome(&limiter, "key").await, Outcome::StoreDown);
    server.command(&["REPLICAOF", "NO", "ONE"]);
    let start = now();
    while outcome(&limiter, "key").await != Outcome::Allowed {
        assert!(start.elapsed() < Duration::from_secs(60), "not back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
