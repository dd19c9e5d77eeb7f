//! Panics of what a user brings along: none takes a permit with it, whichever state the breaker is in.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use palisade_breaker::{
    BreakerHandle, BreakerLayer, Classify, Outcome, Permit, Rejected, State, from_fn, key_fn,
};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::common::{advance, secs};

async fn works(_: u32) -> Result<u32, &'static str> {
    Ok(7)
}

/// Whether a call of this service panics.
async fn panics<S: Service<Rq>, Rq>(service: S, request: Rq) -> bool {
    let call = AssertUnwindSafe(service.oneshot(request)).catch_unwind();
    call.await.is_err()
}

/// With its open time over, so that the next call is a trial.
async fn trip(breaker: &BreakerHandle) {
    breaker.reset();
    while let Ok(permit) = breaker.try_acquire() {
        permit.failure();
    }
    advance(secs(60)).await;
}

/// A trial of `service` panics, and the next is let in and closes the breaker; so with a call while it is closed.
async fn survives<S>(breaker: &BreakerHandle, service: S)
where
    S: Service<u32> + Clone,
{
    for state in [State::HalfOpen, State::Closed] {
        if state == State::HalfOpen {
            trip(breaker).await;
        }
        assert!(panics(service.clone(), 0).await);
        let metrics = breaker.metrics();
        assert_eq!((metrics.state, metrics.trials_in_flight), (state, 0));
        breaker.try_acquire().unwrap().success();
        assert_eq!(breaker.state(), State::Closed);
        assert_eq!(breaker.metrics().failures, 0, "nobody knows how it went");
    }
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_judges() {
    fn judge(_: Result<&u32, &&'static str>) -> Outcome {
        panic!("on purpose")
    }
    let layer = BreakerLayer::new("x").classify(from_fn(judge));
    survives(&layer.handle(), layer.layer(service_fn(works))).await;
}

/// Panics when it sees the request, or when it settles.
#[derive(Clone)]
struct Panics {
    early: bool,
}

impl Classify<u32, u32, &'static str> for Panics {
    type RequestInfo = ();
    type Output = u32;

    fn inspect(&self, _: &u32) {
        assert!(!self.early, "on purpose");
    }

    fn settle(&self, (): (), _: Result<u32, &'static str>, _: Permit) -> Result<u32, &'static str> {
        panic!("on purpose")
    }
}

#[tokio::test(start_paused = true)]
async fn a_classifier() {
    for early in [true, false] {
        let layer = BreakerLayer::new("x").classify(Panics { early });
        survives(&layer.handle(), layer.layer(service_fn(works))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_guarded_service() {
    let layer = BreakerLayer::new("x");
    let broken = service_fn(|_: u32| -> std::future::Ready<Result<u32, &'static str>> {
        panic!("on purpose")
    });
    survives(&layer.handle(), layer.layer(broken)).await;
}

#[cfg(feature = "tower-http")]
#[tokio::test(start_paused = true)]
async fn the_end_of_a_body_that_a_classifier_of_tower_http_judges() {
    use tower_http::classify::{ClassifiedResponse, ClassifyEos, ClassifyResponse};

    #[derive(Clone)]
    struct AtTheEnd;

    impl ClassifyResponse for AtTheEnd {
        type FailureClass = ();
        type ClassifyEos = Self;

        fn classify_response<B>(self, _: &Response<B>) -> ClassifiedResponse<(), Self> {
            ClassifiedResponse::RequiresEos(self)
        }

        fn classify_error<E>(self, _: &E) {}
    }

    impl ClassifyEos for AtTheEnd {
        type FailureClass = ();

        fn classify_eos(self, _: Option<&http::HeaderMap>) -> Result<(), ()> {
            panic!("on purpose")
        }

        fn classify_error<E>(self, _: &E) {}
    }

    let layer = BreakerLayer::new("x").classify(palisade_breaker::TowerHttp(AtTheEnd));
    let breaker = layer.handle();
    trip(&breaker).await;
    let guarded = layer.layer(service_fn(|_: Request<()>| async {
        Ok::<_, &str>(Response::new(http_body_util::Empty::<Bytes>::new()))
    }));
    let response = guarded.oneshot(Request::new(())).await.unwrap();
    let read = http_body_util::BodyExt::collect(response.into_body());
    assert!(AssertUnwindSafe(read).catch_unwind().await.is_err());
    assert_eq!(breaker.metrics().trials_in_flight, 0);
    assert!(breaker.try_acquire().unwrap().is_trial());
}

#[tokio::test(start_paused = true)]
async fn a_fallback() {
    fn answer(_: u32, _: Rejected) -> Result<u32, &'static str> {
        panic!("on purpose")
    }
    let layer = BreakerLayer::new("x").fallback(answer);
    let breaker = layer.handle();
    let guarded = layer.layer(service_fn(works));
    trip(&breaker).await;
    breaker.force_open();
    let before = breaker.metrics().rejected;
    for _ in 0..3 {
        assert!(panics(guarded.clone(), 0).await);
    }
    assert_eq!(breaker.metrics().rejected, before + 3);
    breaker.reset();
    assert_eq!(guarded.oneshot(0).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_last_good_response() {
    let layer = BreakerLayer::http("x").last_good(1, 64, |_: &Request<()>| -> Option<String> {
        panic!("on purpose")
    });
    let breaker = layer.handle();
    let guarded = layer.layer(service_fn(|_: Request<()>| async {
        Ok::<_, &str>(Response::new(Full::<Bytes>::from("good")))
    }));
    trip(&breaker).await;
    assert!(panics(guarded.clone(), Request::new(())).await);
    assert_eq!(
        (breaker.state(), breaker.metrics().trials_in_flight),
        (State::HalfOpen, 0)
    );
    breaker.force_open();
    assert!(panics(guarded, Request::new(())).await);
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_keyed_layer() {
    let layer = BreakerLayer::new("x")
        .failure_threshold(1)
        .keyed(key_fn(|request: &u32| {
            assert!(*request != 0, "on purpose");
            Some(request.to_string())
        }));
    let guarded = layer.layer(service_fn(works));
    assert!(panics(guarded.clone(), 0).await);
    assert_eq!(guarded.oneshot(1).await.ok(), Some(7));
    assert_eq!(layer.handle().keys(), 1);
}

#[cfg(feature = "retry")]
#[tokio::test(start_paused = true)]
async fn the_judge_of_a_retry() {
    use palisade_breaker::{BreakerError, RetryAdvice, RetryLayer, retry_if};

    fn judge(_: Result<&Response<u32>, &BreakerError<&'static str>>) -> RetryAdvice {
        panic!("on purpose")
    }
    let breaker = BreakerLayer::new("x");
    let handle = breaker.handle();
    let guarded = breaker.layer(service_fn(|_: Request<()>| async {
        Err::<Response<u32>, _>("down")
    }));
    let retried = RetryLayer::default().judge(retry_if(judge)).layer(guarded);
    trip(&handle).await;
    assert!(panics(retried, Request::new(())).await);
    // The attempt had settled before: a failed trial.
    assert_eq!(
        (handle.state(), handle.metrics().trials_in_flight),
        (State::Open, 0)
    );
}
