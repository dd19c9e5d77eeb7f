//! A layer that takes the place of another while both run, with other numbers.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use palisade_ratelimit::{
    DAY, HOUR, Limit, MINUTE, Memory, Policy, RateLimitBuilder, RateLimitLayer, burst, per_day,
    per_minute, per_second,
};

fn limits(counts: &Memory, limits: &[Limit]) -> RateLimitBuilder {
    let policy = limits
        .iter()
        .copied()
        .fold(Policy::new("api"), Policy::limit);
    RateLimitLayer::builder()
        .policy(policy)
        .store(counts.clone())
}

/// The number of these units that pass, one by one. The memory store answers at once.
fn passed(layer: &RateLimitLayer, of: u64) -> u64 {
    let limiter = layer.limiter();
    let allowed = (0..of).filter(|_| {
        let check = pin!(limiter.check("api", "alice", 1));
        match check.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(decision) => decision.is_allowed(),
            Poll::Pending => panic!("the memory store waited"),
        }
    });
    allowed.count() as u64
}

/// The number that passes by the new limits after `used` was charged by the old ones.
fn left(old: &[Limit], used: u64, new: &[Limit]) -> u64 {
    let counts = Memory::default();
    let old = limits(&counts, old).build().unwrap();
    assert_eq!(passed(&old, used), used);
    let new = limits(&counts, new).replacing(&old).build().unwrap();
    drop(old);
    passed(&new, 1_000)
}

#[tokio::test(start_paused = true)]
async fn counts_go_on_under_other_numbers() {
    assert_eq!(
        left(
            &[Limit::sliding(100, HOUR)],
            60,
            &[Limit::sliding(150, HOUR)]
        ),
        90
    );
    assert_eq!(
        left(
            &[Limit::sliding(100, HOUR)],
            60,
            &[Limit::sliding(50, HOUR)]
        ),
        0
    );
    assert_eq!(
        left(&[Limit::fixed(100, HOUR)], 60, &[Limit::fixed(70, HOUR)]),
        10
    );
    assert_eq!(
        left(&[Limit::exact(9, HOUR)], 4, &[Limit::exact(5, HOUR)]),
        1
    );
    // 60 ms of a bucket's time are used: three tokens of the new one.
    let slow = Limit::token_bucket(per_second(100), burst(10));
    assert_eq!(
        left(&[slow], 6, &[Limit::token_bucket(per_second(50), burst(5))]),
        2
    );
    let two = |quota| {
        [
            Limit::token_bucket(per_minute(60), burst(30)),
            Limit::sliding(quota, DAY),
        ]
    };
    assert_eq!(left(&two(40), 20, &two(25)), 5);
}

#[tokio::test(start_paused = true)]
async fn a_log_or_a_window_that_keeps_something_else_counts_anew() {
    assert_eq!(
        left(
            &[Limit::sliding(100, HOUR)],
            60,
            &[Limit::sliding(100, DAY)]
        ),
        100
    );
    assert_eq!(
        left(&[Limit::fixed(100, HOUR)], 60, &[Limit::sliding(100, HOUR)]),
        100
    );
    assert_eq!(
        left(&[Limit::exact(5, HOUR)], 5, &[Limit::exact(9, HOUR)]),
        9
    );
    let bucket = Limit::token_bucket(per_minute(60), burst(30));
    assert_eq!(left(&[bucket], 20, &[bucket, Limit::sliding(100, DAY)]), 30);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_shrank_may_grow_to_what_it_was() {
    let counts = Memory::default();
    let log = |quota| limits(&counts, &[Limit::exact(quota, HOUR)]);
    let first = log(9).build().unwrap();
    assert_eq!(passed(&first, 2), 2);
    let second = log(3).replacing(&first).build().unwrap();
    drop(first);
    assert_eq!(passed(&second, 9), 1);
    let third = log(9).replacing(&second).build().unwrap();
    assert_eq!(passed(&third, 99), 6);
}

#[tokio::test(start_paused = true)]
async fn a_debt_of_the_old_numbers_lasts_no_longer_than_a_new_bucket() {
    let counts = Memory::default();
    let slow = limits(&counts, &[Limit::token_bucket(per_day(5), burst(5))])
        .build()
        .unwrap();
    assert_eq!(passed(&slow, 6), 5);
    let quick = limits(&counts, &[Limit::token_bucket(per_second(100), burst(100))]);
    let quick = quick.replacing(&slow).build().unwrap();
    assert_eq!(passed(&quick, 1), 0, "the bucket is empty under both");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(passed(&quick, 200), 100);
}

/// Sixteen swaps between 100 and 150 an hour while four threads use up one key: all that pass are 150.
#[test]
fn numbers_that_change_under_load_admit_no_more_than_the_larger_limit() {
    let counts = Memory::default();
    let of = |quota| limits(&counts, &[Limit::sliding(quota, HOUR)]);
    let small = of(100).build().unwrap();
    let newest = std::sync::Mutex::new(small);
    let admitted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let layer = newest.lock().unwrap().clone();
                    admitted.fetch_add(passed(&layer, 1), Ordering::Relaxed);
                }
            });
        }
        for swap in 0..16 {
            let old = newest.lock().unwrap().clone();
            let quota = if swap % 2 == 0 { 150 } else { 100 };
            let new = of(quota).replacing(&old).build().unwrap();
            *newest.lock().unwrap() = new;
            std::thread::yield_now();
        }
    });
    let rest = of(150)
        .replacing(&newest.into_inner().unwrap())
        .build()
        .unwrap();
    admitted.fetch_add(passed(&rest, 200), Ordering::Relaxed);
    assert_eq!(admitted.into_inner(), 150);
}

#[tokio::test(start_paused = true)]
async fn other_numbers_by_mistake_are_refused() {
    let counts = Memory::default();
    let of = |quota| limits(&counts, &[Limit::fixed(quota, MINUTE)]);
    let old = of(5).build().unwrap();
    let refused = of(6).build().unwrap_err().to_string();
    assert!(refused.contains("replacing"), "{refused}");
    let stranger = limits(&Memory::default(), &[Limit::fixed(5, MINUTE)])
        .build()
        .unwrap();
    assert!(
        of(6).replacing(&stranger).build().is_err(),
        "it holds other counts"
    );
    // What fails for another reason has changed nothing.
    let failed = of(6).replacing(&old).route("nonsense", "api").build();
    assert!(failed.is_err());
    assert!(of(5).build().is_ok());
    let new = of(6).replacing(&old).build().unwrap();
    assert!(of(6).build().is_ok(), "a second layer with the new numbers");
    assert!(
        of(5).build().is_err(),
        "the old numbers are now the mistake"
    );
    assert_eq!((passed(&old, 9), passed(&new, 9)), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn what_no_layer_holds_is_freed() {
    let counts = Memory::preallocated(10_000);
    let of = |window| limits(&counts, &[Limit::fixed(5, window)]);
    let hourly = of(HOUR).build().unwrap();
    let one = counts.bytes();
    let daily = of(DAY).replacing(&hourly).build().unwrap();
    assert_eq!(
        (passed(&hourly, 9), passed(&daily, 9)),
        (5, 5),
        "each has its own count"
    );
    assert_eq!((counts.bytes(), counts.live_keys()), (2 * one, 2));
    drop(hourly);
    assert_eq!((counts.bytes(), counts.live_keys()), (one, 1));
    drop(daily);
    assert_eq!((counts.bytes(), counts.live_keys()), (0, 0));
    assert!(
        of(MINUTE).build().is_ok(),
        "nobody has other limits any more"
    );
}
