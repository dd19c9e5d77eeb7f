//! Calls that go on after their headers: bodies that break off, and streams that last.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use palisade_breaker::{BreakerHandle, BreakerLayer, RateWindow, State};
use tower::{Layer, Service, ServiceExt};

use crate::common::{Scripted, advance, secs};

type Frames = Vec<Result<Frame<Bytes>, &'static str>>;

fn data() -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::from_static(b"half")))
}

fn grpc_status(code: &str) -> Result<Frame<Bytes>, &'static str> {
    let status = ("grpc-status".parse().unwrap(), code.parse().unwrap());
    Ok(Frame::trailers(HeaderMap::from_iter([status])))
}

fn response(frames: Frames) -> Response<impl Body<Data = Bytes, Error = &'static str> + Unpin> {
    Response::new(StreamBody::new(futures_util::stream::iter(frames)))
}

fn broken() -> Frames {
    vec![data(), Err("reset")]
}

/// A service that answers each call with these frames.
fn answering(
    frames: fn() -> Frames,
) -> impl Service<
    Request<()>,
    Response = Response<impl Body<Data = Bytes, Error = &'static str> + Unpin>,
    Error = &'static str,
    Future: Send,
> + Clone {
    tower::service_fn(move |_| async move { Ok(response(frames())) })
}

async fn call<S: Service<Request<()>>>(service: S) -> S::Response
where
    S::Error: std::fmt::Debug,
{
    service.oneshot(Request::new(())).await.unwrap()
}

/// Calls whose bodies all break off until the breaker opens, so many of them at a time.
async fn broken_until_open(
    layer: BreakerLayer<palisade_breaker::HttpHealth>,
    at_a_time: usize,
) -> u32 {
    let mut in_flight = VecDeque::new();
    for broken_off in 0..1_000 {
        while in_flight.len() < at_a_time {
            in_flight.push_back(call(layer.layer(answering(broken))).await.into_body());
        }
        let body = in_flight.pop_front().unwrap();
        assert!(body.collect().await.is_err());
        if layer.handle().state() == State::Open {
            return broken_off + 1;
        }
    }
    panic!("1,000 of 1,000 broken and still closed");
}

#[tokio::test(start_paused = true)]
async fn bodies_that_always_break_off_are_failures_in_a_row() {
    for at_a_time in [1, 2, 8] {
        let layer = BreakerLayer::http("x").consecutive_failures(5);
        assert_eq!(broken_until_open(layer, at_a_time).await, 5, "{at_a_time}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_that_always_break_off_are_a_rate_of_one() {
    for window in [RateWindow::calls(100), RateWindow::time(secs(60))] {
        let layer = BreakerLayer::http("x")
            .failure_rate(0.6)
            .rate_window(window);
        assert_eq!(broken_until_open(layer, 1).await, 20);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_one_call_and_one_failure() {
    let layer = BreakerLayer::http("x").failure_rate(1.0);
    let breaker = layer.handle();
    let counts = |breaker: &BreakerHandle| {
        let window = breaker.metrics().window.unwrap();
        (window.calls, window.failed)
    };
    let body = call(layer.layer(answering(broken))).await.into_body();
    assert_eq!(counts(&breaker), (0, 0), "still in flight");
    assert!(body.collect().await.is_err());
    assert_eq!(counts(&breaker), (1, 1));
    // Read whole, and dropped unread as servers do with a HEAD.
    let whole = call(layer.layer(answering(|| vec![data()]))).await;
    assert!(whole.into_body().collect().await.is_ok());
    drop(call(layer.layer(answering(broken))).await);
    assert_eq!(counts(&breaker), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_as_slow_as_its_headers() {
    let rate = |layer: BreakerLayer<_>| layer.slow_call_rate(1.0, secs(2));
    for (headers, slow) in [(1, 0), (2, 1)] {
        let layer = rate(BreakerLayer::http("x"));
        let late = tower::service_fn(move |_: Request<()>| async move {
            tokio::time::sleep(secs(headers)).await;
            Ok::<_, &str>(response(vec![data()]))
        });
        let body = call(layer.layer(late)).await.into_body();
        advance(secs(3_600)).await;
        assert!(body.collect().await.is_ok());
        // Counted as of its headers.
        let window = layer.handle().metrics().window.unwrap();
        assert_eq!((window.calls, window.slow), (0, 0), "an hour ago");

        let layer = rate(BreakerLayer::http("x")).rate_window(RateWindow::calls(10));
        let body = call(layer.layer(late)).await.into_body();
        advance(secs(3_600)).await;
        assert!(body.collect().await.is_ok());
        let window = layer.handle().metrics().window.unwrap();
        assert_eq!((window.calls, window.slow), (1, slow));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_grpc_is_as_slow_as_its_first_message() {
    for (first, slow) in [(1, 0), (2, 1)] {
        let layer = BreakerLayer::grpc("x").slow_call_rate(1.0, secs(2));
        let layer = layer.rate_window(RateWindow::calls(10));
        let frames = || vec![data(), data(), grpc_status("0")];
        let mut body = call(layer.layer(answering(frames))).await.into_body();
        advance(secs(first)).await;
        assert!(body.frame().await.unwrap().is_ok());
        advance(secs(3_600)).await;
        let body = body.collect().await;
        assert!(body.is_ok());
        let window = layer.handle().metrics().window.unwrap();
        assert_eq!((window.calls, window.failed, window.slow), (1, 0, slow));
    }
}

#[tokio::test(start_paused = true)]
async fn a_trial_of_a_stream_succeeds_at_its_first_message() {
    let layer = BreakerLayer::grpc("x").failure_threshold(1);
    let breaker = layer.handle();
    breaker.try_acquire().unwrap().failure();
    advance(secs(60)).await;
    let frames = || vec![data(), data(), grpc_status("14")];
    let mut body = call(layer.layer(answering(frames))).await.into_body();
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!(breaker.state(), State::Closed);
    // The stream goes on for longer than any lease, and its end counts as that of any call.
    advance(secs(3_600)).await;
    assert_eq!(breaker.metrics().leases_lost, 0);
    assert!(body.collect().await.is_ok());
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_trial_whose_body_breaks_off_while_others_are_awaited_fails() {
    let layer = BreakerLayer::http("x").failure_threshold(1);
    let layer = layer.successes_to_close(2);
    let breaker = layer.handle();
    breaker.try_acquire().unwrap().failure();
    advance(secs(60)).await;
    let body = call(layer.layer(answering(broken))).await.into_body();
    assert_eq!(breaker.state(), State::HalfOpen, "a success so far");
    assert!(body.collect().await.is_err());
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.retry_after(), Some(secs(60)));
}

#[tokio::test(start_paused = true)]
async fn a_trial_whose_body_breaks_off_is_no_success_any_more() {
    // Two of four must succeed, and so two may fail.
    let layer = BreakerLayer::http("x").failure_threshold(1);
    let layer = layer.trial_success_rate(0.5, 4);
    let breaker = layer.handle();
    breaker.try_acquire().unwrap().failure();
    advance(secs(60)).await;
    let body = call(layer.layer(answering(broken))).await.into_body();
    assert!(body.collect().await.is_err());
    for state in [State::HalfOpen, State::Closed] {
        breaker.try_acquire().unwrap().success();
        assert_eq!(breaker.state(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_of_streams_recovers_though_none_of_them_ends() {
    let layer = BreakerLayer::grpc("x").failure_threshold(1);
    let breaker = layer.handle();
    breaker.try_acquire().unwrap().failure();
    advance(secs(60)).await;
    let mut open = Vec::new();
    for _ in 0..100 {
        let mut body = call(layer.layer(answering(|| vec![data(), data()])))
            .await
            .into_body();
        if let Some(Ok(_)) = body.frame().await {
            open.push(body);
        }
        advance(secs(1)).await;
    }
    assert_eq!((open.len(), breaker.metrics().rejected), (100, 0));
    // Dropped by the caller after their first message they succeeded.
    drop(open);
    assert_eq!(
        (breaker.state(), breaker.metrics().failures),
        (State::Closed, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_failed_after_its_first_message_is_one_failure() {
    let layer = BreakerLayer::grpc("x").failure_rate(1.0);
    let window = || layer.handle().metrics().window.unwrap();
    let frames = || vec![data(), grpc_status("13")];
    drop(
        call(layer.layer(answering(frames)))
            .await
            .into_body()
            .collect()
            .await,
    );
    assert_eq!((window().calls, window().failed), (1, 1));
    // Cancelled: it is not counted.
    let frames = || vec![data(), grpc_status("1")];
    drop(
        call(layer.layer(answering(frames)))
            .await
            .into_body()
            .collect()
            .await,
    );
    assert_eq!((window().calls, window().failed), (1, 1));
}

#[cfg(feature = "tower-http")]
#[tokio::test(start_paused = true)]
async fn a_trial_judged_by_tower_http_succeeds_at_its_first_message() {
    use palisade_breaker::TowerHttp;
    use tower_http::classify::GrpcErrorsAsFailures;
    let layer = BreakerLayer::new("x").failure_threshold(1);
    let layer = layer.classify(TowerHttp(GrpcErrorsAsFailures::new()));
    let breaker = layer.handle();
    for (end, state) in [("0", State::Closed), ("13", State::Open)] {
        breaker.reset();
        breaker.try_acquire().unwrap().failure();
        advance(secs(60)).await;
        let frames = vec![data(), grpc_status(end)];
        let guarded = layer.layer(Scripted::new([Ok(response(frames))]));
        let mut body = call(guarded).await.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        assert_eq!(breaker.state(), State::Closed);
        assert!(body.collect().await.is_ok());
        assert_eq!(breaker.state(), state);
    }
}
