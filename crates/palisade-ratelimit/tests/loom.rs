//! Every order in which two threads can meet at one table. Runs with `RUSTFLAGS="--cfg loom"`.
#![cfg(loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use palisade_ratelimit::{HOUR, Limit, Memory, Policy, RateLimitLayer};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The memory store answers at once.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the memory store waited"),
    }
}

fn two_threads(quota: u32, keys: [&'static str; 2]) -> usize {
    let policy = Policy::new("api").limit(Limit::fixed(quota, HOUR));
    let layer = RateLimitLayer::builder()
        .policy(policy)
        .store(Memory::with_capacity(1))
        .build()
        .unwrap();
    let passed = Arc::new(AtomicUsize::new(0));
    let threads = keys.map(|key| {
        let (limiter, passed) = (layer.limiter(), Arc::clone(&passed));
        loom::thread::spawn(move || {
            for _ in 0..2 {
                let decision = ready(limiter.check("api", key, 1));
                passed.fetch_add(usize::from(decision.is_allowed()), Ordering::Relaxed);
            }
        })
    });
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    passed.load(Ordering::Relaxed)
}

#[test]
fn two_threads_share_one_key_exactly() {
    loom::model(|| assert_eq!(two_threads(3, ["a", "a"]), 3));
}

#[test]
fn two_threads_with_two_keys_do_not_disturb_each_other() {
    loom::model(|| assert_eq!(two_threads(1, ["a", "b"]), 2));
}
