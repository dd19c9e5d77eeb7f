//! Every order in which two threads can meet at one table, at rest and while it grows. Runs with `RUSTFLAGS="--cfg loom"`.
#![cfg(loom)]

use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread::{self, JoinHandle};
use palisade_ratelimit::{HOUR, Limit, Memory, Policy, RateLimitLayer, RateLimiter};
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

/// Spawns a thread with room for a layer to be built on its stack: those of loom have 32 KiB by default.
fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    const WORDS: usize = 128 * 1024;
    let thread = thread::Builder::new().stack_size(WORDS);
    thread.spawn(work).unwrap()
}

/// Explores a model that starts on such a thread.
fn check(model: &Builder, work: impl Fn() + Clone + Send + Sync + 'static) {
    model.check(move || spawn(work.clone()).join().unwrap());
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
        spawn(move || {
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

/// A table with room for so many keys, and one charge for each; says how many bytes it takes after each of them.
fn filled(keys: usize) -> (Memory, RateLimiter, Vec<usize>) {
    let memory = Memory::with_capacity(40);
    let policy = Policy::new("api").limit(Limit::fixed(2, HOUR));
    let layer = RateLimitLayer::builder()
        .policy(policy)
        .store(memory.clone())
        .build()
        .unwrap();
    let limiter = layer.limiter();
    let bytes = (0..keys).map(|number| {
        assert!(ready(limiter.check("api", &*number.to_string(), 1)).is_allowed());
        memory.bytes()
    });
    let bytes = bytes.collect();
    (memory, limiter, bytes)
}

#[test]
fn a_key_that_moves_while_its_table_grows_keeps_its_charges() {
    // Under loom hashes are always the same: the table grows with the same key every time.
    let grows_with = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut model = Builder::new();
    model.max_branches = 100_000;
    let found = grows_with.clone();
    check(&model, move || {
        let (_, _, bytes) = filled(80);
        let key = bytes.windows(2).rposition(|pair| pair[0] < pair[1]);
        found.store(
            1 + key.expect("80 keys are too many for 77 slots"),
            Ordering::Relaxed,
        );
    });
    let key = grows_with.load(Ordering::Relaxed);
    // Every order with two preemptions: growing takes all locks of the table.
    model.preemption_bound = Some(2);
    check(&model, move || {
        let (memory, limiter, bytes) = filled(key);
        let other = limiter.clone();
        let thread = spawn(move || {
            (0..key)
                .step_by(7)
                .filter(|number| ready(other.check("api", &*number.to_string(), 1)).is_allowed())
                .count()
        });
        assert!(ready(limiter.check("api", &*key.to_string(), 1)).is_allowed());
        assert_eq!(thread.join().unwrap(), key.div_ceil(7));
        assert!(memory.bytes() > bytes[key - 1], "it grew");
        for number in (0..key).step_by(7) {
            assert!(
                !ready(limiter.check("api", &*number.to_string(), 1)).is_allowed(),
                "{number}"
            );
        }
    });
}

#[test]
fn a_key_that_moves_aside_for_another_keeps_its_charges() {
    /// The last ones to find a place are those for which others have to move.
    const LAST: usize = 3;
    const STEP: usize = 9;
    let full_with = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut model = Builder::new();
    model.max_branches = 100_000;
    let found = full_with.clone();
    check(&model, move || {
        let (memory, limiter, _) = filled(0);
        let key = (0..160).find(|number| {
            let decision = ready(limiter.check("api", &*number.to_string(), 1));
            assert!(decision.is_allowed());
            memory.overflowed() > 0
        });
        found.store(
            key.expect("160 keys are too many for 154 slots"),
            Ordering::Relaxed,
        );
    });
    let keys = full_with.load(Ordering::Relaxed);
    model.preemption_bound = Some(2);
    // A part of the keys at a time, so that those are among them that move.
    for first in 0..STEP {
        check(&model, move || {
            let (memory, limiter, _) = filled(keys - LAST);
            let asked = move || (first..keys - LAST).step_by(STEP);
            let other = limiter.clone();
            let thread = spawn(move || {
                asked()
                    .filter(|number| {
                        ready(other.check("api", &*number.to_string(), 1)).is_allowed()
                    })
                    .count()
            });
            for number in keys - LAST..keys {
                assert!(ready(limiter.check("api", &*number.to_string(), 1)).is_allowed());
            }
            assert_eq!(thread.join().unwrap(), asked().count());
            for number in asked() {
                let passes = ready(limiter.check("api", &*number.to_string(), 1)).is_allowed();
                assert!(!passes || memory.overflowed() > 0, "{number}");
            }
        });
    }
}

#[test]
fn two_threads_share_one_key_exactly() {
    check(&Builder::new(), || {
        assert_eq!(two_threads(3, ["a", "a"]), 3)
    });
}

#[test]
fn two_threads_with_two_keys_do_not_disturb_each_other() {
    check(&Builder::new(), || {
        assert_eq!(two_threads(1, ["a", "b"]), 2)
    });
}
