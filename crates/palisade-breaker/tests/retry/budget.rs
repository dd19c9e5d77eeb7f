//! The budget of retries, counted exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use palisade_breaker::{ByAuthority, ByHeader, ExtractKey, RetryLayer, key_fn};
use tower::{Layer, ServiceExt, service_fn};

use crate::common::{advance, secs};

const AT_ONCE: Duration = Duration::ZERO;

/// The number of retries that so many calls got, all of which failed.
async fn retries(layer: &RetryLayer, calls: usize) -> usize {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let service = layer.layer(service_fn(move |_: Request<String>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err::<Response<String>, _>(std::io::Error::other("reset")) }
    }));
    for _ in 0..calls {
        let _ = service.clone().oneshot(Request::new(String::new())).await;
    }
    attempts.load(Ordering::Relaxed) - calls
}

fn layer(share: f32, reserve: u32) -> RetryLayer {
    let layer = RetryLayer::default().backoff(AT_ONCE, 1.0).attempts(100);
    layer.budget(share, reserve)
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_its_share_of_the_calls_and_no_more() {
    for (share, calls, expected) in [
        (0.0, 100, 0),
        (0.01, 100, 1),
        (0.07, 100, 7),
        (0.2, 100, 20),
        (0.29, 100, 29),
        (0.35, 100, 35),
        (0.5, 99, 49),
        (0.57, 100, 57),
        (0.9, 100, 90),
        (1.0, 100, 100),
        (2.5, 100, 250),
        (10.0, 100, 1_000),
    ] {
        assert_eq!(retries(&layer(share, 0), calls).await, expected, "{share}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_reserve_is_so_many_a_second_over_ten_seconds() {
    for (reserve, expected) in [(0, 20), (1, 30), (7, 90)] {
        assert_eq!(
            retries(&layer(0.2, reserve), 100).await,
            expected,
            "{reserve}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn calls_and_retries_count_for_ten_seconds() {
    let layer = layer(0.2, 1);
    assert_eq!(retries(&layer, 100).await, 30);
    advance(secs(5)).await;
    assert_eq!(retries(&layer, 100).await, 20);
    advance(secs(5)).await;
    // The first hundred and their 30 retries are gone, so that 100 calls and 20 retries are left, and 100 more calls.
    assert_eq!(retries(&layer, 100).await, 30);
    advance(secs(60)).await;
    assert_eq!(retries(&layer, 100).await, 30);
}

/// The number of retries that the calls to each of these hosts got, in their order; all failed.
async fn retries_of<K>(layer: &KeyedLayer<K>, hosts: impl IntoIterator<Item = String>) -> Vec<usize>
where
    K: ExtractKey<Request<String>> + Clone,
{
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let service = layer.layer(service_fn(move |_: Request<String>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err::<Response<String>, _>(std::io::Error::other("reset")) }
    }));
    let mut retries = Vec::new();
    for host in hosts {
        let request = Request::get(format!("https://{host}/"))
            .header("x-tenant", &host)
            .body(String::new());
        let _ = service.clone().oneshot(request.unwrap()).await;
        retries.push(attempts.swap(0, Ordering::Relaxed) - 1);
    }
    retries
}

type KeyedLayer<K> = RetryLayer<palisade_breaker::HttpRetry, palisade_breaker::CloneBodies, K>;

/// Ten retries in ten seconds, a hundred attempts a call.
fn reserve_only() -> RetryLayer {
    layer(0.0, 1)
}

#[tokio::test(start_paused = true)]
async fn each_host_has_a_budget_of_its_own() {
    let hosts = || {
        [
            "down.example",
            "down.example",
            "DOWN.example:443",
            "well.example",
        ]
        .map(str::to_owned)
    };
    let one = retries_of(&reserve_only(), hosts()).await;
    assert_eq!(one, [10, 0, 0, 0]);
    let by_host = reserve_only().budget_by(ByAuthority::new());
    assert_eq!(retries_of(&by_host, hosts()).await, [10, 0, 0, 10]);
    advance(secs(10)).await;
    assert_eq!(retries_of(&by_host, hosts()).await, [10, 0, 0, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_budget_can_be_that_of_a_header_or_of_what_a_closure_finds() {
    let tenants = || ["a", "b", "a"].map(str::to_owned);
    let by_header = reserve_only().budget_by(ByHeader(http::HeaderName::from_static("x-tenant")));
    assert_eq!(retries_of(&by_header, tenants()).await, [10, 10, 0]);
    let by_closure = reserve_only().budget_by(key_fn(|request: &Request<String>| {
        let host = request.uri().host()?;
        (host != "b").then(|| host.to_owned())
    }));
    assert_eq!(retries_of(&by_closure, tenants()).await, [10, 10, 0]);
    // Those without a key have one together, beside those that have one.
    let without = reserve_only().budget_by(key_fn(|_: &Request<String>| None));
    assert_eq!(retries_of(&without, tenants()).await, [10, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn budgets_are_bounded_and_those_that_count_nothing_go_first() {
    let layer = reserve_only().budget_by(ByAuthority::new());
    let hosts = |from: usize, to: usize| (from..to).map(|host| format!("h{host}.example"));
    let many = retries_of(&layer, hosts(0, 10_000)).await;
    assert!(many.iter().all(|retries| *retries == 10));
    // No room: these share one.
    assert_eq!(retries_of(&layer, hosts(10_000, 10_003)).await, [10, 0, 0]);
    assert_eq!(
        retries_of(&layer, hosts(0, 1)).await,
        [0],
        "it is remembered"
    );
    advance(secs(11)).await;
    assert_eq!(retries_of(&layer, hosts(10_000, 10_003)).await, [10; 3]);
}
