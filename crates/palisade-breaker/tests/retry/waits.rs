//! The waits between attempts, and calls that are dropped in one.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use palisade_breaker::{BreakerLayer, RetryLayer};
use palisade_core::time::now;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::common::secs;
use crate::upstream::{Answer, Attempts, request, reset, status, tries, upstream, with_header};

#[tokio::test(start_paused = true)]
async fn it_waits_at_random_up_to_one_and_two_seconds() {
    let mut waits = [Vec::new(), Vec::new()];
    for _ in 0..200 {
        let attempts = Attempts::default();
        let service = RetryLayer::default().layer(upstream(&attempts, [reset as fn() -> Answer]));
        assert!(service.oneshot(request(Method::GET)).await.is_err());
        let attempts = attempts.lock().unwrap();
        for (wait, pair) in waits.iter_mut().zip(attempts.windows(2)) {
            wait.push(pair[1].0 - pair[0].0);
        }
    }
    // Tokio's timer rounds up to milliseconds.
    for (waits, longest) in waits.iter().zip([secs(1), secs(2)]) {
        let longest = longest + Duration::from_millis(1);
        assert!(waits.iter().all(|wait| *wait <= longest));
        assert!(waits.iter().any(|wait| *wait < longest / 4));
        assert!(waits.iter().any(|wait| *wait > longest * 3 / 4));
    }
}

#[tokio::test(start_paused = true)]
async fn without_jitter_it_waits_as_long_as_it_may() {
    let attempts = Attempts::default();
    let layer = RetryLayer::default().jitter(0.0).longest_wait(secs(3));
    let service = layer
        .attempts(4)
        .layer(upstream(&attempts, [reset as fn() -> Answer]));
    assert!(service.oneshot(request(Method::GET)).await.is_err());
    let attempts = attempts.lock().unwrap();
    let waits = attempts
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0).as_secs());
    assert_eq!(waits.collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_come_back_before_the_server_says() {
    let start = now();
    assert_eq!(
        tries(&[|| with_header(503, "retry-after", "7"), || status(200)]).await,
        2
    );
    let took = now() - start;
    assert!((secs(7)..secs(8)).contains(&took), "{took:?}");
    // Who asks for more than the longest wait is not asked again.
    assert_eq!(tries(&[|| with_header(503, "retry-after", "61")]).await, 1);
    let a_year: fn() -> Answer = || with_header(503, "retry-after", "31536000");
    assert_eq!(tries(&[a_year]).await, 1);
    let beyond_64_bits: fn() -> Answer = || with_header(503, "retry-after", "99999999999999999999");
    assert_eq!(tries(&[beyond_64_bits]).await, 1);
    // What is past, or no time at all, leaves the usual wait.
    let past: fn() -> Answer = || with_header(503, "retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
    for odd in [past, || with_header(503, "retry-after", "-7")] {
        let start = now();
        assert_eq!(tries(&[odd, || status(200)]).await, 2);
        assert!(now() - start <= secs(1) + Duration::from_millis(1));
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_await_it_holds_no_permit() {
    use std::task::{Context, Waker};
    let layer = BreakerLayer::http("x").failure_threshold(1).trials(1);
    let breaker = layer.handle();
    let slow = service_fn(|_: Request<Full<Bytes>>| async {
        tokio::time::sleep(secs(1)).await;
        status(503)
    });
    let retried = ServiceBuilder::new()
        .layer(RetryLayer::default().budget(10.0, 1_000))
        .layer(layer)
        .service(slow);
    let mut cx = Context::from_waker(Waker::noop());
    for seconds in 0..10 {
        breaker.reset();
        breaker.try_acquire().unwrap().failure();
        tokio::time::advance(secs(60)).await;
        let mut call = Box::pin(retried.clone().oneshot(request(Method::GET)));
        for _ in 0..seconds {
            if call.as_mut().poll(&mut cx).is_ready() {
                break;
            }
            tokio::time::advance(Duration::from_millis(500)).await;
        }
        drop(call);
        assert_eq!(breaker.metrics().trials_in_flight, 0, "{seconds}");
    }
}
