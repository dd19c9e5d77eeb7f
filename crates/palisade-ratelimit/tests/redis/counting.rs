//! Limits in Redis, against servers that the tests start for themselves.

use std::time::Duration;

use crate::clock::SetClock;
use crate::server::{Server, api, in_redis, limiter, patient};
use crate::support::*;
use palisade_ratelimit::{
    DAY, HOUR, Key, KeyChain, Limit, MINUTE, Outage, Outcome, Policy, Redis, SECOND, burst,
    per_hour, per_minute, per_second,
};
use redis::{Cmd, Value};

const A: &str = "203.0.113.7";

#[tokio::test]
async fn requests_are_counted_in_redis_with_all_headers() {
    let server = Server::start();
    let service = serve(
        &in_redis(api(Limit::fixed(3, HOUR)), patient(&server).await)
            .build()
            .unwrap(),
    );
    let first = send(&service, from(A)).await;
    assert_eq!(first.status(), 200);
    assert_eq!(header(&first, "x-ratelimit-limit"), Some("3"));
    assert_eq!(header(&first, "x-ratelimit-remaining"), Some("2"));
    assert_eq!(
        header(&first, "ratelimit-policy"),
        Some("\"api\";q=3;w=3600")
    );
    assert_eq!(passed(&service, 9, || from(A)).await, 2);
    let refused = send(&service, from(A)).await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((3_590..=3_600).contains(&wait), "{wait}");
    assert_eq!(passed(&service, 1, || from("203.0.113.8")).await, 1);
}

#[tokio::test]
async fn the_inner_service_is_called_after_the_verdict_and_only_if_it_passes() {
    let server = Server::start();
    let handler = Handler::default();
    let layer = in_redis(api(Limit::fixed(1, HOUR)), patient(&server).await)
        .build()
        .unwrap();
    let service = tower::Layer::layer(&layer, handler.clone());
    let mut waiting = Box::pin(tower::ServiceExt::oneshot(service.clone(), from(A)));
    let first_poll = futures_poll(&mut waiting);
    assert!(first_poll.is_pending());
    assert_eq!(handler.calls(), 0, "not before Redis has answered");
    assert_eq!(waiting.await.unwrap().status(), 200);
    assert_eq!(status(&service, from(A)).await, 429);
    assert_eq!(handler.calls(), 1);
}

fn futures_poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(future).poll(&mut context)
}

#[tokio::test]
async fn several_limits_in_redis_charge_all_or_nothing() {
    let server = Server::start();
    let clock = SetClock::new();
    let policy = Policy::new("api")
        .limit(Limit::exact(1, MINUTE))
        .limit(Limit::fixed(3, DAY));
    let redis = patient(&server)
        .await
        .caller_time(clock.wall())
        .remembered_refusals(0);
    let limiter = limiter(policy, redis).await;
    for round in 0..5 {
        let mut passed = 0;
        for _ in 0..10 {
            passed += usize::from(limiter.check("api", "key", 1).await.is_allowed());
        }
        assert_eq!(passed, usize::from(round < 3), "round {round}");
        clock.advance(61_000_000);
    }
}

#[tokio::test]
async fn a_script_that_was_flushed_is_healed_in_the_same_request() {
    let server = Server::start();
    let limiter = limiter(api(Limit::fixed(3, HOUR)), patient(&server).await).await;
    for expected in [true, true, true, false] {
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(limiter.check("api", "key", 1).await.is_allowed(), expected);
    }
}

#[tokio::test]
async fn one_decision_is_one_round_trip() {
    let server = Server::start();
    let policy = (0..8).fold(Policy::new("api"), |policy, limit| {
        policy.limit(Limit::sliding(1_000 + limit, HOUR))
    });
    let redis = patient(&server).await;
    // Else the first layer would do so in the background, and be counted.
    redis.check_server().await.unwrap();
    let limiter = limiter(policy, redis).await;
    assert!(limiter.check("api", "key", 1).await.is_allowed());
    let calls = || {
        let redis::Value::BulkString(text) = server.command(&["INFO", "stats"]) else {
            panic!()
        };
        let text = String::from_utf8(text).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("total_commands_processed:"))
            .unwrap();
        line.parse::<u64>().unwrap()
    };
    let overhead = {
        let before = calls();
        calls() - before
    };
    let before = calls();
    for _ in 0..100 {
        assert!(limiter.check("api", "key", 1).await.is_allowed());
    }
    // EVALSHA, and in it TIME, GET and SET, which the server counts as well.
    assert_eq!(calls() - before - overhead, 400);
}

#[tokio::test]
async fn keys_are_digests_and_run_out() {
    let server = Server::start();
    let chain = KeyChain::new().authorization().client_ip();
    let redis = patient(&server)
        .await
        .prefix("shop")
        .digest_key(b"a secret of this test");
    let service = serve(
        &in_redis(api(Limit::fixed(3, MINUTE)), redis)
            .key(chain)
            .build()
            .unwrap(),
    );
    let start = palisade_core::time::now();
    assert_eq!(
        status(
            &service,
            with(from(A), "authorization", "Bearer top-secret")
        )
        .await,
        200
    );
    let keys = server.keys();
    assert_eq!(keys.len(), 1);
    assert!(
        keys[0].starts_with("shop:api:{") && !keys[0].contains("secret"),
        "{keys:?}"
    );
    let redis::Value::Int(ttl) = server.command(&["PTTL", &keys[0]]) else {
        panic!()
    };
    let passed = start.elapsed().as_millis() as i64 + 1;
    assert!(
        (61_000 - passed..=65_750).contains(&ttl),
        "a minute, a sixteenth of it, and 1 to 2 s, not {ttl} ms"
    );
}

/// The scripts do not set the time to live on every charge. Were it ever too short, a debt would be forgotten.
#[tokio::test]
async fn a_key_lives_until_its_limits_are_full() {
    let server = Server::start();
    let mut connection = server.connection().await;
    let several = vec![
        Limit::token_bucket(per_second(2), burst(2_000)),
        Limit::fixed(500, Duration::from_secs(20)),
        Limit::sliding(500, Duration::from_secs(2)),
    ];
    // Each with the seconds in which it refills when nothing is left.
    for (limits, whole) in [
        (vec![Limit::token_bucket(per_second(10), burst(1_000))], 100),
        (vec![Limit::token_bucket(per_minute(1), burst(600))], 36_000),
        (vec![Limit::sliding(1_000, Duration::from_millis(160))], 1),
        (vec![Limit::exact(64, SECOND)], 1),
        (several, 1_000),
    ] {
        let (start, whole) = (palisade_core::time::now(), Duration::from_secs(whole));
        server.command(&["FLUSHALL"]);
        let policy = Policy::new("api").on_outage(Outage::Deny);
        let policy = limits
            .iter()
            .fold(policy, |policy, limit| policy.limit(*limit));
        let limiter = limiter(policy, patient(&server).await).await;
        for charge in 0..400 {
            let decision = limiter.check("api", "key", 1).await;
            let full_at = palisade_core::time::now() + decision.reset_after;
            let mut ask =
                async |command: &mut Cmd| command.query_async(&mut connection).await.unwrap();
            let key: Value = ask(redis::cmd("KEYS").arg("*")).await;
            let key: Vec<String> = redis::from_redis_value(key).unwrap();
            let Value::Int(alive) = ask(redis::cmd("PTTL").arg(&key)).await else {
                panic!()
            };
            let alive = Duration::from_millis(alive.try_into().unwrap());
            let needed = full_at.saturating_duration_since(palisade_core::time::now());
            let place = format!("{limits:?}, charge {charge}: {alive:?} for {needed:?}");
            assert!(alive + Duration::from_millis(1) >= needed, "{place}");
            if limits.len() == 1 {
                let slack = (decision.reset_after + whole) / 16 + Duration::from_secs(3);
                assert!(alive <= decision.reset_after + slack, "{place}");
            } else {
                // The bucket is full last, and the decision speaks of another limit.
                let bucket = start + (charge + 1) * Duration::from_millis(500);
                assert!(
                    alive >= bucket.saturating_duration_since(full_at),
                    "{place}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_is_refused_does_not_ask_redis_again() {
    let mut server = Server::start();
    let limiter = limiter(Policy::login(), patient(&server).await).await;
    for _ in 0..5 {
        assert!(limiter.check("login", "alice", 1).await.is_allowed());
    }
    assert_eq!(
        limiter.check("login", "alice", 1).await.outcome,
        Outcome::Limited
    );
    server.kill();
    let again = limiter.check("login", "alice", 1).await;
    assert_eq!(again.outcome, Outcome::Limited, "answered without Redis");
    assert!(again.retry_after.unwrap() > Duration::from_secs(50));
}

#[tokio::test]
async fn operators_peek_reset_and_refund() {
    let server = Server::start();
    for limit in [
        Limit::fixed(2, HOUR),
        Limit::sliding(2, HOUR),
        Limit::exact(2, HOUR),
        Limit::token_bucket(per_hour(1), burst(2)),
    ] {
        server.command(&["FLUSHALL"]);
        let limiter = limiter(api(limit), patient(&server).await).await;
        let key = Key::text("alice");
        assert_eq!(limiter.peek("api", key).await.remaining, 2);
        let first = limiter.charge("api", key, 1).await.unwrap();
        assert!(limiter.check("api", key, 1).await.is_allowed());
        assert_eq!(
            limiter.peek("api", key).await.outcome,
            Outcome::Limited,
            "{limit:?}"
        );
        first.refund().await;
        assert_eq!(limiter.peek("api", key).await.remaining, 1, "{limit:?}");
        assert!(limiter.check("api", key, 1).await.is_allowed());
        assert!(!limiter.check("api", key, 1).await.is_allowed());
        limiter.reset("api", key).await.unwrap();
        assert_eq!(limiter.peek("api", key).await.remaining, 2);
        assert!(limiter.check("api", key, 1).await.is_allowed());
    }
}

#[tokio::test]
async fn what_redis_refuses_is_given_back_to_the_address() {
    let server = Server::start();
    let layer = in_redis(api(Limit::exact(1, HOUR)), patient(&server).await)
        .key(KeyChain::new().claimed_header("x-track-id").client_ip())
        .ip_backstop(Limit::fixed(3, HOUR))
        .build()
        .unwrap();
    let service = serve(&layer);
    assert_eq!(
        passed(&service, 20, || with(from(A), "x-track-id", "one")).await,
        1
    );
    let mut rotated = 0;
    for rotation in 0..20 {
        let request = with(from(A), "x-track-id", &format!("made-up-{rotation}"));
        rotated += usize::from(status(&service, request).await == 200);
    }
    assert_eq!(
        rotated, 2,
        "19 refusals by Redis did not use up the backstop, and rotation did"
    );
    assert_eq!(
        server.keys().len(),
        3,
        "what the backstop refused did not reach Redis"
    );
}

#[tokio::test]
async fn a_debt_of_other_numbers_lasts_no_longer_than_a_bucket() {
    let server = Server::start();
    let slow = Limit::token_bucket(per_hour(5), burst(5));
    let quick = Limit::token_bucket(palisade_ratelimit::per_second(100), burst(100));
    let wide = Limit::fixed(1_000, HOUR);
    for more in [None, Some(wide)] {
        server.command(&["FLUSHALL"]);
        let with_more = |policy| more.into_iter().fold(policy, Policy::limit);
        let before = limiter(with_more(api(slow)), patient(&server).await).await;
        for _ in 0..5 {
            assert!(before.check("api", "alice", 1).await.is_allowed());
        }
        let after = limiter(with_more(api(quick)), patient(&server).await).await;
        let refused = after.check("api", "alice", 1).await;
        assert!(
            refused
                .retry_after
                .is_some_and(|wait| wait < Duration::from_secs(1))
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(after.check("api", "alice", 1).await.is_allowed());
    }
}

#[tokio::test]
async fn a_timeout_of_any_length_is_one_and_braces_are_no_prefix() {
    let server = Server::start();
    let forever = Redis::new(server.connection().await).timeout(Duration::MAX);
    let leasing = limiter(api(Limit::fixed(9, HOUR)).lease(3), forever).await;
    assert!(leasing.check("api", "alice", 1).await.is_allowed());
    let braces = patient(&server).await.prefix("app:{prod}");
    let built = in_redis(api(Limit::fixed(9, HOUR)), braces).build();
    let error = built.unwrap_err().to_string();
    assert!(error.contains("store.prefix"), "{error}");
}
