//! The guarded service: readiness, sharing, what a caller gets.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::FutureExt;
use palisade_breaker::{BreakerError, BreakerLayer, Reason, State};
use tower::{Layer, Service, ServiceExt};

use crate::common::{Scripted, advance, secs};

const DOWN: Result<u8, &str> = Err("down");

async fn ready<S: Service<()>>(service: &mut S) -> &mut S
where
    S::Error: std::fmt::Debug,
{
    service.ready().await.unwrap()
}

async fn call<S: Service<()>>(service: &mut S) -> Result<S::Response, S::Error> {
    service.ready().await?.call(()).await
}

#[tokio::test(start_paused = true)]
async fn answers_and_errors_pass_through() {
    let service = Scripted::new([Ok(1), DOWN]);
    let mut guarded = BreakerLayer::new("x").layer(service);
    assert_eq!(call(&mut guarded).await, Ok(1));
    assert_eq!(call(&mut guarded).await, Err(BreakerError::Inner("down")));
}

#[tokio::test(start_paused = true)]
async fn while_open_the_inner_service_is_not_even_polled() {
    let service = Scripted::new([DOWN; 5]);
    let script = service.shared.clone();
    let mut guarded = BreakerLayer::new("x").layer(service);
    for _ in 0..5 {
        assert!(call(&mut guarded).await.is_err());
    }
    // Even one that will never be ready again.
    script.set_ready(Poll::Pending);
    let polls = script.polls();
    for _ in 0..10 {
        let refused = call(&mut guarded).now_or_never().unwrap().unwrap_err();
        let rejected = refused.rejected().unwrap();
        assert_eq!(
            (rejected.reason, rejected.retry_after),
            (Reason::Open, Some(secs(60)))
        );
    }
    assert_eq!((script.polls(), script.calls()), (polls, 5));
    assert_eq!(guarded.handle().metrics().rejected, 10);
}

#[tokio::test(start_paused = true)]
async fn a_call_after_the_open_time_is_never_made_on_an_unready_service() {
    let service = Scripted::new([DOWN, Ok(1)]);
    let script = service.shared.clone();
    let mut guarded = BreakerLayer::new("x").failure_threshold(1).layer(service);
    assert!(call(&mut guarded).await.is_err());
    ready(&mut guarded).await;
    // The open time ends between `poll_ready` and `call`; the script panics if it is called now.
    advance(secs(60)).await;
    assert!(guarded.call(()).await.is_err());
    assert_eq!(script.calls(), 1);
    assert_eq!(call(&mut guarded).await, Ok(1));
    assert_eq!(guarded.handle().state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_poll_ready_is_refused() {
    let service = Scripted::new([Ok(1)]);
    let mut guarded = BreakerLayer::new("x").layer(service);
    let refused = guarded.call(()).await.unwrap_err();
    assert_eq!(refused.rejected().unwrap().reason, Reason::NotReady);
    let mut clone = {
        ready(&mut guarded).await;
        guarded.clone()
    };
    assert!(clone.call(()).await.is_err(), "readiness is not cloned");
    assert_eq!(guarded.call(()).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_a_failure() {
    let service = Scripted::<u8>::new([]);
    let script = service.shared.clone();
    script.set_ready(Poll::Ready(Err("no connection")));
    let mut guarded = BreakerLayer::new("x").layer(service);
    for _ in 0..5 {
        let error = call(&mut guarded).await.unwrap_err();
        assert_eq!(error, BreakerError::Inner("no connection"));
    }
    assert_eq!(guarded.handle().state(), State::Open);
    // Not even the trial gets as far as its call: open for another minute.
    advance(secs(60)).await;
    assert!(call(&mut guarded).await.unwrap_err().into_inner().is_some());
    assert_eq!(guarded.handle().retry_after(), Some(secs(60)));
}

#[tokio::test(start_paused = true)]
async fn readiness_takes_no_trial() {
    let service = Scripted::new([DOWN, Ok(1)]);
    let mut guarded = BreakerLayer::new("x").failure_threshold(1).layer(service);
    assert!(call(&mut guarded).await.is_err());
    advance(secs(60)).await;
    for _ in 0..3 {
        let mut dropped = guarded.clone();
        ready(&mut dropped).await;
    }
    assert_eq!(call(&mut guarded).await, Ok(1));
}

// tower-resilience 0.14: two `.layer()` calls give independent states.
#[tokio::test(start_paused = true)]
async fn clones_and_repeated_layer_calls_share_one_breaker() {
    let layer = BreakerLayer::new("x").failure_threshold(4).leak();
    let clone = layer.clone();
    let mut first = layer.layer(Scripted::new([DOWN, DOWN]));
    let mut second = layer.layer(Scripted::new([DOWN]));
    let mut third = clone.layer(Scripted::new([DOWN]));
    assert!(call(&mut first).await.is_err());
    assert!(call(&mut first.clone()).await.is_err());
    assert!(call(&mut second).await.is_err());
    assert_eq!(layer.handle().state(), State::Closed);
    assert!(call(&mut third).await.is_err());
    assert_eq!(layer.handle().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn two_layers_are_two_breakers_even_of_one_name() {
    let first = BreakerLayer::new("x").failure_threshold(1);
    let second = first.clone().failure_threshold(1);
    assert!(call(&mut first.layer(Scripted::new([DOWN]))).await.is_err());
    assert_eq!(first.handle().state(), State::Open);
    assert_eq!(second.handle().state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_gives_its_trial_back() {
    let layer = BreakerLayer::new("x").failure_threshold(1);
    let mut failing = layer.layer(Scripted::new([DOWN]));
    assert!(call(&mut failing).await.is_err());
    advance(secs(60)).await;
    let mut hanging = layer.layer(tower::service_fn(|()| {
        std::future::pending::<Result<u8, &str>>()
    }));
    for _ in 0..10 {
        let mut trial = Box::pin(ready(&mut hanging).await.call(()));
        assert!((&mut trial).now_or_never().is_none());
        assert_eq!(layer.handle().metrics().trials_in_flight, 1);
        drop(trial);
        assert_eq!(layer.handle().metrics().trials_in_flight, 0);
    }
    let mut well = layer.layer(Scripted::new([Ok(1)]));
    assert_eq!(call(&mut well).await, Ok(1));
    assert_eq!(layer.handle().state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_not_counted_while_closed() {
    let layer = BreakerLayer::new("x").failure_threshold(1);
    let hanging = layer.layer(tower::service_fn(|()| {
        std::future::pending::<Result<u8, &str>>()
    }));
    for _ in 0..10 {
        let mut call = Box::pin(hanging.clone().oneshot(()));
        assert!((&mut call).now_or_never().is_none());
        advance(secs(100)).await;
    }
    assert_eq!(layer.handle().metrics().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_call_does_not_wedge_it() {
    let layer = BreakerLayer::new("x").failure_threshold(1);
    let mut failing = layer.layer(Scripted::new([DOWN]));
    assert!(call(&mut failing).await.is_err());
    advance(secs(60)).await;
    let panicking = layer.layer(tower::service_fn(|()| async {
        panic!("on purpose");
        #[allow(unreachable_code)]
        DOWN
    }));
    let joined = tokio::spawn(panicking.oneshot(())).await;
    assert!(joined.unwrap_err().is_panic());
    assert_eq!(layer.handle().metrics().trials_in_flight, 0);
    let mut well = layer.layer(Scripted::new([Ok(1)]));
    assert_eq!(call(&mut well).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_panicking_observer_reaches_nobody() {
    let layer = BreakerLayer::new("x").failure_threshold(1);
    let layer = layer.on_event(|_| panic!("on purpose"));
    let mut guarded = layer.layer(Scripted::new([DOWN]));
    assert_eq!(
        call(&mut guarded).await.unwrap_err().into_inner(),
        Some("down")
    );
    assert_eq!(layer.handle().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_guarded_concurrency_limit_is_not_leaked_by_refusals() {
    let limited = tower::limit::ConcurrencyLimit::new(Scripted::new([DOWN, Ok(1)]), 1);
    let layer = BreakerLayer::new("x").failure_threshold(1);
    let mut guarded = layer.layer(limited);
    assert!(call(&mut guarded).await.is_err());
    for _ in 0..10 {
        assert!(call(&mut guarded.clone()).await.is_err());
    }
    advance(secs(60)).await;
    let answer = call(&mut guarded).now_or_never();
    assert_eq!(answer.expect("the one permit is free"), Ok(1));
}

#[test]
fn the_future_is_send_and_the_service_is_what_servers_ask_for() {
    fn is<T: Clone + std::fmt::Debug + Send + Sync + 'static>(_: &T) {}
    let layer = BreakerLayer::new("x");
    let service = layer.layer(Scripted::new([Ok(1)]));
    is(&layer);
    is(&service);
    is(&layer.handle());
    is(&BreakerLayer::http("x"));
    is(&BreakerLayer::grpc("x"));
    fn is_send<T: Send>(_: T) {}
    is_send(service.oneshot(()));
}

#[tokio::test(start_paused = true)]
async fn for_balancers_it_can_be_pending_until_a_call_is_let_through() {
    let layer = BreakerLayer::new("x")
        .failure_threshold(1)
        .pend_while_open();
    let mut guarded = layer.layer(Scripted::new([DOWN, Ok(1)]));
    assert!(call(&mut guarded).await.is_err());
    assert!(
        call(&mut guarded).now_or_never().is_none(),
        "pending, not refused"
    );
    let start = palisade_core::time::now();
    assert_eq!(call(&mut guarded).await, Ok(1));
    let waited = palisade_core::time::now() - start;
    assert!((secs(60)..secs(61)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_pending_wakes_when_a_trial_is_over_or_somebody_resets_it() {
    let layer = BreakerLayer::new("x")
        .failure_threshold(1)
        .pend_while_open();
    let breaker = layer.handle();
    breaker.try_acquire().unwrap().failure();
    advance(secs(60)).await;
    let trial = breaker.try_acquire().unwrap();
    let mut guarded = layer.layer(Scripted::new([Ok(1), Ok(2)]));
    let waiting = tokio::spawn(async move { (call(&mut guarded).await, guarded) });
    tokio::task::yield_now().await;
    let start = palisade_core::time::now();
    drop(trial);
    let (answer, mut guarded) = waiting.await.unwrap();
    assert_eq!(answer, Ok(1));

    breaker.force_open();
    let waiting = tokio::spawn(async move { call(&mut guarded).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    breaker.reset();
    assert_eq!(waiting.await.unwrap(), Ok(2));
    assert_eq!(palisade_core::time::now(), start, "woken, not by time");
}

#[tokio::test(start_paused = true)]
async fn who_no_longer_waits_is_forgotten() {
    let layer = BreakerLayer::new("x").pend_while_open();
    layer.handle().force_open();
    let task = Arc::new(Wakes);
    for _ in 0..100 {
        let mut guarded = layer.layer(Scripted::new([Ok(1)]));
        let waker = Waker::from(Arc::clone(&task));
        let mut cx = Context::from_waker(&waker);
        for _ in 0..3 {
            assert!(Service::<()>::poll_ready(&mut guarded, &mut cx).is_pending());
        }
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 2, "waits in one place");
        drop(guarded);
        assert_eq!(Arc::strong_count(&task), 1);
    }
}

struct Wakes;

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {}
}
