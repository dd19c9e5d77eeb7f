//! Requests that wait for their turn instead of being refused.

use std::time::Duration;

use crate::support::*;
use palisade_core::time::now;
use palisade_ratelimit::{
    HOUR, KeyChain, Limit, Outcome, Policy, RateLimit, RateLimitLayer, Selection, burst, per_second,
};
use tokio::task::JoinHandle;

const A: &str = "203.0.113.7";
const STEP: Duration = Duration::from_millis(100);

/// One at once, then one in 100 ms for those that wait, two seconds at most.
fn even() -> Policy {
    Policy::new("even")
        .limit(Limit::token_bucket(per_second(10), burst(1)))
        .wait(Duration::from_secs(2), 1_000)
}

fn layer(policy: Policy) -> RateLimitLayer {
    RateLimitLayer::builder().policy(policy).build().unwrap()
}

/// The time of the answer, and the answer.
fn arriving(
    service: &RateLimit<Handler>,
    request: http::Request<()>,
) -> JoinHandle<(Duration, u16)> {
    let (service, start) = (service.clone(), now());
    tokio::spawn(async move {
        let status = status(&service, request).await;
        (start.elapsed(), status)
    })
}

#[tokio::test(start_paused = true)]
async fn requests_go_on_in_their_turn_at_the_rate() {
    let service = serve(&layer(even()));
    let mut arrived = Vec::new();
    for _ in 0..25 {
        arrived.push(arriving(&service, from(A)));
        tokio::task::yield_now().await;
    }
    for (number, answer) in (0..).zip(arrived) {
        let (took, status) = answer.await.unwrap();
        // The one at once, and twenty that wait.
        let expected = if number <= 20 {
            (STEP * number, 200)
        } else {
            (Duration::ZERO, 429)
        };
        assert_eq!(status, expected.1, "{number}");
        // Tokio's timer counts milliseconds.
        assert!(
            took.abs_diff(expected.0) <= Duration::from_millis(2),
            "{number}: {took:?}"
        );
    }
    let left = send(&service, from(A)).await;
    assert_eq!(header(&left, "x-ratelimit-limit"), Some("10"));
    assert_eq!(
        header(&left, "x-ratelimit-remaining"),
        Some("19"),
        "of the places to wait in"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_would_wait_too_long_is_told_when_to_come_again() {
    let limiter = layer(even()).limiter();
    for waiting in 0..=20 {
        let decision = limiter.check("even", "key", 1).await;
        assert_eq!(decision.delay, STEP * waiting);
    }
    let refused = limiter.check("even", "key", 1).await;
    assert_eq!(refused.outcome, Outcome::Limited);
    assert_eq!(
        (refused.retry_after, refused.delay),
        (Some(STEP), Duration::ZERO)
    );
    advance(100).await;
    assert_eq!(limiter.check("even", "key", 1).await.delay, STEP * 20);
}

#[tokio::test(start_paused = true)]
async fn a_process_has_no_more_waiting_than_it_has_places() {
    let policy = even().wait(Duration::from_secs(2), 3);
    let layer = layer(policy);
    let service = serve(&layer);
    let clients: Vec<_> = (1..=9).map(|n| format!("203.0.113.{n}")).collect();
    for client in &clients {
        assert_eq!(status(&service, from(client)).await, 200);
    }
    let mut arrived = Vec::new();
    for client in &clients {
        arrived.push(arriving(&service, from(client)));
        tokio::task::yield_now().await;
    }
    // One that goes away makes room.
    let gone = arrived.remove(0);
    gone.abort();
    let _ = gone.await;
    let mut statuses = Vec::new();
    for answer in arrived {
        statuses.push(answer.await.unwrap().1);
    }
    assert_eq!(statuses, [200, 200, 429, 429, 429, 429, 429, 429]);
    let limiter = layer.limiter();
    let refused: std::net::IpAddr = clients[8].parse().unwrap();
    assert_eq!(
        limiter.peek("even", refused).await.remaining,
        21,
        "its charge was given back"
    );
    // The places are free again.
    assert_eq!(status(&service, from(A)).await, 200);
    assert_eq!(status(&service, from(A)).await, 200);
}

#[tokio::test(start_paused = true)]
async fn one_that_goes_away_while_it_waits_leaves_its_place() {
    let layer = layer(even().wait(Duration::from_secs(2), 1));
    let service = serve(&layer);
    assert_eq!(status(&service, from(A)).await, 200);
    for _ in 0..5 {
        let mut waiting = Box::pin(tower::ServiceExt::oneshot(service.clone(), from(A)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        assert_eq!(status(&service, from(A)).await, 429, "there is one place");
    }
}

#[tokio::test(start_paused = true)]
async fn without_http_one_waits_for_oneself_or_is_waited_for() {
    let limiter = layer(even().wait(Duration::from_secs(2), 1)).limiter();
    let start = now();
    assert!(limiter.until_ready("even", "key", 1).await.is_allowed());
    assert_eq!(start.elapsed(), Duration::ZERO);
    let second = limiter.clone();
    let second = tokio::spawn(async move { second.until_ready("even", "key", 1).await });
    tokio::task::yield_now().await;
    let third = limiter.until_ready("even", "key", 1).await;
    assert_eq!(third.outcome, Outcome::Limited, "there is one place");
    assert_eq!(third.retry_after, Some(STEP * 2));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(second.await.unwrap().delay, STEP);
    assert!(start.elapsed().abs_diff(STEP) <= Duration::from_millis(2));
    // What the third was charged is given back: two were charged since, and one of them has passed.
    let fourth = limiter.check("even", "key", 1).await.delay;
    assert!(
        STEP.abs_diff(fourth) <= Duration::from_millis(2),
        "{fourth:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_ones_own_waits_by_its_own_rate() {
    let layer = RateLimitLayer::builder()
        .policy(even())
        .select(|_| Selection::first().quota(20))
        .build()
        .unwrap();
    let service = serve(&layer);
    // Two at once, then one in 50 ms.
    for expected in [0, 0, 50, 50, 50] {
        let start = now();
        assert_eq!(status(&service, from(A)).await, 200);
        let expected = Duration::from_millis(expected);
        assert!(start.elapsed().abs_diff(expected) <= Duration::from_millis(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_claimed_key_waits_by_its_own_bucket_where_its_address_is_closer_to_its_limit() {
    let layer = RateLimitLayer::builder()
        .policy(even())
        .key(KeyChain::new().claimed_header("x-track-id"))
        .ip_backstop(Limit::fixed(4, HOUR))
        .build()
        .unwrap();
    let service = serve(&layer);
    let claimed = || with(from(A), "x-track-id", "one");
    for expected in [0, 100, 100, 100] {
        let start = now();
        assert_eq!(status(&service, claimed()).await, 200);
        let expected = Duration::from_millis(expected);
        assert!(start.elapsed().abs_diff(expected) <= Duration::from_millis(2));
    }
    assert_eq!(status(&service, claimed()).await, 429);
}

#[tokio::test(start_paused = true)]
async fn in_shadow_mode_nothing_waits() {
    let service = serve(&layer(even().shadow()));
    let start = now();
    assert_eq!(passed(&service, 30, || from(A)).await, 30);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[test]
fn what_cannot_wait_is_an_error() {
    let bucket = Limit::token_bucket(per_second(10), burst(1));
    let second = Duration::from_secs(1);
    for (policy, reason) in [
        (
            Policy::new("p")
                .limit(Limit::fixed(5, HOUR))
                .wait(second, 9),
            "needs a single limit",
        ),
        (
            Policy::new("p").limit(bucket).limit(bucket).wait(second, 9),
            "needs a single limit",
        ),
        (
            Policy::new("p")
                .limit(bucket)
                .wait(STEP - Duration::from_nanos(1), 9),
            "is 99.999999ms",
        ),
        (
            Policy::new("p").limit(bucket).wait(Duration::MAX, 9),
            "must be from",
        ),
    ] {
        let error = RateLimitLayer::builder()
            .policy(policy)
            .build()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("policies.p.wait: ") && error.contains(reason),
            "{error}"
        );
    }
    let shortest = Policy::new("p").limit(bucket).wait(STEP, 9);
    assert!(RateLimitLayer::builder().policy(shortest).build().is_ok());
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_file_says_for_how_long_requests_wait() {
    let read = |wait: &str| {
        let limit = r#"{ "rate": 10, "burst": 1 }"#;
        let policy = format!(r#"{{ "name": "even", "limits": [{limit}], "wait": {wait} }}"#);
        let text = format!(r#"{{ "policies": [{policy}] }}"#);
        let config = serde_json::from_str::<palisade_ratelimit::RateLimitConfig>(&text);
        config.unwrap().builder()
    };
    let limiter = |wait| read(wait).unwrap().build().unwrap().limiter();
    let default = limiter(r#"{ "longest": "200ms" }"#);
    let delays = [Some(Duration::ZERO), Some(STEP), Some(STEP * 2), None];
    for delay in delays {
        let decision = default.check("even", "key", 1).await;
        assert_eq!(decision.is_allowed().then_some(decision.delay), delay);
    }
    let nobody = limiter(r#"{ "longest": "200ms", "requests": 0 }"#);
    assert!(nobody.until_ready("even", "key", 1).await.is_allowed());
    assert!(!nobody.until_ready("even", "key", 1).await.is_allowed());
    let error = read(r#"{ "longest": "long" }"#).unwrap_err().to_string();
    assert!(
        error.contains("policies[0].wait.longest: \"long\""),
        "{error}"
    );
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn requests_that_are_counted_in_redis_wait_too() {
    use palisade_core::time::{UnixTime, WallClock};

    use crate::server;

    let server = server::Server::start();
    let policy = even().wait(Duration::from_millis(250), 9);
    // All six come at one time, however long they are on their way.
    let clock = WallClock::from_fn(|| UnixTime::from_secs(1_800_000_000));
    let redis = server::patient(&server).await.caller_time(clock);
    let builder = server::in_redis(policy.clone(), redis);
    let service = serve(&builder.build().unwrap());
    let start = now();
    let arrived: Vec<_> = (0..6).map(|_| arriving(&service, from(A))).collect();
    let mut answers = Vec::new();
    for answer in arrived {
        answers.push(answer.await.unwrap());
    }
    answers.sort_unstable_by_key(|(took, status)| (*status, *took));
    let statuses: Vec<_> = answers.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429]);
    // Whole delays, whatever the machine adds.
    assert!(answers[1].0 >= Duration::from_millis(90), "{answers:?}");
    assert!(start.elapsed() >= Duration::from_millis(190));

    let leasing = server::in_redis(policy.lease(5), server::patient(&server).await).build();
    let error = leasing.unwrap_err().to_string();
    assert!(
        error.contains("policies.even.wait: is not for a policy with leases"),
        "{error}"
    );
}
