//! A breaker for each key, and the bound on keys.

mod common;

use common::{advance, secs};
use futures_util::FutureExt;
use http::{Request, Response};
use palisade_breaker::{
    BreakerLayer, ByAuthority, ByHeader, ExtractKey, HttpHealth, KeyedBreakerLayer, State, key_fn,
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
    assert_eq!(layer.handle().troubled(), [("a".to_owned(), State::Open)]);
    assert_eq!(
        layer.handle().breaker("a").unwrap().retry_after(),
        Some(secs(60))
    );
    assert!(layer.handle().breaker("c").is_none());
    advance(secs(60)).await;
    assert!(call(&layer, "a", 200).await);
    assert!(layer.handle().troubled().is_empty());
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
        (
            "/x",
            Some(("host", "Api.example:81")),
            Some("api.example:81"),
        ),
        ("http://[::1]:80/", None, Some("[::1]:80")),
        ("/x", None, None),
    ] {
        assert_eq!(key_of(&key, uri, host).as_deref(), expected, "{uri}");
    }
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
