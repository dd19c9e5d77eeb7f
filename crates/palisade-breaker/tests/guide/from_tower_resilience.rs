use std::time::Duration;

use http::{Request, Response};
use palisade_breaker::{BreakerLayer, Outcome, RateWindow, State, from_fn};
use tower::{Layer, ServiceExt, service_fn};

use crate::common::{Events, advance, fail, secs, succeed};

fn layer() -> BreakerLayer {
    BreakerLayer::new("x")
}

crate::table! { "## From tower-resilience":

"`CircuitBreakerLayer::builder().name(\"x\").build()?`" => a_layer_by_name {
    let answers_500 = || service_fn(|_: Request<()>| async {
        Ok::<_, std::io::Error>(Response::builder().status(500).body(String::new()).unwrap())
    });
    let (any, http) = (layer().failure_threshold(1), BreakerLayer::http("x").failure_threshold(1));
    let grpc = BreakerLayer::grpc("x").failure_threshold(1);
    for _ in 0..2 {
        let _ = any.layer(answers_500()).oneshot(Request::new(())).await;
        let _ = http.layer(answers_500()).oneshot(Request::new(())).await;
        let _ = grpc.layer(answers_500()).oneshot(Request::new(())).await;
    }
    let states = [any.handle(), http.handle(), grpc.handle()].map(|breaker| breaker.state());
    assert_eq!(states, [State::Closed, State::Open, State::Open]);
    assert_eq!(any.handle().name().as_str(), "x");
}

"`failure_rate_threshold(0.5)`, `sliding_window_size(100)`" => a_rate_over_calls {
    let breaker = layer().failure_rate(0.5).rate_window(RateWindow::calls(100)).handle();
    succeed(&breaker, 1_000);
    fail(&breaker, 49);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open);
}

"`failure_classifier(f)`" => a_closure_that_judges {
    let layer = layer().failure_threshold(1).classify(from_fn(
        |result: Result<&i32, &std::io::Error>| match result {
            Ok(0..) => Outcome::Success,
            _ => Outcome::Failure,
        },
    ));
    for (answer, state) in [(1, State::Closed), (-1, State::Open)] {
        let service = layer.layer(service_fn(move |()| async move { Ok::<i32, std::io::Error>(answer) }));
        assert_eq!(service.oneshot(()).await.unwrap(), answer);
        assert_eq!(layer.handle().state(), state);
    }
}

"`minimum_number_of_calls(20)`, `wait_duration_in_open(..)`" => a_minimum_and_an_open_time {
    let breaker = layer().failure_rate(0.5).minimum_calls(20).open_for(secs(30)).handle();
    fail(&breaker, 19);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.retry_after(), Some(secs(30)));
}

"`slow_call_duration_threshold(..)`, `slow_call_rate_threshold(0.8)`" => a_rate_of_slow_calls {
    let breaker = layer().slow_call_rate(0.8, secs(1)).handle();
    for call in 0..20 {
        assert_eq!(breaker.state(), State::Closed);
        let permit = breaker.try_acquire().unwrap();
        advance(if call < 4 { Duration::from_millis(999) } else { secs(1) }).await;
        permit.success();
    }
    assert_eq!(breaker.state(), State::Open);
}

"`consecutive_failures(5)`, instead of a rate" => failures_in_a_row_beside_a_rate {
    let both = || layer().consecutive_failures(5).failure_rate(0.5);
    let row = both().handle();
    succeed(&row, 100);
    fail(&row, 4);
    assert_eq!(row.state(), State::Closed);
    fail(&row, 1);
    assert_eq!(row.state(), State::Open);
    let rate = both().handle();
    for _ in 0..10 {
        assert_eq!(rate.state(), State::Closed);
        succeed(&rate, 1);
        fail(&rate, 1);
    }
    assert_eq!(rate.state(), State::Open);
}

"`permitted_calls_in_half_open(3)`" => three_trials {
    let breaker = layer().trials(3).successes_to_close(3).handle();
    breaker.open_for(secs(1));
    advance(secs(1)).await;
    let trials: Vec<_> = (0..3).map(|_| breaker.try_acquire().unwrap()).collect();
    assert!(breaker.try_acquire().is_err());
    for trial in trials {
        assert_eq!(breaker.state(), State::HalfOpen);
        trial.success();
    }
    assert_eq!(breaker.state(), State::Closed);
}

"`on_state_transition`, `on_call_rejected`, ..." => one_observer_of_everything {
    let events = Events::default();
    let breaker = layer().on_event(events.observer()).handle();
    fail(&breaker, 5);
    assert!(breaker.try_acquire().is_err());
    assert_eq!(events.take(), ["closed to open: tripped", "rejected: open"]);
}

"`with_fallback(..)`" => a_fallback {
    let layer = layer().fallback(|request: u8, _| Ok::<_, &str>(format!("stale {request}")));
    layer.handle().force_open();
    let service = layer.layer(service_fn(|_: u8| async { Err::<String, &str>("called") }));
    assert_eq!(service.oneshot(7).await, Ok("stale 7".to_owned()));
}

"one breaker for each `.layer(..)` call" => one_breaker_for_each_layer {
    let layer = layer().failure_threshold(2);
    let fails = || service_fn(|()| async { Err::<(), _>("broken") });
    let services = [layer.layer(fails()), layer.clone().layer(fails())];
    for service in services {
        let _ = service.oneshot(()).await;
    }
    assert_eq!(layer.handle().state(), State::Open);
}

}
