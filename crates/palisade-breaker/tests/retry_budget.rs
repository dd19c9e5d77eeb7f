//! The budget of retries, counted exactly.
#![cfg(feature = "retry")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{advance, secs};
use http::{Request, Response};
use palisade_breaker::RetryLayer;
use tower::{Layer, ServiceExt, service_fn};

const AT_ONCE: Duration = Duration::ZERO;

/// How many retries so many calls got that all failed.
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
