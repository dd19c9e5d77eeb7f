//! Calls that open a breaker, and calls that do not.

use palisade_breaker::{BreakerLayer, Outcome, PeerTrust, RateWindow, Reason, State};

use crate::common::{Events, advance, fail, secs, settle, succeed};

#[tokio::test(start_paused = true)]
async fn five_failures_within_a_minute_open_it() {
    let breaker = BreakerLayer::new("x").handle();
    for _ in 0..4 {
        fail(&breaker, 1);
        advance(secs(14)).await;
    }
    succeed(&breaker, 1_000);
    assert_eq!(breaker.state(), State::Closed);
    // The fifth comes 56 s after the first.
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_failure_as_old_as_the_window_counts_no_more() {
    let breaker = BreakerLayer::new("x").handle();
    fail(&breaker, 1);
    advance(secs(59)).await;
    fail(&breaker, 3);
    advance(secs(1)).await;
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Closed, "the first is 60 s old");
    assert_eq!(breaker.metrics().failures, 4);
    advance(secs(58)).await;
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open, "five within 59 s");
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_and_says_for_how_long() {
    let breaker = BreakerLayer::new("billing").open_for(secs(60)).handle();
    fail(&breaker, 5);
    advance(secs(20)).await;
    let rejected = breaker.try_acquire().unwrap_err();
    assert_eq!(rejected.name.as_str(), "billing");
    assert_eq!(rejected.retry_after, Some(secs(40)));
    assert_eq!(rejected.state, State::Open);
    assert_eq!(rejected.reason, Reason::Open);
    assert_eq!(breaker.retry_after(), Some(secs(40)));
    assert_eq!(breaker.metrics().rejected, 1);
}

#[tokio::test(start_paused = true)]
async fn ignored_outcomes_count_neither_way() {
    let breaker = BreakerLayer::new("x").consecutive_failures(3).handle();
    fail(&breaker, 2);
    settle(&breaker, Outcome::Ignored);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn overload_counts_as_a_failure() {
    let breaker = BreakerLayer::new("x").failure_threshold(1).handle();
    settle(&breaker, Outcome::Overload);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_open_it_and_a_success_starts_anew() {
    let breaker = BreakerLayer::new("x").consecutive_failures(3).handle();
    fail(&breaker, 2);
    succeed(&breaker, 1);
    fail(&breaker, 2);
    assert_eq!(breaker.state(), State::Closed);
    advance(secs(86_400)).await;
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open, "a row knows no time");
}

#[tokio::test(start_paused = true)]
async fn a_threshold_of_nothing_is_one() {
    let breaker = BreakerLayer::new("x").failure_threshold(0).handle();
    succeed(&breaker, 10);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn times_of_nothing_leave_the_defaults() {
    let zero = std::time::Duration::ZERO;
    let layer = BreakerLayer::new("x").window(zero).open_for(zero);
    let breaker = layer.trial_lease(zero).handle();
    fail(&breaker, 4);
    advance(secs(59)).await;
    fail(&breaker, 1);
    assert_eq!(breaker.retry_after(), Some(secs(60)));
    advance(secs(60)).await;
    let trial = breaker.try_acquire().unwrap();
    advance(secs(59)).await;
    assert!(breaker.try_acquire().is_err(), "it still has its lease");
    trial.success();

    let slow = BreakerLayer::new("x").slow_call_rate(0.5, zero).handle();
    succeed(&slow, 100);
    assert_eq!(slow.state(), State::Closed);
    let rated = BreakerLayer::new("x")
        .failure_rate(0.5)
        .rate_window(RateWindow::time(zero))
        .handle();
    succeed(&rated, 10);
    advance(secs(58)).await;
    fail(&rated, 10);
    assert_eq!(rated.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ahead_wedges_nothing() {
    const CENTURY: std::time::Duration = secs(100 * 365 * 86_400);
    let layers = || {
        [
            BreakerLayer::new("x").failure_threshold(2),
            BreakerLayer::new("x").failure_rate(0.5).minimum_calls(2),
            BreakerLayer::new("x")
                .consecutive_failures(2)
                .slow_call_rate(0.9, secs(1))
                .ramp(secs(60)),
        ]
    };
    for breaker in layers().map(|layer| layer.handle()) {
        let early = breaker.try_acquire().unwrap();
        advance(CENTURY).await;
        early.failure();
        fail(&breaker, 1);
        assert_eq!(breaker.state(), State::Open);
        advance(CENTURY).await;
        assert_eq!(breaker.retry_after(), None);
        let hung = breaker.try_acquire().unwrap();
        advance(CENTURY).await;
        succeed(&breaker, 1);
        hung.failure();
        assert_eq!(breaker.state(), State::Closed);
        advance(CENTURY).await;
        succeed(&breaker, 10);
        assert_eq!(
            (breaker.state(), breaker.metrics().failures),
            (State::Closed, 0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_from_before_a_reset_does_not_count_after_it() {
    let breaker = BreakerLayer::new("x").failure_threshold(1).handle();
    let late = breaker.try_acquire().unwrap();
    breaker.reset();
    late.failure();
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn metrics_only_counts_and_tells_and_refuses_nothing() {
    let events = Events::default();
    let layer = BreakerLayer::new("x").metrics_only();
    let breaker = layer.on_event(events.observer()).handle();
    fail(&breaker, 7);
    assert_eq!(breaker.state(), State::MetricsOnly);
    assert_eq!(events.take(), ["would trip"]);
    assert_eq!(breaker.metrics().failures, 5, "as many as a trip needs");
    breaker.reset();
    fail(&breaker, 5);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn off_lets_everything_through_and_counts_nothing() {
    let breaker = BreakerLayer::new("x").off().handle();
    fail(&breaker, 100);
    assert_eq!(breaker.state(), State::Disabled);
    assert_eq!(breaker.metrics().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn the_handle_forces_disables_and_resets() {
    let events = Events::default();
    let breaker = BreakerLayer::new("x").on_event(events.observer()).handle();
    breaker.force_open();
    let rejected = breaker.try_acquire().unwrap_err();
    assert_eq!(
        (rejected.reason, rejected.retry_after),
        (Reason::Forced, None)
    );
    advance(secs(86_400)).await;
    assert!(breaker.try_acquire().is_err(), "until somebody resets it");
    breaker.disable();
    fail(&breaker, 100);
    breaker.reset();
    succeed(&breaker, 1);
    assert_eq!(
        events.take(),
        [
            "closed to forced_open: manual",
            "rejected: forced",
            "rejected: forced",
            "forced_open to disabled: manual",
            "disabled to closed: manual",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn absurd_settings_do_not_panic() {
    let forever = std::time::Duration::MAX;
    for layer in [
        BreakerLayer::new("x")
            .open_for(forever)
            .longest_open(forever),
        BreakerLayer::new("x")
            .window(forever)
            .trial_lease(forever)
            .ramp(forever),
        BreakerLayer::new("x")
            .open_for(std::time::Duration::ZERO)
            .window(std::time::Duration::ZERO),
        BreakerLayer::new("x")
            .open_growth(f64::NAN)
            .open_jitter(f64::INFINITY),
        BreakerLayer::new("x")
            .failure_rate(f64::NAN)
            .minimum_calls(0),
        BreakerLayer::new("x")
            .failure_rate(-1.0)
            .slow_call_rate(f64::NEG_INFINITY, forever),
        BreakerLayer::new("x")
            .trials(u32::MAX)
            .successes_to_close(0),
    ] {
        let breaker = layer.handle();
        for _ in 0..3 {
            for _ in 0..30 {
                if let Ok(permit) = breaker.try_acquire() {
                    permit.settle(Outcome::Failure, Some(forever));
                }
            }
            advance(secs(86_400)).await;
            if let Ok(permit) = breaker.try_acquire() {
                permit.success();
            }
            let _ = (
                breaker.retry_after(),
                breaker.metrics(),
                format!("{breaker:?}"),
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_advice_of_a_peer_one_failure_trips() {
    let breaker = BreakerLayer::new("x").handle();
    breaker.peer_opened(secs(30), PeerTrust::Advisory);
    succeed(&breaker, 10);
    assert_eq!(breaker.state(), State::Closed);
    breaker.peer_closed();
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Closed, "the peer has recovered");
    breaker.peer_opened(secs(30), PeerTrust::Advisory);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open);
    advance(secs(60)).await;
    succeed(&breaker, 1);
    fail(&breaker, 4);
    assert_eq!(breaker.state(), State::Closed, "the advice is used up");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_believed_at_once_opens_it_for_as_long() {
    let breaker = BreakerLayer::new("x").handle();
    breaker.peer_opened(secs(30), PeerTrust::Immediate);
    assert_eq!(breaker.retry_after(), Some(secs(30)));
    breaker.peer_opened(secs(10), PeerTrust::Immediate);
    assert_eq!(breaker.retry_after(), Some(secs(30)), "never shortened");
    breaker.peer_opened(secs(45), PeerTrust::Immediate);
    assert_eq!(breaker.retry_after(), Some(secs(45)));
    breaker.disable();
    breaker.peer_opened(secs(45), PeerTrust::Immediate);
    assert_eq!(breaker.state(), State::Disabled);
}

#[tokio::test(start_paused = true)]
async fn several_rules_hold_at_once() {
    let layer = || {
        BreakerLayer::new("x")
            .failure_threshold(6)
            .window(secs(10))
            .consecutive_failures(4)
            .failure_rate(0.5)
            .minimum_calls(8)
    };
    let in_a_row = layer().handle();
    fail(&in_a_row, 3);
    assert_eq!(in_a_row.state(), State::Closed);
    fail(&in_a_row, 1);
    assert_eq!(in_a_row.state(), State::Open);

    let rated = layer().handle();
    for _ in 0..4 {
        assert_eq!(rated.state(), State::Closed);
        fail(&rated, 1);
        advance(secs(11)).await;
        succeed(&rated, 1);
    }
    assert_eq!(
        rated.state(),
        State::Open,
        "4 of 8, never 4 in a row nor 6 in 10 s"
    );

    let counted = layer().handle();
    succeed(&counted, 100);
    for _ in 0..6 {
        assert_eq!(counted.state(), State::Closed);
        succeed(&counted, 1);
        fail(&counted, 1);
    }
    assert_eq!(counted.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_window_set_beside_a_rate_does_not_bring_the_default_rule_back() {
    let layer = BreakerLayer::new("x").failure_rate(0.5).window(secs(60));
    let breaker = layer.handle();
    succeed(&breaker, 100);
    fail(&breaker, 50);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker, 50);
    assert_eq!(breaker.state(), State::Open);
}
