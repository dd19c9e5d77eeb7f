//! The way of an open breaker back to closed.

use palisade_breaker::{BreakerHandle, BreakerLayer, Outcome, Reason, State};

use crate::common::{Events, advance, fail, secs, succeed};

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

#[tokio::test(start_paused = true)]
async fn a_share_of_the_trials_decides_as_soon_as_it_is_sure() {
    let layer = BreakerLayer::new("x").failure_threshold(1);
    let breaker = layer.trial_success_rate(0.8, 10).handle();
    let trial = |well: bool| {
        let permit = breaker.try_acquire().unwrap();
        assert!(permit.is_trial());
        if well {
            permit.success();
        } else {
            permit.failure();
        }
    };
    // Eight of ten, by hand: closed at the eighth success, open at the third failure.
    for (trials, state) in [
        ("++++++++", State::Closed),
        ("+++++++-", State::HalfOpen),
        ("-+-+++++++", State::Closed),
        ("++-+++-+-", State::Open),
        ("---", State::Open),
        ("--", State::HalfOpen),
    ] {
        breaker.reset();
        fail(&breaker, 1);
        advance(secs(60)).await;
        for outcome in trials.chars() {
            trial(outcome == '+');
        }
        assert_eq!(breaker.state(), state, "{trials}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_of_the_trials_is_exact() {
    // The least number of successes, by hand.
    for (rate, of, needed) in [
        (0.07, 100, 7),
        (0.55, 20, 11),
        (0.5, 3, 2),
        (1.0, 5, 5),
        (0.3, 4, 2),
    ] {
        let layer = BreakerLayer::new("x").failure_threshold(1);
        let breaker = layer.trial_success_rate(rate, of).handle();
        fail(&breaker, 1);
        advance(secs(60)).await;
        succeed(&breaker, needed - 1);
        assert_eq!(breaker.state(), State::HalfOpen, "{rate} of {of}");
        succeed(&breaker, 1);
        assert_eq!(breaker.state(), State::Closed, "{rate} of {of}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_open_time_can_be_a_function_of_the_openings() {
    let layer = BreakerLayer::new("x")
        .failure_threshold(1)
        .open_time(|opening| match opening {
            1 => secs(5),
            2 => secs(30),
            3 => secs(10_000),
            4 => secs(0),
            _ => panic!("on purpose"),
        });
    let breaker = layer.handle();
    // Bounded by the longest open time, and as without it where it is no time.
    for open_for in [5, 30, 600, 60, 60] {
        fail(&breaker, 1);
        assert_eq!(breaker.retry_after(), Some(secs(open_for)));
        advance(secs(open_for)).await;
    }
    succeed(&breaker, 1);
    fail(&breaker, 1);
    assert_eq!(breaker.retry_after(), Some(secs(5)), "closed in between");
}

#[tokio::test(start_paused = true)]
async fn a_person_can_open_it_for_a_while() {
    let events = Events::default();
    let breaker = BreakerLayer::new("x").on_event(events.observer()).handle();
    breaker.open_for(secs(900));
    assert_eq!(breaker.retry_after(), Some(secs(900)));
    assert!(breaker.try_acquire().is_err());
    advance(secs(900)).await;
    succeed(&breaker, 1);
    assert_eq!(breaker.state(), State::Closed);
    let told = events.take();
    assert_eq!(told[0], "closed to open: manual");
    assert_eq!(told.last().unwrap(), "half_open to closed: recovered");
    // From any state, and for longer or shorter than before.
    breaker.force_open();
    breaker.open_for(secs(60));
    breaker.open_for(secs(30));
    assert_eq!(
        (breaker.state(), breaker.retry_after()),
        (State::Open, Some(secs(30)))
    );
    breaker.open_for(std::time::Duration::MAX);
    assert!(breaker.try_acquire().is_err());
}

#[tokio::test(start_paused = true)]
async fn it_can_begin_open() {
    let events = Events::default();
    let layer = BreakerLayer::new("x").begin_open().open_for(secs(10));
    let breaker = layer.on_event(events.observer()).handle();
    assert_eq!(
        (breaker.state(), breaker.retry_after()),
        (State::Open, Some(secs(10)))
    );
    assert!(breaker.try_acquire().is_err());
    advance(secs(10)).await;
    assert!(breaker.try_acquire().unwrap().is_trial());
    assert_eq!(
        events.take(),
        ["rejected: open", "open to half_open: time_over", "trial"]
    );
    let keyed = BreakerLayer::new("x").begin_open();
    let keyed = keyed.keyed(palisade_breaker::key_fn(|key: &u32| Some(key.to_string())));
    assert_eq!(
        keyed.handle().breaker_or_new("1").unwrap().state(),
        State::Closed
    );
}
