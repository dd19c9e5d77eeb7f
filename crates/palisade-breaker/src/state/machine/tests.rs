use palisade_core::time;

use super::*;

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
