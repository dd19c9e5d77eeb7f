use std::time::Duration;

use palisade_breaker::{BreakerHandle, BreakerLayer, Outcome, RateWindow, State, from_fn, key_fn};
use tower::{Layer, ServiceExt, service_fn};

use crate::common::{Events, advance, fail, secs, succeed};

fn layer() -> BreakerLayer {
    BreakerLayer::new("ledger")
}

/// A call that takes this long and succeeds.
async fn lasts(breaker: &BreakerHandle, time: Duration) {
    let permit = breaker.try_acquire().unwrap();
    advance(time).await;
    permit.success();
}

crate::table! { "## From resilience4j":

"`slidingWindowType(COUNT_BASED)`, `slidingWindowSize(100)`" => a_window_of_calls {
    let breaker = layer().failure_rate(0.5).rate_window(RateWindow::calls(100)).handle();
    succeed(&breaker, 500);
    fail(&breaker, 49);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open);
}

"`slidingWindowType(TIME_BASED)`, `slidingWindowSize(60)`" => a_window_of_time {
    let rate = || layer().failure_rate(0.5);
    for layer in [rate(), rate().rate_window(RateWindow::time(secs(60)))] {
        let breaker = layer.handle();
        succeed(&breaker, 1_000);
        advance(secs(61)).await;
        fail(&breaker, 19);
        assert_eq!(breaker.metrics().window.unwrap().calls, 19);
        fail(&breaker, 1);
        assert_eq!(breaker.state(), State::Open);
    }
}

"`minimumNumberOfCalls(20)`" => a_minimum_of_calls {
    let rate = || layer().failure_rate(0.5);
    for (layer, minimum) in [(rate(), 20), (rate().minimum_calls(20), 20), (rate().minimum_calls(7), 7)] {
        let breaker = layer.handle();
        fail(&breaker, minimum - 1);
        assert_eq!(breaker.state(), State::Closed);
        fail(&breaker, 1);
        assert_eq!(breaker.state(), State::Open);
    }
}

"`failureRateThreshold(50)`" => a_failure_rate {
    for (failures, state) in [(9, State::Closed), (10, State::Open)] {
        let breaker = layer().failure_rate(0.5).handle();
        succeed(&breaker, 20 - failures);
        fail(&breaker, failures);
        assert_eq!(breaker.state(), state);
    }
}

"`slowCallDurationThreshold`, `slowCallRateThreshold(80)`" => a_rate_of_slow_calls {
    for (slow, state) in [(15, State::Closed), (16, State::Open)] {
        let breaker = layer().slow_call_rate(0.8, secs(2)).handle();
        for _ in 0..20 - slow {
            lasts(&breaker, Duration::from_millis(1_999)).await;
        }
        for _ in 0..slow {
            lasts(&breaker, secs(2)).await;
        }
        assert_eq!(breaker.state(), state);
    }
}

"`waitDurationInOpenState`" => the_open_time {
    let breaker = layer().open_for(secs(42)).handle();
    fail(&breaker, 5);
    assert_eq!(breaker.retry_after(), Some(secs(42)));
    advance(secs(42)).await;
    assert!(breaker.try_acquire().unwrap().is_trial());
}

"`waitIntervalFunctionInOpenState(f)`" => the_open_time_by_a_function {
    let breaker = layer().open_time(|opening| secs(10) * opening).handle();
    fail(&breaker, 5);
    assert_eq!(breaker.retry_after(), Some(secs(10)));
    advance(secs(10)).await;
    fail(&breaker, 1);
    assert_eq!(breaker.retry_after(), Some(secs(20)));
}

"`permittedNumberOfCallsInHalfOpenState(10)` with `failureRateThreshold(50)`" => ten_trials_and_their_rate {
    for (failures, state) in [(4, State::Closed), (5, State::Open)] {
        let breaker = layer().trial_success_rate(0.6, 10).trials(10).handle();
        breaker.open_for(secs(1));
        advance(secs(1)).await;
        let trials: Vec<_> = (0..10).map(|_| breaker.try_acquire().unwrap()).collect();
        assert!(breaker.try_acquire().is_err());
        for (number, trial) in trials.into_iter().enumerate() {
            if number < failures { trial.failure() } else { trial.success() }
        }
        assert_eq!(breaker.state(), state, "{failures} of 10 failed");
    }
}

"`maxWaitDurationInHalfOpenState`" => a_trial_that_hangs {
    let breaker = layer().trial_lease(secs(5)).handle();
    breaker.open_for(secs(1));
    advance(secs(1)).await;
    let hangs = breaker.try_acquire().unwrap();
    advance(Duration::from_millis(4_999)).await;
    assert!(breaker.try_acquire().is_err());
    advance(Duration::from_millis(1)).await;
    breaker.try_acquire().unwrap().success();
    hangs.failure();
    assert_eq!(breaker.state(), State::Closed);
}

"`initialState(OPEN)`" => it_begins_open {
    assert_eq!(layer().begin_open().handle().state(), State::Open);
}

"`ignoreExceptions(..)`, `recordExceptions(..)`" => errors_that_count_and_those_that_do_not {
    let layer = layer().failure_threshold(1).classify(from_fn(
        |result: Result<&u32, &&str>| match result {
            Ok(_) => Outcome::Success,
            Err(&"not mine") => Outcome::Ignored,
            Err(_) => Outcome::Failure,
        },
    ));
    let breaker = layer.handle();
    for (error, state) in [("not mine", State::Closed), ("broken", State::Open)] {
        let service = layer.layer(service_fn(move |_: ()| async move { Err::<u32, _>(error) }));
        assert!(service.oneshot(()).await.is_err());
        assert_eq!(breaker.state(), state);
    }
}

"`transitionToForcedOpenState()`, `transitionToDisabledState()`, `transitionToMetricsOnlyState()`" => states_by_hand {
    let breaker = layer().failure_threshold(1).handle();
    breaker.force_open();
    advance(secs(100_000)).await;
    assert!(breaker.try_acquire().is_err());
    breaker.disable();
    fail(&breaker, 10);
    assert_eq!(breaker.state(), State::Disabled);
    breaker.metrics_only();
    fail(&breaker, 10);
    assert_eq!((breaker.state(), breaker.metrics().failures > 0), (State::MetricsOnly, true));
}

"`transitionToOpenStateFor(..)`" => open_for_a_while_by_hand {
    let breaker = layer().handle();
    breaker.open_for(secs(900));
    advance(secs(899)).await;
    assert!(breaker.try_acquire().is_err());
    advance(secs(1)).await;
    assert!(breaker.try_acquire().unwrap().is_trial());
}

"`getEventPublisher().onEvent(..)`" => events {
    let (one, other) = (Events::default(), Events::default());
    let layer = layer().on_event(one.observer()).on_event(other.observer());
    fail(&layer.handle(), 5);
    assert_eq!(one.take(), ["closed to open: tripped"]);
    assert_eq!(other.take(), ["closed to open: tripped"]);
}

"`CircuitBreakerRegistry` by name" => breakers_by_key {
    let layer = layer().keyed(key_fn(|server: &String| Some(server.clone()))).most_keys(2);
    let handle = layer.handle();
    handle.breaker_or_new("a").unwrap().force_open();
    assert_eq!(handle.breaker_or_new("b").unwrap().state(), State::Closed);
    assert_eq!(handle.breaker("a").unwrap().state(), State::ForcedOpen);
    assert!(handle.breaker_or_new("c").is_some());
    assert_eq!(handle.keys(), 2);
}

}
