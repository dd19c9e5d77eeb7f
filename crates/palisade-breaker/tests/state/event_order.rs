//! Events tell what happened in the order in which it happened, and nothing that did not.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use palisade_breaker::{BreakerEvent, BreakerHandle, BreakerLayer, PeerTrust, RateWindow, State};
use tower::{Layer, ServiceExt};

use crate::common::{Events, Scripted, advance, fail, secs, succeed};

type Chain = Arc<Mutex<Vec<(State, State)>>>;

fn chained(layer: BreakerLayer) -> (BreakerHandle, Chain) {
    let chain = Chain::default();
    let kept = Arc::clone(&chain);
    let layer = layer.on_event(move |event| {
        if let BreakerEvent::Transition { from, to, .. } = event {
            // Long enough that another thread can come between.
            std::thread::yield_now();
            kept.lock().unwrap().push((*from, *to));
        }
    });
    (layer.handle(), chain)
}

#[test]
fn transitions_of_many_threads_are_told_in_order() {
    let (breaker, chain) = chained(BreakerLayer::new("x").failure_threshold(1));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let breaker = &breaker;
            scope.spawn(move || {
                for call in 0..3_000 {
                    match (thread + call) % 4 {
                        0 => breaker.force_open(),
                        1 => breaker.metrics_only(),
                        2 => breaker.reset(),
                        _ => drop(breaker.try_acquire().map(palisade_breaker::Permit::failure)),
                    }
                }
            });
        }
    });
    let chain = chain.lock().unwrap();
    assert!(chain.len() > 1_000, "{}", chain.len());
    let mut stands = State::Closed;
    for (number, (from, to)) in chain.iter().enumerate() {
        assert_eq!(*from, stands, "{number} of {}", chain.len());
        assert_ne!(from, to, "{number}");
        stands = *to;
    }
    assert_eq!(
        stands,
        breaker.state(),
        "the last one told is how it stands"
    );
    assert_eq!(breaker.metrics().transitions, chain.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn what_an_observer_does_is_told_after_what_it_hears() {
    let (events, own) = (
        Events::default(),
        Arc::new(OnceLock::<BreakerHandle>::new()),
    );
    let (tell, breaker) = (events.observer(), Arc::clone(&own));
    let layer = BreakerLayer::new("x")
        .failure_threshold(1)
        .on_event(move |event| {
            if let BreakerEvent::Transition {
                to: State::Open, ..
            } = event
            {
                breaker.get().unwrap().reset();
            }
            tell(event);
        });
    own.set(layer.handle()).unwrap();
    fail(&layer.handle(), 1);
    assert_eq!(
        events.take(),
        ["closed to open: tripped", "open to closed: manual"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_stays_as_it_is_is_no_transition() {
    let events = Events::default();
    let layer = BreakerLayer::new("x")
        .failure_threshold(2)
        .on_event(events.observer());
    let breaker = layer.handle();
    breaker.reset();
    assert_eq!(events.take(), [""; 0], "closed it was");
    fail(&breaker, 1);
    breaker.reset();
    assert_eq!(breaker.metrics().failures, 0, "and counts anew");
    for set in [
        BreakerHandle::force_open,
        BreakerHandle::disable,
        BreakerHandle::metrics_only,
    ] {
        set(&breaker);
        assert_eq!(events.take().len(), 1);
        set(&breaker);
        assert_eq!(events.take(), [""; 0]);
    }
    assert_eq!(breaker.metrics().transitions, 3);
    // Open for longer, because of a peer, is still open.
    breaker.reset();
    fail(&breaker, 2);
    events.take();
    breaker.peer_opened(secs(300), PeerTrust::Immediate);
    assert_eq!(events.take(), [""; 0]);
    assert_eq!(breaker.retry_after(), Some(secs(300)));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_when_the_open_time_is_over_is_a_trial_that_failed() {
    let events = Events::default();
    let layer = BreakerLayer::new("x")
        .failure_threshold(1)
        .on_event(events.observer());
    fail(&layer.handle(), 1);
    advance(secs(60)).await;
    events.take();
    let script = Scripted::<()>::new([]);
    script.shared.set_ready(std::task::Poll::Ready(Err("gone")));
    assert!(
        ServiceExt::<()>::ready(&mut layer.layer(script))
            .await
            .is_err()
    );
    assert_eq!(
        events.take(),
        [
            "open to half_open: time_over",
            "half_open to open: trial_failed"
        ]
    );
    assert_eq!(layer.handle().retry_after(), Some(secs(60)));
}

#[tokio::test(start_paused = true)]
async fn the_shadow_mode_says_once_an_open_time_that_it_would_trip() {
    let layers: [fn(BreakerLayer) -> BreakerLayer; 3] = [
        |layer| layer,
        |layer| layer.consecutive_failures(5),
        |layer| {
            layer
                .failure_rate(0.5)
                .rate_window(RateWindow::calls(1_000))
        },
    ];
    for rule in layers {
        let events = Events::default();
        let layer = rule(BreakerLayer::new("x"))
            .metrics_only()
            .on_event(events.observer());
        let breaker = layer.handle();
        for _ in 0..200 {
            fail(&breaker, 1);
            advance(Duration::from_millis(50)).await;
        }
        assert_eq!(events.take(), ["would trip"]);
        let metrics = breaker.metrics();
        assert!(
            metrics.failures >= 5 || metrics.window.unwrap().failed == 200,
            "{metrics:?}"
        );
        advance(secs(51)).await;
        fail(&breaker, 5);
        assert_eq!(
            events.take(),
            ["would trip"],
            "still, after it would have been open"
        );
        succeed(&breaker, 2_000);
        advance(secs(61)).await;
        fail(&breaker, 1);
        assert_eq!(events.take(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_observer_is_told() {
    let (first, second) = (Events::default(), Events::default());
    let layer = BreakerLayer::new("x").failure_threshold(1);
    let layer = layer
        .on_event(first.observer())
        .on_event(|_| panic!("on purpose"));
    fail(&layer.on_event(second.observer()).handle(), 1);
    assert_eq!(first.take(), ["closed to open: tripped"]);
    assert_eq!(second.take(), ["closed to open: tripped"]);
}
