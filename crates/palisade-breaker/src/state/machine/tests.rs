use palisade_core::time;

use super::*;
use crate::state::plan::at_least_one;

const MINUTE: Duration = Duration::from_secs(60);

fn closed() -> (Machine, Instant) {
    (Machine::new(Arc::new(Plan::default()), 0), time::now())
}

// Between a call's look at the state and the answer of the service, another call may open the breaker.
#[test]
fn a_service_that_is_not_ready_does_not_prolong_the_open_time() {
    let (mut machine, now) = closed();
    machine.open_by_hand(now, MINUTE);
    machine.fail_readiness(now + MINUTE / 2);
    assert_eq!(machine.code().state(), State::Open);
    assert_eq!(machine.deadline(), Some(now + MINUTE));
    machine.fail_readiness(now + MINUTE);
    assert_eq!(machine.deadline(), Some(now + MINUTE * 2), "a trial failed");
}

#[cfg(feature = "redis")]
#[test]
fn a_peer_that_is_open_no_longer_than_this_one_changes_nothing() {
    let (mut machine, now) = closed();
    machine.open(now, Cause::Tripped, None);
    machine.follow_peer(now, MINUTE);
    assert!(machine.is_open_by_itself(), "and goes on telling its peers");
    machine.follow_peer(now, MINUTE * 2);
    assert!(!machine.is_open_by_itself());
    assert_eq!(machine.deadline(), Some(now + MINUTE * 2));
}

// The word in front of the lock may be older than the machine behind it.
#[test]
fn a_machine_that_is_open_refuses_until_its_time_is_over() {
    let (mut machine, now) = closed();
    machine.open_by_hand(now, MINUTE);
    let refused = machine.admit(now + MINUTE / 3);
    assert_eq!(
        refused,
        Err(Refusal::new(Reason::Open, Some(MINUTE * 2 / 3)))
    );
    assert_eq!(machine.code().state(), State::Open);
    assert!(machine.admit(now + MINUTE).is_ok_and(Grant::is_trial));
}

fn settle(machine: &mut Machine, now: Instant, verdict: Verdict) {
    let grant = machine.admit(now).unwrap();
    machine.settle(now, grant, verdict, false);
}

#[test]
fn advice_counts_until_the_open_time_of_the_peer_is_over() {
    let moment = Duration::from_nanos(1);
    for (after, state) in [(MINUTE - moment, State::Open), (MINUTE, State::Closed)] {
        let (mut machine, now) = closed();
        machine.advise(now, MINUTE);
        settle(&mut machine, now + after, Verdict::Failure(None));
        assert_eq!(machine.code().state(), state, "{after:?}");
    }
}

#[test]
fn the_word_holds_the_failures_in_a_row() {
    let mut plan = Plan::default();
    plan.failures.consecutive = Some(at_least_one(5));
    let mut machine = Machine::new(Arc::new(plan), 0);
    let now = time::now();
    assert_eq!(machine.word().failures(), 0);
    settle(&mut machine, now, Verdict::Failure(None));
    settle(&mut machine, now, Verdict::Failure(None));
    assert_eq!(machine.word().failures(), 2);
    settle(&mut machine, now, Verdict::Success);
    assert_eq!(machine.word().failures(), 0);
}

/// The states for whose beginners the machine may be forgotten.
fn forgettable_for(machine: &Machine, now: Instant) -> Vec<State> {
    let states = [
        State::Closed,
        State::Open,
        State::HalfOpen,
        State::ForcedOpen,
        State::Disabled,
        State::MetricsOnly,
    ];
    let states = states.into_iter();
    states
        .filter(|begins| machine.is_forgettable(now, *begins))
        .collect()
}

#[test]
fn a_machine_in_a_state_of_its_own_is_never_forgotten() {
    let (mut machine, now) = closed();
    machine.set(State::ForcedOpen);
    assert_eq!(forgettable_for(&machine, now + MINUTE * 9), []);
    machine.set(State::Disabled);
    assert_eq!(forgettable_for(&machine, now), [State::Disabled]);
}

#[test]
fn a_machine_without_trouble_may_be_forgotten_for_one_that_begins_alike() {
    let moment = Duration::from_nanos(1);
    for state in [State::Closed, State::MetricsOnly] {
        let (mut machine, now) = closed();
        machine.set(state);
        assert_eq!(forgettable_for(&machine, now), [state]);
        settle(&mut machine, now, Verdict::Failure(None));
        assert_eq!(forgettable_for(&machine, now + MINUTE - moment), []);
        assert_eq!(forgettable_for(&machine, now + MINUTE), [state]);
    }
}

#[test]
fn a_machine_that_is_advised_is_kept() {
    let (mut machine, now) = closed();
    machine.advise(now, MINUTE);
    assert_eq!(forgettable_for(&machine, now), []);
    machine.clear_advice();
    assert_eq!(forgettable_for(&machine, now), [State::Closed]);
}

#[test]
fn a_machine_whose_calls_are_let_back_in_by_degrees_is_kept() {
    let ramp = MINUTE * 2;
    let plan = Plan {
        ramp,
        ..Plan::default()
    };
    let (mut machine, now) = (Machine::new(Arc::new(plan), 0), time::now());
    machine.open_by_hand(now, Duration::ZERO);
    settle(&mut machine, now, Verdict::Success);
    assert_eq!(machine.code(), Code::Ramp);
    assert_eq!(forgettable_for(&machine, now + ramp / 2), []);
    assert_eq!(forgettable_for(&machine, now + ramp), [State::Closed]);
}

#[test]
fn a_machine_that_was_open_may_be_forgotten_when_nobody_has_called_for_long() {
    let moment = Duration::from_nanos(1);
    let (mut machine, now) = closed();
    machine.open_by_hand(now, MINUTE);
    // A minute of open time, and one in which a failure of then would count.
    assert_eq!(forgettable_for(&machine, now + MINUTE * 2 - moment), []);
    assert_eq!(forgettable_for(&machine, now + MINUTE * 2), [State::Closed]);
    let trial = machine.admit(now + MINUTE).unwrap();
    assert_eq!(forgettable_for(&machine, now + MINUTE * 9), [], "in flight");
    machine.settle(now + MINUTE, trial, Verdict::Ignored, false);
    assert_eq!(forgettable_for(&machine, now + MINUTE * 2 - moment), []);
    assert_eq!(forgettable_for(&machine, now + MINUTE * 2), [State::Closed]);
}
