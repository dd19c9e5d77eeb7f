//! Rates: windows that slide, slow calls, and what they cost.

use std::time::Duration;

use palisade_breaker::{BreakerHandle, BreakerLayer, RateWindow, State, WindowMetrics};
use proptest::prelude::*;

use crate::common::{advance, fail, secs, succeed};

fn over_calls(rate: f64, calls: u32) -> BreakerHandle {
    let layer = BreakerLayer::new("x").failure_rate(rate);
    layer.rate_window(RateWindow::calls(calls)).handle()
}

fn over_time(rate: f64, time: Duration) -> BreakerHandle {
    let layer = BreakerLayer::new("x").failure_rate(rate);
    layer.rate_window(RateWindow::time(time)).handle()
}

fn window(breaker: &BreakerHandle) -> WindowMetrics {
    breaker.metrics().window.unwrap()
}

// tower-resilience 0.14: 10,000 successes then 5,000 failures stay closed at 50 %, as its count window never slides.
#[tokio::test(start_paused = true)]
async fn a_window_of_calls_slides() {
    let breaker = over_calls(0.5, 100);
    succeed(&breaker, 10_000);
    fail(&breaker, 49);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open, "50 of the last 100");
}

#[tokio::test(start_paused = true)]
async fn a_window_of_time_slides() {
    let breaker = over_time(0.5, secs(64));
    succeed(&breaker, 1_000);
    advance(secs(60)).await;
    fail(&breaker, 30);
    assert_eq!(
        (window(&breaker).calls, window(&breaker).failed),
        (1_030, 30)
    );
    advance(secs(4)).await;
    assert_eq!((window(&breaker).calls, window(&breaker).failed), (30, 30));
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open, "31 of 31");
}

#[tokio::test(start_paused = true)]
async fn without_a_rate_there_is_no_window() {
    let has_window = |layer: BreakerLayer| layer.handle().metrics().window.is_some();
    assert!(!has_window(BreakerLayer::new("x")));
    assert!(!has_window(BreakerLayer::new("x").consecutive_failures(5)));
    assert!(has_window(BreakerLayer::new("x").failure_rate(0.5)));
    assert!(has_window(
        BreakerLayer::new("x").slow_call_rate(0.5, secs(2))
    ));
}

#[tokio::test(start_paused = true)]
async fn no_rate_counts_before_the_minimum_of_calls() {
    let breaker = over_calls(0.5, 100);
    fail(&breaker, 19);
    assert_eq!(breaker.state(), State::Closed);
    // The twentieth need not fail itself.
    succeed(&breaker, 1);
    assert_eq!(breaker.state(), State::Open, "19 of 20");
}

#[tokio::test(start_paused = true)]
async fn a_window_smaller_than_the_minimum_must_be_full() {
    let breaker = over_calls(1.0, 3);
    fail(&breaker, 2);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn the_window_is_empty_after_closing() {
    let breaker = over_calls(0.5, 100);
    fail(&breaker, 20);
    advance(secs(60)).await;
    succeed(&breaker, 1);
    assert_eq!(window(&breaker).calls, 0);
    fail(&breaker, 19);
    assert_eq!(breaker.state(), State::Closed);
}

async fn slow(breaker: &BreakerHandle, calls: u32, takes: Duration) {
    for _ in 0..calls {
        let permit = breaker.try_acquire().unwrap();
        advance(takes).await;
        permit.success();
    }
}

fn slow_calls() -> BreakerHandle {
    let layer = BreakerLayer::new("x").slow_call_rate(0.5, secs(2));
    layer.rate_window(RateWindow::calls(10)).handle()
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it_by_their_share() {
    let breaker = slow_calls();
    slow(&breaker, 6, Duration::from_millis(1_999)).await;
    slow(&breaker, 4, secs(2)).await;
    assert_eq!(window(&breaker).slow, 4);
    assert_eq!(breaker.state(), State::Closed);
    slow(&breaker, 1, secs(2)).await;
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn with_a_slow_call_rate_failures_are_still_counted_exactly() {
    let breaker = slow_calls();
    succeed(&breaker, 100);
    fail(&breaker, 5);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_after_the_bound_counts_as_slow_and_before_it_not_at_all() {
    let breaker = slow_calls();
    for (held, slow) in [(1, 0), (2, 1), (5, 2)] {
        let permit = breaker.try_acquire().unwrap();
        advance(secs(held)).await;
        drop(permit);
        assert_eq!(
            (window(&breaker).calls, window(&breaker).slow),
            (slow, slow)
        );
    }
    assert_eq!(breaker.metrics().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_that_is_dropped_does_not_break_a_row_of_failures() {
    let layer = BreakerLayer::new("x").slow_call_rate(0.9, secs(2));
    let breaker = layer.consecutive_failures(3).handle();
    fail(&breaker, 2);
    let permit = breaker.try_acquire().unwrap();
    advance(secs(3)).await;
    drop(permit);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_slow_trial_fails() {
    let breaker = slow_calls();
    fail(&breaker, 5);
    advance(secs(60)).await;
    slow(&breaker, 1, secs(2)).await;
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.retry_after(), Some(secs(60)));
}

/// Each call again, from the first: what the window of calls must answer.
fn naive_calls(calls: &[bool], size: usize) -> (u64, u64) {
    let window = &calls[calls.len().saturating_sub(size)..];
    let failed = window.iter().filter(|failed| **failed).count();
    (window.len() as u64, failed as u64)
}

proptest! {
    #[test]
    fn a_window_of_calls_holds_the_last_calls(calls in prop::collection::vec(any::<bool>(), 0..400), size in 1_u32..50) {
        // Metrics-only never trips, and a rate of 1 with a minimum out of reach clears nothing.
        let layer = BreakerLayer::new("x").metrics_only().failure_rate(1.0).minimum_calls(u32::MAX);
        let breaker = layer.rate_window(RateWindow::calls(size)).handle();
        for (at, failed) in calls.iter().enumerate() {
            let all_failed = calls[..=at].iter().rev().take(size as usize).all(|failed| *failed);
            if at + 1 >= size as usize && all_failed {
                return Ok(());
            }
            let permit = breaker.try_acquire().unwrap();
            if *failed { permit.failure() } else { permit.success() }
            let window = window(&breaker);
            prop_assert_eq!((window.calls, window.failed), naive_calls(&calls[..=at], size as usize));
        }
    }

    /// Every counted call lies within the window, and everything younger than 63 of its 64 slices is counted.
    #[test]
    fn a_window_of_time_holds_what_is_young_and_nothing_that_is_old(
        steps in prop::collection::vec((0_u64..4_000, any::<bool>()), 1..300),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let layer = BreakerLayer::new("x").metrics_only().failure_rate(1.0).minimum_calls(u32::MAX);
            let breaker = layer.rate_window(RateWindow::time(Duration::from_millis(6_400))).handle();
            let mut now = 0;
            let mut calls: Vec<(u64, bool)> = Vec::new();
            for (wait, failed) in steps {
                advance(Duration::from_millis(wait)).await;
                now += wait;
                let permit = breaker.try_acquire().unwrap();
                if failed { permit.failure() } else { permit.success() }
                calls.push((now, failed));
                let within = |age: u64| calls.iter().filter(|(at, _)| now - at < age).count() as u64;
                let counted = window(&breaker).calls;
                prop_assert!(counted <= within(6_400), "{counted} counted of {} within the window", within(6_400));
                prop_assert!(counted >= within(6_300), "{counted} counted of {} well within it", within(6_300));
            }
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_began_with_its_breaker_is_as_long_as_any() {
    let layer = BreakerLayer::new("x").slow_call_rate(1.0, secs(2));
    let breaker = layer.handle();
    let permit = breaker.try_acquire().unwrap();
    advance(secs(2)).await;
    permit.success();
    assert_eq!((window(&breaker).calls, window(&breaker).slow), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_met_exactly_at_its_threshold() {
    // As written and as counted: 7 % of 100 is 7, though 0.07 * 100.0 is more.
    for (percent, of) in (1..=100).flat_map(|percent| [10, 20, 25, 50, 100].map(|of| (percent, of)))
    {
        if percent * of % 100 != 0 {
            continue;
        }
        let failures = percent * of / 100;
        let rate: f64 = format!("0.{percent:02}").parse().unwrap();
        let rate = if percent == 100 { 1.0 } else { rate };
        let layer = BreakerLayer::new("x").failure_rate(rate).minimum_calls(of);
        let breaker = layer.rate_window(RateWindow::calls(of)).handle();
        // All but one, and then the one that makes it so many.
        succeed(&breaker, of - failures);
        fail(&breaker, failures - 1);
        assert_eq!(breaker.state(), State::Closed, "{percent} % of {of}");
        fail(&breaker, 1);
        assert_eq!(breaker.state(), State::Open, "{percent} % of {of}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_of_more_calls_than_it_may_hold_trips_all_the_same() {
    let layer = BreakerLayer::new("x")
        .failure_rate(0.5)
        .minimum_calls(2_000_000);
    let breaker = layer.rate_window(RateWindow::calls(2_000_000)).handle();
    fail(&breaker, 1_048_575);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open);
}
