//! Each key has a breaker of its own, in whose events it is named.

use std::sync::{Arc, Mutex, OnceLock};

use futures_util::FutureExt;
use palisade_breaker::{BreakerEvent, BreakerLayer, KeyedHandle, State, key_fn};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::calls::{Call, call, layer, upstream};
use crate::common::{advance, secs};

#[tokio::test(start_paused = true)]
async fn each_key_has_a_breaker_of_its_own() {
    let layer = layer(100);
    for _ in 0..2 {
        assert!(call(&layer, "a", 500).await);
        assert!(call(&layer, "b", 200).await);
    }
    assert!(!call(&layer, "a", 200).await);
    assert!(call(&layer, "b", 200).await);
    assert_eq!(layer.handle().not_closed(), [("a".to_owned(), State::Open)]);
    assert_eq!(
        layer.handle().breaker("a").unwrap().retry_after(),
        Some(secs(60))
    );
    assert!(layer.handle().breaker("c").is_none());
    advance(secs(60)).await;
    assert!(call(&layer, "a", 200).await);
    assert!(layer.handle().not_closed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_key_a_call_passes_unguarded() {
    let layer = layer(100);
    for _ in 0..10 {
        assert!(call(&layer, "", 500).await);
    }
    assert_eq!(layer.handle().keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_passes_unguarded_is_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (tell, asked) = (Arc::clone(&told), Arc::new(OnceLock::<KeyedHandle>::new()));
    let ask = Arc::clone(&asked);
    let layer = BreakerLayer::http("x")
        .failure_threshold(1)
        .on_event(move |event| {
            if let BreakerEvent::Unguarded { name, calls, .. } = event {
                // An observer may ask the layer.
                let keys = ask.get().unwrap().keys();
                tell.lock().unwrap().push((name.to_string(), *calls, keys));
            }
        })
        .keyed(key_fn(|(key, _): &Call| Some(key.clone())))
        .most_keys(1);
    asked.set(layer.handle()).unwrap();
    call(&layer, "failing", 500).await;
    for _ in 0..2 {
        assert!(call(&layer, "new", 200).await);
    }
    let told = told.lock().unwrap();
    assert_eq!(*told, [("x".to_owned(), 1, 1), ("x".to_owned(), 2, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_gives_its_place_in_the_service_back() {
    let limited = tower::limit::ConcurrencyLimitLayer::new(1);
    let layer = layer(100);
    for _ in 0..2 {
        assert!(call(&layer, "a", 500).await);
    }
    // All clones share one place.
    let shared = limited.layer(service_fn(upstream));
    let mut refused = layer.layer(shared.clone());
    let mut other = layer.layer(shared);
    let answer = refused
        .ready()
        .await
        .unwrap()
        .call(("a".to_owned(), 200))
        .await;
    assert!(answer.is_err());
    let ready = other.ready().now_or_never().expect("the place is free");
    assert!(ready.unwrap().call(("b".to_owned(), 200)).await.is_ok());
    // And the one that was refused can be called again.
    let again = refused.ready().now_or_never().expect("the place is free");
    assert!(again.unwrap().call(("b".to_owned(), 200)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn every_event_tells_which_key_it_concerns() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    let layer = BreakerLayer::http("x")
        .failure_threshold(1)
        .on_event(move |event| {
            let text = match event {
                BreakerEvent::Transition { to, .. } => to.as_str(),
                BreakerEvent::Rejected { .. } => "rejected",
                BreakerEvent::Trial { .. } => "trial",
                BreakerEvent::LeaseLost { .. } => "lease lost",
                BreakerEvent::WouldTrip { .. } => "would trip",
                BreakerEvent::Unguarded { .. } => "unguarded",
                _ => "another",
            };
            kept.lock().unwrap().push((
                event.name().to_string(),
                event.key().map(str::to_owned),
                text,
            ));
        });
    let key = key_fn(|(key, _): &Call| Some(key.clone()));
    let layer = layer.keyed(key).most_keys(1);
    assert!(call(&layer, "a", 500).await);
    assert!(!call(&layer, "a", 200).await);
    assert!(call(&layer, "b", 200).await);
    let breaker = layer.handle().breaker("a").unwrap();
    advance(secs(60)).await;
    let hung = breaker.try_acquire().unwrap();
    advance(secs(60)).await;
    breaker.try_acquire().unwrap().ignore();
    drop(hung);
    breaker.metrics_only();
    breaker.try_acquire().unwrap().failure();
    let told = told.lock().unwrap();
    let texts: Vec<_> = told.iter().map(|(_, _, text)| *text).collect();
    assert_eq!(
        texts,
        [
            "open",
            "rejected",
            "unguarded",
            "half_open",
            "trial",
            "lease lost",
            "trial",
            "metrics_only",
            "would trip",
        ]
    );
    for (name, key, text) in told.iter() {
        let expected = if *text == "unguarded" { "b" } else { "a" };
        assert_eq!(
            (name.as_str(), key.as_deref()),
            ("x", Some(expected)),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_can_be_forced_open_before_its_first_call() {
    let layer = layer(1);
    let handle = layer.handle();
    assert!(handle.breaker("a").is_none());
    handle.breaker_or_new("a").unwrap().force_open();
    assert!(!call(&layer, "a", 200).await);
    assert_eq!(handle.breaker("a").unwrap().state(), State::ForcedOpen);
    assert!(handle.breaker_or_new("b").is_none(), "there is no room");
}
