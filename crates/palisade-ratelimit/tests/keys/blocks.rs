//! Keys that are refused for a time because they were refused too often.

use std::time::Duration;

use crate::support::*;
use palisade_ratelimit::{
    HOUR, Key, KeyChain, Limit, MINUTE, Memory, Outcome, Policy, RateLimitLayer, SECOND, burst,
    per_second,
};

const A: &str = "203.0.113.7";

/// One a second; after three refusals in ten seconds nothing for a minute.
fn strict() -> Policy {
    Policy::new("strict")
        .limit(Limit::token_bucket(per_second(1), burst(1)))
        .block_after(3, 10 * SECOND, MINUTE)
}

fn layer(policy: Policy) -> RateLimitLayer {
    RateLimitLayer::builder().policy(policy).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_too_often_is_refused_for_a_time() {
    let service = serve(&layer(strict()));
    assert_eq!(passed(&service, 3, || from(A)).await, 1, "and two refusals");
    advance(1_000).await;
    assert_eq!(status(&service, from(A)).await, 200, "not yet");
    let third = send(&service, from(A)).await;
    assert_eq!(
        header(&third, "retry-after"),
        Some("1"),
        "as the limit says"
    );
    for (seconds, left) in [(0, "60"), (30, "30"), (29, "1")] {
        advance(seconds * 1_000).await;
        let blocked = send(&service, from(A)).await;
        assert_eq!(blocked.status(), 429);
        assert_eq!(header(&blocked, "retry-after"), Some(left));
        assert_eq!(header(&blocked, "x-ratelimit-remaining"), Some("0"));
    }
    assert_eq!(
        status(&service, from("203.0.113.8")).await,
        200,
        "another key"
    );
    advance(1_000).await;
    // It begins anew, with no refusal.
    assert_eq!(passed(&service, 3, || from(A)).await, 1);
    advance(1_000).await;
    assert_eq!(status(&service, from(A)).await, 200);
}

#[tokio::test(start_paused = true)]
async fn refusals_that_lie_far_apart_lead_to_nothing() {
    let service = serve(&layer(strict()));
    for _ in 0..9 {
        assert_eq!(
            passed(&service, 3, || from(A)).await,
            1,
            "two refusals in ten seconds"
        );
        advance(10_000).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_counts_for_one_block_alone() {
    let service = serve(&layer(strict().block_after(3, HOUR, 5 * SECOND)));
    assert_eq!(passed(&service, 4, || from(A)).await, 1);
    advance(5_000).await;
    for _ in 0..2 {
        assert_eq!(passed(&service, 2, || from(A)).await, 1, "and one refusal");
        advance(1_000).await;
    }
    assert_eq!(status(&service, from(A)).await, 200, "two of three");
}

#[tokio::test(start_paused = true)]
async fn operators_see_a_block_and_end_it() {
    let limiter = layer(strict()).limiter();
    for _ in 0..4 {
        let _ = limiter.check("strict", "key", 1).await;
    }
    advance(5_000).await;
    for decision in [
        limiter.peek("strict", "key").await,
        limiter.check("strict", "key", 1).await,
    ] {
        assert_eq!(decision.outcome, Outcome::Blocked);
        assert_eq!(decision.outcome.as_str(), "blocked");
        assert_eq!(decision.retry_after, Some(Duration::from_secs(55)));
        assert_eq!((decision.limit, decision.remaining), (1, 0));
    }
    limiter.reset("strict", "key").await.unwrap();
    assert!(limiter.check("strict", "key", 1).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_dear_or_refused_by_the_backstop_is_no_reason() {
    let limiter = layer(strict()).limiter();
    for _ in 0..9 {
        let expensive = limiter.check("strict", "key", 2).await;
        assert_eq!(expensive.outcome, Outcome::CostOverCapacity);
    }
    assert!(limiter.check("strict", "key", 1).await.is_allowed());
    let layer = RateLimitLayer::builder()
        .policy(strict())
        .key(KeyChain::new().claimed_header("x-track-id").client_ip())
        .ip_backstop(Limit::exact(1, MINUTE))
        .build()
        .unwrap();
    let service = serve(&layer);
    let claimed = |id: &'static str| move || with(from(A), "x-track-id", id);
    assert_eq!(passed(&service, 1, claimed("one")).await, 1);
    assert_eq!(
        passed(&service, 9, claimed("two")).await,
        0,
        "by the backstop"
    );
    let two = Key::claimed_header("x-track-id", b"two");
    assert_eq!(
        layer.limiter().peek("strict", two).await.outcome,
        Outcome::Allowed
    );
}

#[tokio::test(start_paused = true)]
async fn in_shadow_mode_nothing_is_blocked() {
    let service = serve(&layer(strict().shadow()));
    assert_eq!(passed(&service, 30, || from(A)).await, 30);
}

#[tokio::test(start_paused = true)]
async fn layers_on_one_store_block_together_and_by_the_same_numbers() {
    let memory = Memory::default();
    let build = |policy| {
        RateLimitLayer::builder()
            .policy(policy)
            .store(memory.clone())
    };
    let one = build(strict()).build().unwrap();
    let other = serve(&build(strict()).build().unwrap());
    assert_eq!(passed(&serve(&one), 4, || from(A)).await, 1);
    advance(5_000).await;
    assert_eq!(status(&other, from(A)).await, 429);
    let longer = strict().block_after(3, 10 * SECOND, HOUR);
    let error = build(longer.clone()).build().unwrap_err().to_string();
    assert!(
        error.contains("policies.strict.block_after: another layer"),
        "{error}"
    );
    assert!(build(longer).replacing(&one).build().is_ok());
}

#[test]
fn a_block_that_cannot_be_is_an_error() {
    let wrong = strict().block_after(0, Duration::ZERO, 367 * 24 * HOUR);
    let error = RateLimitLayer::builder()
        .policy(wrong)
        .build()
        .unwrap_err()
        .to_string();
    for part in [
        "policies.strict.block_after.quota: is 0",
        "policies.strict.block_after.window: is 0ns",
        "must be at most 366 days",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_file_says_when_a_key_is_blocked() {
    let config: palisade_ratelimit::RateLimitConfig = serde_json::from_str(
        r#"{ "policies": [{
            "name": "strict",
            "limits": [{ "rate": 1, "burst": 1 }],
            "block_after": { "refusals": 3, "within": "10s", "time": "1m" }
        }] }"#,
    )
    .unwrap();
    let service = serve(&config.builder().unwrap().build().unwrap());
    assert_eq!(passed(&service, 4, || from(A)).await, 1);
    advance(59_000).await;
    assert_eq!(status(&service, from(A)).await, 429);
    advance(1_000).await;
    assert_eq!(status(&service, from(A)).await, 200);
    let wrong = r#"{ "policies": [{ "preset": "login", "block_after": { "refusals": 3, "within": "soon", "time": "1m" } }] }"#;
    let config: palisade_ratelimit::RateLimitConfig = serde_json::from_str(wrong).unwrap();
    let error = config.builder().unwrap_err().to_string();
    assert!(
        error.contains("policies[0].block_after.within: \"soon\""),
        "{error}"
    );
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_key_that_redis_refuses_too_often_is_blocked_here() {
    use crate::clock::SetClock;
    use crate::server;

    let server = server::Server::start();
    let policy = Policy::new("api")
        .limit(Limit::fixed(1, HOUR))
        .block_after(3, 10 * SECOND, HOUR);
    let clock = SetClock::new();
    let redis = server::patient(&server).await.caller_time(clock.wall());
    let limiter = server::limiter(policy, redis.remembered_refusals(0)).await;
    assert!(limiter.check("api", "key", 1).await.is_allowed());
    for _ in 0..3 {
        assert_eq!(
            limiter.check("api", "key", 1).await.outcome,
            Outcome::Limited
        );
    }
    // The window is over, and the block is not.
    clock.advance(3_600_000_000);
    assert_eq!(
        limiter.check("api", "key", 1).await.outcome,
        Outcome::Blocked
    );
    limiter.reset("api", "key").await.unwrap();
    assert!(limiter.check("api", "key", 1).await.is_allowed());
}
