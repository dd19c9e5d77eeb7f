//! An existing governor limiter as the engine of a policy.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::support::*;
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};
use palisade_ratelimit::{HOUR, KeyChain, Limit, Outcome, Policy, RateLimitLayer};

const A: &str = "203.0.113.7";

fn hourly(burst: u32) -> Quota {
    Quota::per_hour(NonZeroU32::MIN).allow_burst(NonZeroU32::new(burst).unwrap())
}

#[tokio::test]
#[allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the method alone is not general enough over the lifetime of the key"
)]
async fn an_existing_governor_limiter_decides_a_policy() {
    let quota = hourly(3);
    let existing = Arc::new(
        RateLimiter::<IpAddr, _, _>::keyed(quota).with_middleware::<StateInformationMiddleware>(),
    );
    let policy = Policy::governor("api", Arc::clone(&existing), quota, |key| key.as_ip());
    let layer = RateLimitLayer::builder().policy(policy).build().unwrap();
    let service = serve(&layer);
    assert!(
        existing.check_key(&A.parse().unwrap()).is_ok(),
        "used elsewhere as well"
    );
    let first = send(&service, from(A)).await;
    assert_eq!(header(&first, "x-ratelimit-remaining"), Some("1"));
    assert_eq!(passed(&service, 9, || from(A)).await, 1);
    let refused = send(&service, from(A)).await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((3_590..=3_600).contains(&wait), "{wait}");
    assert_eq!(status(&service, from("203.0.113.8")).await, 200);
    let limiter = layer.limiter();
    assert_eq!(
        limiter.check("api", "no address", 1).await.outcome,
        Outcome::NoKey
    );
    assert_eq!(
        limiter
            .check("api", A.parse::<IpAddr>().unwrap(), 4)
            .await
            .outcome,
        Outcome::CostOverCapacity
    );
}

#[tokio::test]
async fn what_governor_refuses_is_given_back_to_the_address() {
    let quota = hourly(1);
    let existing = Arc::new(RateLimiter::<Vec<u8>, _, _>::keyed(quota));
    let policy = Policy::governor("api", existing, quota, |key| {
        key.as_bytes().map(<[u8]>::to_vec)
    });
    let layer = RateLimitLayer::builder()
        .policy(policy)
        .key(KeyChain::new().claimed_header("x-track-id"))
        .ip_backstop(Limit::fixed(2, HOUR));
    let service = serve(&layer.build().unwrap());
    assert_eq!(
        passed(&service, 9, || with(from(A), "x-track-id", "a")).await,
        1
    );
    assert_eq!(
        passed(&service, 1, || with(from(A), "x-track-id", "b")).await,
        1
    );
    assert_eq!(
        passed(&service, 1, || with(from(A), "x-track-id", "c")).await,
        0,
        "the backstop holds"
    );
}
