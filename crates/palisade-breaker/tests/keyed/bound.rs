//! The bound on keys.

use std::time::Duration;

use futures_util::FutureExt;
use http::Response;
use palisade_breaker::{BreakerLayer, State, key_fn};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::calls::{Call, call, layer};
use crate::common::{advance, secs};

#[tokio::test(start_paused = true)]
async fn only_breakers_that_nobody_needs_make_room() {
    let layer = layer(4);
    let handle = layer.handle();
    for _ in 0..2 {
        call(&layer, "open", 500).await;
    }
    call(&layer, "one-failure", 500).await;
    let mut held = layer.layer(service_fn(|_: Call| {
        std::future::pending::<Result<Response<()>, &str>>()
    }));
    let in_flight = held
        .ready()
        .await
        .unwrap()
        .call(("in-flight".to_owned(), 200));
    for i in 0..1_000 {
        assert!(call(&layer, &format!("new-{i}"), 200).await);
    }
    assert_eq!(handle.keys(), 4);
    assert_eq!(handle.evicted(), 999);
    assert_eq!(handle.breaker("open").unwrap().state(), State::Open);
    assert_eq!(handle.breaker("one-failure").unwrap().metrics().failures, 1);
    assert!(handle.breaker("in-flight").is_some());
    assert_eq!(handle.unguarded(), 0);

    // Once everybody is needed, a new key passes unguarded.
    call(&layer, "new-999", 500).await;
    assert!(call(&layer, "newest", 200).await);
    assert_eq!((handle.keys(), handle.unguarded()), (4, 1));

    // And once a failure is too old to count, its breaker may go.
    drop(in_flight);
    advance(secs(60)).await;
    for key in ["c", "d", "e"] {
        assert!(call(&layer, key, 200).await);
    }
    assert!(handle.breaker("one-failure").is_none());
    assert_eq!(handle.breaker("open").unwrap().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn what_is_open_is_kept_until_it_was_left_alone_for_long() {
    let layer = layer(4);
    let handle = layer.handle();
    for key in ["a", "b", "c", "d"] {
        for _ in 0..2 {
            call(&layer, key, 500).await;
        }
    }
    // A minute of open time, and one more in which a failure of then would count.
    advance(secs(120) - Duration::from_nanos(1)).await;
    assert!(call(&layer, "new", 200).await);
    assert_eq!((handle.evicted(), handle.unguarded()), (0, 1));
    assert!(call(&layer, "a", 500).await, "its trial, which fails");
    advance(Duration::from_nanos(1)).await;
    for key in ["e", "f", "g"] {
        assert!(call(&layer, key, 200).await);
    }
    assert_eq!((handle.evicted(), handle.unguarded()), (3, 1));
    assert_eq!(handle.breaker("a").unwrap().state(), State::Open);
    assert!(handle.breaker("b").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_nobody_followed_up_makes_room_in_the_end() {
    let layer = layer(1);
    for _ in 0..2 {
        call(&layer, "a", 500).await;
    }
    advance(secs(60)).await;
    let hanging = layer.layer(service_fn(|_: Call| {
        std::future::pending::<Result<Response<()>, &str>>()
    }));
    drop(hanging.oneshot(("a".to_owned(), 200)).now_or_never());
    let handle = layer.handle();
    assert_eq!(handle.breaker("a").unwrap().state(), State::HalfOpen);
    advance(secs(59)).await;
    assert!(call(&layer, "b", 200).await);
    assert!(handle.breaker("b").is_none());
    advance(secs(1)).await;
    assert!(call(&layer, "b", 200).await);
    assert!(handle.breaker("b").is_some());
}

#[tokio::test(start_paused = true)]
async fn trouble_that_no_threshold_counts_is_kept_too() {
    let key = || key_fn(|(key, _): &Call| Some(key.clone()));
    let rated = BreakerLayer::http("x").failure_rate(0.5);
    let in_a_row = BreakerLayer::http("x").consecutive_failures(5);
    for layer in [rated, in_a_row] {
        let layer = layer.keyed(key()).most_keys(1);
        call(&layer, "failing", 500).await;
        call(&layer, "new", 200).await;
        assert!(layer.handle().breaker("failing").is_some());
        advance(secs(60)).await;
        call(&layer, "new", 200).await;
        assert!(layer.handle().breaker("new").is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn while_watching_or_off_keys_make_room_all_the_same() {
    let key = || key_fn(|(key, _): &Call| Some(key.clone()));
    for layer in [
        BreakerLayer::http("x").metrics_only(),
        BreakerLayer::http("x").off(),
    ] {
        let layer = layer.keyed(key()).most_keys(4);
        for i in 0..100 {
            assert!(call(&layer, &i.to_string(), 200).await);
        }
        let handle = layer.handle();
        assert_eq!((handle.keys(), handle.unguarded()), (4, 0));
        assert!(handle.not_closed().is_empty());
        // What a person has set is not forgotten.
        let set = (96..100).map(|i| handle.breaker(&i.to_string()).unwrap());
        set.for_each(|breaker| breaker.force_open());
        assert!(call(&layer, "new", 200).await);
        assert_eq!(handle.unguarded(), 1);
        assert_eq!(handle.not_closed().len(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn who_fails_under_a_flood_of_keys_trips_all_the_same() {
    let layer = layer(64);
    let failing = layer.layer(service_fn(|_: Call| async {
        tokio::time::sleep(secs(1)).await;
        Ok::<_, &str>(Response::builder().status(500).body(()).unwrap())
    }));
    for round in 0..2 {
        let mut slow = Box::pin(failing.clone().oneshot(("victim".to_owned(), 500)));
        assert!((&mut slow).now_or_never().is_none());
        for i in 0..10_000 {
            call(&layer, &format!("{round}-{i}"), 200).await;
        }
        advance(secs(1)).await;
        assert!(slow.await.is_ok());
    }
    assert_eq!(
        layer.handle().breaker("victim").unwrap().state(),
        State::Open
    );
    assert!(layer.handle().keys() <= 64);
}

#[tokio::test(start_paused = true)]
async fn long_keys_take_as_much_as_short_ones() {
    const LENGTH: usize = 60_000;
    let layer = layer(10_000);
    let handle = layer.handle();
    for number in 0..2_000 {
        for _ in 0..2 {
            assert!(call(&layer, &format!("{number:0>LENGTH$}"), 500).await);
        }
    }
    // Each has a breaker of its own, though they differ at their ends alone, and is found by its whole key.
    let open = handle.not_closed();
    assert_eq!(open.len(), 2_000);
    let longest = open.iter().map(|(key, _)| key.len()).max();
    assert!(longest <= Some(260), "{longest:?}");
    let seventh = format!("{:0>LENGTH$}", 7);
    assert!(!call(&layer, &seventh, 200).await);
    assert_eq!(handle.breaker(&seventh).unwrap().state(), State::Open);
    let shown = handle.breaker(&open[0].0);
    assert!(shown.is_some(), "by what `not_closed` calls it too");
    assert!(handle.breaker(&format!("{:0>LENGTH$}", 2_000)).is_none());
    // Cut between characters.
    assert!(call(&layer, &"\u{1f984}".repeat(100), 200).await);
}
