//! Every interleaving of up to three threads over one breaker, by loom: its word, its lock and its permits.
//!
//! The state is compiled a second time here, from the same files, with loom's atomics and locks in `sync`. That needs no
//! `--cfg` and no build of its own.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a part of a crate, as a crate"
)]

#[path = "../src/error.rs"]
mod error;
#[path = "../src/event.rs"]
mod event;
#[path = "../src/metrics.rs"]
mod metrics;
#[path = "../src/permit.rs"]
mod permit;
#[path = "../src/shared.rs"]
mod shared;
#[path = "../src/state/mod.rs"]
mod state;
/// The type alone: nothing is shared here.
#[cfg(feature = "redis")]
mod share {
    use super::*;

    #[derive(Debug)]
    pub(crate) struct News {
        pub(crate) name: Name,
        pub(crate) what: What,
    }

    #[derive(Debug)]
    pub(crate) struct What;

    impl What {
        pub(crate) fn of(_: State, _: State, _: Cause, _: Option<Duration>) -> Option<Self> {
            None
        }
    }
}
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
}

use std::time::Duration;

use error::Rejected;
use event::BreakerEvent;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use palisade_core::{Handle, Name};
use permit::{Outcome, Permit};
use shared::{Setup, Shared};
use state::plan::{FailureRule, Plan, at_least_one};
use state::{Cause, Reason, State};

/// Opens at the first failure, and is half-open for the next call, whatever the clock says.
fn breaker(trials: u32, successes_to_close: u32) -> Handle<Shared> {
    let plan = Plan {
        failures: FailureRule::Consecutive(at_least_one(1)),
        open_for: Duration::ZERO,
        lease: Some(Duration::from_secs(86_400)),
        trials: at_least_one(trials),
        successes_to_close: at_least_one(successes_to_close),
        ..Plan::default()
    };
    with_plan(plan)
}

fn with_plan(plan: Plan) -> Handle<Shared> {
    Handle::new(Shared::new(Setup::new(Name::from_static("loom"), plan)))
}

fn tripped(trials: u32, successes_to_close: u32) -> Handle<Shared> {
    let breaker = breaker(trials, successes_to_close);
    Shared::acquire(&breaker).unwrap().failure();
    assert_eq!(breaker.state(), State::Open);
    breaker
}

/// Runs `model` over every interleaving.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    loom::model(model);
}

/// Runs `model` over those interleavings with so few preemptions that it ends in seconds; with two it takes half a minute
/// each, which is for `PALISADE_FULL=1`.
fn explore_some(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let full = std::env::var_os("PALISADE_FULL").is_some();
    builder.preemption_bound = Some(if full { 2 } else { 1 });
    builder.check(model);
}

/// Asks, holds what it gets for a moment, and says how it went.
fn ask(breaker: &Handle<Shared>, held: &AtomicU32, trials: u32, end: fn(Permit)) -> u32 {
    let Ok(permit) = Shared::acquire(breaker) else {
        return 0;
    };
    assert!(permit.is_trial());
    assert!(
        held.fetch_add(1, Ordering::SeqCst) < trials,
        "too many trials"
    );
    held.fetch_sub(1, Ordering::SeqCst);
    end(permit);
    1
}

/// Three threads ask at once, each with an end of its own.
fn three_ask(trials: u32, ends: [fn(Permit); 3]) {
    explore_some(move || {
        // Enough successes are asked for that it never closes, so that every permit is a trial.
        let breaker = tripped(trials, 10);
        let held = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = ends[1..]
            .iter()
            .map(|end| {
                let (breaker, held, end) = (breaker.clone(), Arc::clone(&held), *end);
                loom::thread::spawn(move || ask(&breaker, &held, trials, end))
            })
            .collect();
        let mut passed = ask(&breaker, &held, trials, ends[0]);
        for thread in threads {
            passed += thread.join().unwrap();
        }
        assert!((1..=3).contains(&passed));
        assert_eq!(breaker.cell.word().trials(), 0, "a permit was lost");
        // And there is room for another.
        assert!(Shared::acquire(&breaker).is_ok());
    });
}

#[test]
fn at_most_one_trial_is_in_flight_and_none_is_lost() {
    three_ask(1, [Permit::success, Permit::ignore, drop]);
}

#[test]
fn at_most_two_trials_are_in_flight_and_none_is_lost() {
    three_ask(2, [Permit::success, drop, Permit::success]);
}

#[test]
fn while_a_trial_settles_two_others_ask_and_one_at_most_is_let_in() {
    explore(|| {
        let breaker = tripped(1, 10);
        let trial = Shared::acquire(&breaker).unwrap();
        let asking = [breaker.clone(), breaker.clone()].map(|breaker| {
            // Kept to the end, so that nobody makes room for the other.
            loom::thread::spawn(move || Shared::acquire(&breaker).ok())
        });
        trial.ignore();
        let asked = asking.map(|thread| thread.join().unwrap());
        let let_in = asked.iter().flatten().count();
        assert!(let_in <= 1);
        assert_eq!(breaker.cell.word().trials() as usize, let_in);
        drop(asked);
        assert_eq!(breaker.cell.word().trials(), 0, "a permit was lost");
    });
}

#[test]
fn a_late_success_never_closes_it() {
    explore(|| {
        let breaker = breaker(1, 1);
        let early = Shared::acquire(&breaker).unwrap();
        Shared::acquire(&breaker).unwrap().failure();
        let late = loom::thread::spawn(move || early.success());
        let asking = {
            let breaker = breaker.clone();
            loom::thread::spawn(move || Shared::acquire(&breaker).map(Permit::ignore).is_ok())
        };
        late.join().unwrap();
        assert!(asking.join().unwrap());
        assert_eq!(breaker.state(), State::HalfOpen);
    });
}

#[test]
fn a_failing_and_a_succeeding_trial_leave_it_open_or_closed_and_whole() {
    explore(|| {
        let breaker = tripped(2, 1);
        let first = Shared::acquire(&breaker).unwrap();
        let second = Shared::acquire(&breaker).unwrap();
        let failing = loom::thread::spawn(move || first.failure());
        let succeeding = loom::thread::spawn(move || second.success());
        failing.join().unwrap();
        succeeding.join().unwrap();
        // Whichever came first has decided, and the other came too late.
        assert!(matches!(breaker.state(), State::Open | State::Closed));
        assert_eq!(breaker.cell.word().trials(), 0);
        assert!(Shared::acquire(&breaker).is_ok());
    });
}

#[test]
fn of_three_failures_at_once_each_is_counted() {
    explore(|| {
        let plan = Plan {
            failures: FailureRule::Within {
                threshold: at_least_one(3),
                within: Duration::from_secs(86_400),
            },
            ..Plan::default()
        };
        let breaker = with_plan(plan);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let breaker = breaker.clone();
                loom::thread::spawn(move || Shared::acquire(&breaker).unwrap().failure())
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(breaker.state(), State::Open);
    });
}

#[test]
fn a_handle_and_a_call_at_once_leave_what_the_handle_said() {
    explore(|| {
        let breaker = tripped(1, 1);
        let trial = Shared::acquire(&breaker).unwrap();
        let settling = loom::thread::spawn(move || trial.success());
        breaker.change(|machine| machine.set(State::ForcedOpen));
        settling.join().unwrap();
        assert_eq!(breaker.state(), State::ForcedOpen);
        assert!(Shared::acquire(&breaker).is_err());
    });
}
