//! How an open breaker finds its way back.

mod common;

use common::{Events, advance, fail, secs};
use palisade_breaker::{BreakerHandle, BreakerLayer, Outcome, Reason, State};

/// A breaker that opens for 60 s at the first failure, and has done so.
fn tripped(layer: BreakerLayer) -> BreakerHandle {
    let breaker = layer.failure_threshold(1).handle();
    fail(&breaker, 1);
    breaker
}

#[tokio::test(start_paused = true)]
async fn after_the_open_time_one_trial_passes_and_closes_it() {
    let events = Events::default();
    let breaker = tripped(BreakerLayer::new("x").on_event(events.observer()));
    advance(secs(59)).await;
    assert!(breaker.try_acquire().is_err());
    advance(secs(1)).await;
    let trial = breaker.try_acquire().unwrap();
    assert!(trial.is_trial());
    assert_eq!(breaker.state(), State::HalfOpen);
    let rejected = breaker.try_acquire().unwrap_err();
    assert_eq!(rejected.reason, Reason::TrialsTaken);
    trial.success();
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(
        events.take(),
        [
            "closed to open: tripped",
            "rejected: open",
            "open to half_open: time_over",
            "trial",
            "rejected: trials_taken",
            "half_open to closed: recovered",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_trial_opens_it_again_for_the_whole_time() {
    let breaker = tripped(BreakerLayer::new("x"));
    advance(secs(75)).await;
    breaker.try_acquire().unwrap().failure();
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.retry_after(), Some(secs(60)));
}

#[tokio::test(start_paused = true)]
async fn failures_from_before_it_opened_are_forgotten_when_it_closes() {
    let breaker = BreakerLayer::new("x").open_for(secs(1)).handle();
    fail(&breaker, 5);
    advance(secs(1)).await;
    breaker.try_acquire().unwrap().success();
    fail(&breaker, 4);
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn so_many_successes_close_it_and_one_failure_does_not() {
    let breaker = tripped(BreakerLayer::new("x").trials(2).successes_to_close(3));
    advance(secs(60)).await;
    let (first, second) = (
        breaker.try_acquire().unwrap(),
        breaker.try_acquire().unwrap(),
    );
    assert!(breaker.try_acquire().is_err(), "two trials at a time");
    first.success();
    second.success();
    assert_eq!(breaker.state(), State::HalfOpen);
    breaker.try_acquire().unwrap().success();
    assert_eq!(breaker.state(), State::Closed);

    fail(&breaker, 1);
    advance(secs(60)).await;
    breaker.try_acquire().unwrap().success();
    breaker.try_acquire().unwrap().failure();
    assert_eq!(breaker.state(), State::Open);
}

// failsafe 1.3 and recloser 1.4 let 1,000 of 1,000 probes through.
#[tokio::test(start_paused = true)]
async fn of_a_thousand_calls_in_half_open_one_passes() {
    let breaker = tripped(BreakerLayer::new("x"));
    advance(secs(60)).await;
    let passed: Vec<_> = (0..1_000)
        .filter_map(|_| breaker.try_acquire().ok())
        .collect();
    assert_eq!(passed.len(), 1);
}

// tower-resilience 0.14: a success admitted before the trip closes half-open.
#[tokio::test(start_paused = true)]
async fn a_success_admitted_before_the_trip_does_not_close_it() {
    let breaker = BreakerLayer::new("x").failure_threshold(1).handle();
    let early = breaker.try_acquire().unwrap();
    fail(&breaker, 1);
    advance(secs(60)).await;
    let trial = breaker.try_acquire().unwrap();
    early.success();
    assert_eq!(breaker.state(), State::HalfOpen);
    drop(trial);
}

#[tokio::test(start_paused = true)]
async fn a_failure_admitted_before_the_trip_does_not_fail_the_trial() {
    let breaker = BreakerLayer::new("x").failure_threshold(1).handle();
    let early = breaker.try_acquire().unwrap();
    fail(&breaker, 1);
    advance(secs(60)).await;
    let trial = breaker.try_acquire().unwrap();
    early.failure();
    assert_eq!(breaker.state(), State::HalfOpen);
    trial.success();
    assert_eq!(breaker.state(), State::Closed);
}

// tower-resilience 0.14: a hung probe wedges half-open for ever.
#[tokio::test(start_paused = true)]
async fn a_trial_that_never_settles_loses_its_lease() {
    let events = Events::default();
    let breaker = tripped(
        BreakerLayer::new("x")
            .open_for(secs(45))
            .on_event(events.observer()),
    );
    advance(secs(45)).await;
    let hung = breaker.try_acquire().unwrap();
    advance(secs(44)).await;
    assert!(breaker.try_acquire().is_err(), "the lease is the open time");
    advance(secs(1)).await;
    let next = breaker.try_acquire().unwrap();
    assert!(events.take().contains(&"lease lost".to_owned()));
    assert_eq!(breaker.metrics().leases_lost, 1);
    assert_eq!(breaker.metrics().trials_in_flight, 1);
    hung.failure();
    assert_eq!(
        breaker.state(),
        State::HalfOpen,
        "a late result is discarded"
    );
    next.success();
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_thirty_seconds_at_least_and_can_be_set() {
    let breaker = tripped(BreakerLayer::new("x").open_for(secs(1)));
    advance(secs(1)).await;
    let hung = breaker.try_acquire().unwrap();
    advance(secs(29)).await;
    assert!(breaker.try_acquire().is_err());
    advance(secs(1)).await;
    let _next = breaker.try_acquire().unwrap();
    drop(hung);

    let breaker = tripped(BreakerLayer::new("x").trial_lease(secs(2)));
    advance(secs(60)).await;
    let _hung = breaker.try_acquire().unwrap();
    advance(secs(2)).await;
    assert!(breaker.try_acquire().is_ok());
}

// resilience4j #544: an ignored error leaks the permit.
#[tokio::test(start_paused = true)]
async fn an_ignored_trial_gives_its_permit_back() {
    let breaker = tripped(BreakerLayer::new("x"));
    advance(secs(60)).await;
    for _ in 0..100 {
        let trial = breaker.try_acquire().unwrap();
        trial.settle(Outcome::Ignored, None);
        assert_eq!(breaker.state(), State::HalfOpen);
    }
    breaker.try_acquire().unwrap().success();
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_trial_gives_its_permit_back() {
    let breaker = tripped(BreakerLayer::new("x"));
    advance(secs(60)).await;
    drop(breaker.try_acquire().unwrap());
    assert_eq!(breaker.metrics().trials_in_flight, 0);
    breaker.try_acquire().unwrap().success();
    assert_eq!(breaker.state(), State::Closed);
}

// resilience4j #1432: more trials than permitted, once earlier ones have settled.
#[tokio::test(start_paused = true)]
async fn trials_in_flight_never_exceed_their_number() {
    let breaker = tripped(BreakerLayer::new("x").trials(3).successes_to_close(1_000));
    advance(secs(60)).await;
    let mut held = Vec::new();
    for round in 0..300 {
        while let Ok(permit) = breaker.try_acquire() {
            held.push(permit);
        }
        assert_eq!(held.len(), 3, "in round {round}");
        match round % 3 {
            0 => held.remove(0).success(),
            1 => held.remove(1).ignore(),
            _ => drop(held.remove(2)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_open_time_grows_with_each_failed_trial_and_starts_anew_on_close() {
    let layer = BreakerLayer::new("x").open_for(secs(10)).open_growth(2.0);
    let breaker = tripped(layer.longest_open(secs(30)));
    for expected in [10, 20, 30, 30] {
        assert_eq!(breaker.retry_after(), Some(secs(expected)));
        advance(secs(expected)).await;
        breaker.try_acquire().unwrap().failure();
    }
    advance(secs(30)).await;
    breaker.try_acquire().unwrap().success();
    fail(&breaker, 1);
    assert_eq!(breaker.retry_after(), Some(secs(10)));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_asks_for_lengthens_the_open_time_up_to_the_cap() {
    for (asked, expected) in [(5, 60), (90, 90), (86_400, 600)] {
        let breaker = BreakerLayer::new("x").failure_threshold(1).handle();
        let permit = breaker.try_acquire().unwrap();
        permit.settle(Outcome::Overload, Some(secs(asked)));
        assert_eq!(
            breaker.retry_after(),
            Some(secs(expected)),
            "asked for {asked} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_ramp_lets_calls_back_in_by_degrees() {
    let breaker = tripped(BreakerLayer::new("x").ramp(secs(10)));
    advance(secs(60)).await;
    breaker.try_acquire().unwrap().success();
    assert_eq!(breaker.state(), State::Closed);
    let passed = |calls| (0..calls).filter(|_| breaker.try_acquire().is_ok()).count();
    // One at once, then a tenth; at half time 0.1 + 0.9 / 2 = 0.55.
    assert!((100..=102).contains(&passed(1_000)));
    let refused = (0..10).find_map(|_| breaker.try_acquire().err());
    assert_eq!(refused.unwrap().reason, Reason::Ramp);
    advance(secs(5)).await;
    assert!((548..=552).contains(&passed(1_000)));
    advance(secs(5)).await;
    assert_eq!(passed(1_000), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_failure_during_the_ramp_counts() {
    let breaker = tripped(BreakerLayer::new("x").ramp(secs(10)));
    advance(secs(60)).await;
    breaker.try_acquire().unwrap().success();
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open);
}
