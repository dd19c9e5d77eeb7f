//! A breaker for each key, and the bound on keys.

mod common;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use common::{advance, secs};
use futures_util::FutureExt;
use http::{Request, Response};
use palisade_breaker::{
    BreakerEvent, BreakerLayer, ByAuthority, ByHeader, ExtractKey, HttpHealth, KeyedBreakerLayer,
    KeyedHandle, State, key_fn,
};
use tower::{Layer, Service, ServiceExt, service_fn};

/// A key, and the status that the upstream answers.
type Call = (String, u16);

fn layer(most: usize) -> KeyedBreakerLayer<impl ExtractKey<Call> + Clone, HttpHealth> {
    let key = key_fn(|(key, _): &Call| (!key.is_empty()).then(|| key.clone()));
    BreakerLayer::http("x")
        .failure_threshold(2)
        .keyed(key)
        .most_keys(most)
}

async fn upstream((_, status): Call) -> Result<Response<()>, &'static str> {
    Ok(Response::builder().status(status).body(()).unwrap())
}

async fn call<K: ExtractKey<Call> + Clone>(
    layer: &KeyedBreakerLayer<K, HttpHealth>,
    key: &str,
    status: u16,
) -> bool {
    let service = layer.layer(service_fn(upstream));
    service.oneshot((key.to_owned(), status)).await.is_ok()
}

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

fn key_of<K: ExtractKey<Request<()>>>(
    key: &K,
    uri: &str,
    header: Option<(&str, &str)>,
) -> Option<String> {
    let mut request = Request::get(uri);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    key.extract(&request.body(()).unwrap()).map(Into::into)
}

#[test]
fn the_authority_is_the_host_and_its_port() {
    let key = ByAuthority::new();
    for (uri, host, expected) in [
        ("http://api.example:8080/x", None, Some("api.example:8080")),
        ("https://user:pass@API.example/x", None, Some("api.example")),
        ("/x", Some("Api.example:81"), Some("api.example:81")),
        ("/x", None, None),
        // The usual port of a scheme is the same server, and that of another scheme is another.
        ("https://h/", None, Some("h")),
        ("https://h:443/", None, Some("h")),
        ("wss://h/", None, Some("h")),
        ("http://h/", None, Some("h:80")),
        ("http://h:80/", None, Some("h:80")),
        ("http://h:/", None, Some("h:80")),
        ("ws://H/", None, Some("h:80")),
        ("https://h:80/", None, Some("h:80")),
        ("http://h:443/", None, Some("h")),
        ("https://h:8443/", None, Some("h:8443")),
        ("http://h:0080/", None, Some("h:80")),
        ("http://[::1]:80/", None, Some("[::1]:80")),
        ("http://[::1]/", None, Some("[::1]:80")),
        ("https://[2001:DB8::1]:443/", None, Some("[2001:db8::1]")),
        ("https://user@[::1]:8443/", None, Some("[::1]:8443")),
        // Without a scheme it is as it is written.
        ("/x", Some("h"), Some("h")),
        ("/x", Some("h:443"), Some("h")),
        ("/x", Some("[::1]"), Some("[::1]")),
        ("/x", Some("h:99999"), Some("h:99999")),
        ("tcp://h/", None, Some("h")),
    ] {
        let header = host.map(|host| ("host", host));
        assert_eq!(
            key_of(&key, uri, header).as_deref(),
            expected,
            "{uri} {host:?}"
        );
    }
}

#[cfg(feature = "reqwest")]
#[test]
fn the_authority_is_the_same_for_reqwest() {
    for (url, expected) in [
        ("https://h/", "h"),
        ("https://H:443/", "h"),
        ("http://h/", "h:80"),
        ("http://h:80/", "h:80"),
        ("https://h:80/", "h:80"),
        ("http://h:8080/", "h:8080"),
        ("http://[::1]/", "[::1]:80"),
    ] {
        let request = reqwest::Request::new(http::Method::GET, url.parse().unwrap());
        assert_eq!(
            ByAuthority::new().extract(&request).as_deref(),
            Some(expected),
            "{url}"
        );
    }
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

#[test]
fn a_header_can_be_the_key() {
    let key = ByHeader("x-tenant".parse().unwrap());
    assert_eq!(
        key_of(&key, "/", Some(("x-tenant", "T1"))).as_deref(),
        Some("T1")
    );
    assert_eq!(key_of(&key, "/", None), None);
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
