//! A charge is given back once, as what it was.

use std::time::Duration;

use crate::support::advance;
use palisade_ratelimit::{
    HOUR, Limit, Policy, RateLimitLayer, RateLimiter, burst, per_hour, per_second,
};

fn limiter(limit: Limit) -> RateLimiter {
    let policy = Policy::new("api").limit(limit);
    let layer = RateLimitLayer::builder().policy(policy).build().unwrap();
    layer.limiter()
}

async fn left(limiter: &RateLimiter, key: &str) -> u64 {
    let peeked = limiter.peek("api", key).await;
    if peeked.is_allowed() {
        peeked.remaining
    } else {
        0
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_gives_back_its_own_cost_to_its_own_key() {
    for limit in [
        Limit::fixed(9, HOUR),
        Limit::sliding(9, HOUR),
        Limit::exact(9, HOUR),
        Limit::token_bucket(per_hour(9), burst(9)),
    ] {
        let limiter = limiter(limit);
        let three = limiter.charge("api", "alice", 3).await.unwrap();
        let two = limiter.charge("api", "bob", 2).await.unwrap();
        let kept = limiter.charge("api", "alice", 1).await.unwrap();
        assert_eq!(kept.decision().remaining, 5);
        three.refund().await;
        assert_eq!(
            (left(&limiter, "alice").await, left(&limiter, "bob").await),
            (8, 7)
        );
        drop(two);
        assert_eq!(
            left(&limiter, "bob").await,
            7,
            "what is dropped stands, {limit:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_takes_back_nothing_of_the_one_before() {
    let limiter = limiter(Limit::fixed(5, Duration::from_secs(10)));
    let first = limiter.charge("api", "alice", 1).await.unwrap();
    advance(9_000).await;
    let mut late = Vec::new();
    for _ in 0..4 {
        late.push(limiter.charge("api", "alice", 1).await.unwrap());
    }
    advance(2_000).await;
    for _ in 0..5 {
        assert!(limiter.check("api", "alice", 1).await.is_allowed());
    }
    for receipt in late {
        receipt.refund().await;
    }
    first.refund().await;
    assert!(!limiter.check("api", "alice", 1).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn what_outlives_its_policys_layer_is_given_back_all_the_same() {
    let limiter = limiter(Limit::token_bucket(per_second(1), burst(5)));
    let receipt = limiter.charge("api", "alice", 5).await.unwrap();
    let again = limiter.clone();
    drop(limiter);
    receipt.refund().await;
    assert_eq!(left(&again, "alice").await, 5);
}
