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
#[path = "../src/metric_names.rs"]
mod metric_names;
#[path = "../src/metrics.rs"]
mod metrics;
#[path = "../src/permit.rs"]
mod permit;
#[path = "../src/setup.rs"]
mod setup;
#[path = "../src/shared.rs"]
mod shared;
#[path = "../src/state/mod.rs"]
mod state;
#[path = "../src/waiting.rs"]
mod waiting;
/// The type alone: nothing is shared here.
#[cfg(feature = "redis")]
mod share {
    use super::*;

    #[derive(Debug, Clone, Default)]
    pub(crate) struct Wire(());

    impl Wire {
        pub(crate) fn send(&self, _: Name, _: &Option<Arc<str>>, _: Change) {}
    }

    #[derive(Debug)]
    pub(crate) struct Change;

    impl Change {
        pub(crate) fn of(_: State, _: State, _: Cause, _: Option<Duration>) -> Option<Self> {
            None
        }
    }
}
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use error::Rejected;
use event::BreakerEvent;
use palisade_core::{Handle, Name};
use permit::{Outcome, Permit};
use setup::Setup;
use shared::Shared;
use state::grant::Started;
use state::plan::{FailureRules, Plan, at_least_one};
use state::{Cause, Reason, State};

/// Opens at the first failure, and is half-open for the next call, whatever the clock says.
fn breaker(trials: u32, successes_to_close: u32) -> Handle<Shared> {
    let plan = Plan {
        failures: FailureRules {
            consecutive: Some(at_least_one(1)),
            ..FailureRules::default()
        },
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
    Permit::acquire(&breaker).unwrap().failure();
    assert_eq!(breaker.state(), State::Open);
    breaker
}

/// Runs `model` over every interleaving, and over everything that each load may read; no bound on preemptions.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let runs = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&runs);
    loom::model(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let runs = runs.load(Ordering::Relaxed);
    println!("{runs} permutations");
    assert!(runs > 1, "nothing happened at once");
}

/// Asks under the lock, as `Permit::acquire` does after a look at the word and the deadline that may refuse at once.
///
/// The look writes nothing. So to all others a call that looks first is one that asks under the lock, or not at all: what
/// holds for every order of calls under the lock holds for those that look first too. What the look itself may answer is
/// explored beside them, by `a_look_beside_two_calls_refuses_only_what_they_would`. Three calls that look first, in one
/// model, would take days and show no more.
fn under_the_lock(breaker: &Handle<Shared>) -> Option<Permit> {
    let grant = breaker.cell.admit(palisade_core::time::now()).0.ok()?;
    Some(Permit::new(breaker.clone(), grant, Started::UNKNOWN))
}

/// Permits that are held, and the most at any time.
///
/// They are none of loom's atomics: a thread is only ever interrupted before it touches one of loom's, so these count
/// within the step that lets go of the lock, and are exact without being a step of their own.
#[derive(Debug, Default)]
struct Held {
    now: AtomicU32,
    most: AtomicU32,
}

impl Held {
    /// Asks, and holds what it gets until it has said how it went.
    fn ask(&self, breaker: &Handle<Shared>, trials: u32, end: fn(Permit)) -> u32 {
        let Some(permit) = under_the_lock(breaker) else {
            return 0;
        };
        assert!(permit.is_trial());
        let held = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(held, Ordering::Relaxed);
        assert!(held <= trials, "too many trials");
        end(permit);
        self.now.fetch_sub(1, Ordering::Relaxed);
        1
    }
}

/// Three threads ask at once, each with an end of its own.
fn three_ask(trials: u32, ends: [fn(Permit); 3]) {
    explore(move || {
        // Enough successes are asked for that it never closes, so that every permit is a trial.
        let breaker = tripped(trials, 10);
        let held = Arc::new(Held::default());
        let threads = [ends[1], ends[2]].map(|end| {
            let (breaker, held) = (breaker.clone(), Arc::clone(&held));
            loom::thread::spawn(move || held.ask(&breaker, trials, end))
        });
        let mut passed = held.ask(&breaker, trials, ends[0]);
        for thread in threads {
            passed += thread.join().unwrap();
        }
        assert!((1..=3).contains(&passed));
        assert_eq!(breaker.cell.word().trials(), 0, "a permit was lost");
        // And there is room for another.
        assert!(Permit::acquire(&breaker).is_ok());
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

/// A thread that looks, beside two that ask and end.
fn look_beside_two(trials: u32) {
    explore(move || {
        let breaker = tripped(trials, 10);
        let held = Arc::new(Held::default());
        let ends: [fn(Permit); 2] = [Permit::success, drop];
        let threads = ends.map(|end| {
            let (breaker, held) = (breaker.clone(), Arc::clone(&held));
            loom::thread::spawn(move || held.ask(&breaker, trials, end))
        });
        let refused = breaker.cell.refuse_fast(palisade_core::time::now);
        let _ = threads.map(|thread| thread.join().unwrap());
        if let Some(refusal) = refused {
            assert_eq!(refusal.reason, Reason::TrialsTaken);
            let most = held.most.load(Ordering::Relaxed);
            assert_eq!(most, trials, "there was room all the time");
        }
        assert_eq!(breaker.cell.word().trials(), 0, "a permit was lost");
    });
}

#[test]
fn a_look_beside_two_calls_refuses_only_what_they_would() {
    look_beside_two(1);
}

#[test]
fn a_look_beside_two_trials_refuses_only_while_both_are_taken() {
    look_beside_two(2);
}

#[test]
fn while_a_trial_settles_two_others_ask_and_one_at_most_is_let_in() {
    explore(|| {
        let breaker = tripped(1, 10);
        let trial = Permit::acquire(&breaker).unwrap();
        // Kept to the end, so that nobody makes room for the other.
        let (first, second) = (breaker.clone(), breaker.clone());
        let looking = loom::thread::spawn(move || Permit::acquire(&first).ok());
        let asking = loom::thread::spawn(move || under_the_lock(&second));
        trial.ignore();
        let asked = [looking, asking].map(|thread| thread.join().unwrap());
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
        let early = Permit::acquire(&breaker).unwrap();
        Permit::acquire(&breaker).unwrap().failure();
        let late = loom::thread::spawn(move || early.success());
        let asking = {
            let breaker = breaker.clone();
            loom::thread::spawn(move || Permit::acquire(&breaker).map(Permit::ignore).is_ok())
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
        let first = Permit::acquire(&breaker).unwrap();
        let second = Permit::acquire(&breaker).unwrap();
        let failing = loom::thread::spawn(move || first.failure());
        let succeeding = loom::thread::spawn(move || second.success());
        failing.join().unwrap();
        succeeding.join().unwrap();
        // Whichever came first has decided, and the other came too late.
        assert!(matches!(breaker.state(), State::Open | State::Closed));
        assert_eq!(breaker.cell.word().trials(), 0);
        assert!(Permit::acquire(&breaker).is_ok());
    });
}

#[test]
fn of_three_failures_at_once_each_is_counted() {
    explore(|| {
        let plan = Plan {
            failures: FailureRules {
                threshold: Some(at_least_one(3)),
                ..FailureRules::default()
            },
            within: Some(Duration::from_secs(86_400)),
            ..Plan::default()
        };
        let breaker = with_plan(plan);
        // Asked for beforehand, because while it is closed asking is a look that writes nothing.
        let [here, there, elsewhere] = [(); 3].map(|()| Permit::acquire(&breaker).unwrap());
        let threads = [there, elsewhere].map(|permit| loom::thread::spawn(|| permit.failure()));
        here.failure();
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
        let trial = Permit::acquire(&breaker).unwrap();
        let settling = loom::thread::spawn(move || trial.success());
        breaker.change(|machine| machine.set(State::ForcedOpen));
        settling.join().unwrap();
        assert_eq!(breaker.state(), State::ForcedOpen);
        assert!(Permit::acquire(&breaker).is_err());
    });
}
