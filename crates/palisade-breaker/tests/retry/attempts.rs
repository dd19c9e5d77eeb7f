//! The calls that are tried again, and how often.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Method, Request, Response};
use http_body_util::Full;
use palisade_breaker::{BreakerError, BreakerLayer, RetryAdvice, RetryLayer, State, retry_if};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::upstream::{
    Answer, Attempts, request, reset, run, status, tries, upstream, with_header,
};

#[tokio::test(start_paused = true)]
async fn three_attempts_and_no_more() {
    let (attempts, answer) = run(
        RetryLayer::default(),
        request(Method::GET),
        &[|| status(503)],
    )
    .await;
    assert_eq!(attempts, 3);
    assert_eq!(
        answer.unwrap().status(),
        503,
        "the last answer is what counts"
    );
    assert_eq!(tries(&[reset]).await, 3);
    assert_eq!(tries(&[reset, || status(500), || status(200)]).await, 3);
    assert_eq!(tries(&[|| status(502), || status(200)]).await, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_final_is_not_tried_again() {
    for code in (200..500).chain([501, 505]) {
        let status = http::StatusCode::from_u16(code).unwrap();
        let attempts = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&attempts);
        let service = RetryLayer::default().layer(service_fn(move |_: Request<Full<Bytes>>| {
            *counted.lock().unwrap() += 1;
            let response = Response::builder()
                .status(status)
                .body(String::new())
                .unwrap();
            async move { Ok::<_, std::io::Error>(response) }
        }));
        service.oneshot(request(Method::GET)).await.unwrap();
        assert_eq!(*attempts.lock().unwrap(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_statuses_can_be_retried() {
    let layer = || RetryLayer::default().retry_on([429]).retry_on([425]);
    for (answer, attempts) in [
        ((|| status(429)) as fn() -> Answer, 3),
        (|| status(425), 3),
        (|| status(404), 1),
    ] {
        assert_eq!(
            run(layer(), request(Method::GET), &[answer]).await.0,
            attempts
        );
    }
}

#[tokio::test(start_paused = true)]
async fn only_idempotent_requests_are_tried_again() {
    for (method, attempts) in [
        (Method::GET, 3),
        (Method::HEAD, 3),
        (Method::OPTIONS, 3),
        (Method::TRACE, 3),
        (Method::PUT, 3),
        (Method::DELETE, 3),
        (Method::POST, 1),
        (Method::PATCH, 1),
        (Method::CONNECT, 1),
    ] {
        let ran = run(RetryLayer::default(), request(method.clone()), &[reset]).await;
        assert_eq!(ran.0, attempts, "{method}");
    }
    let mut keyed = request(Method::POST);
    keyed
        .headers_mut()
        .insert("idempotency-key", "8e03978e".parse().unwrap());
    assert_eq!(run(RetryLayer::default(), keyed, &[reset]).await.0, 3);
    let told = RetryLayer::default().insecure_any_method();
    assert_eq!(run(told, request(Method::POST), &[reset]).await.0, 3);
}

#[tokio::test(start_paused = true)]
async fn grpc_is_retried_when_unavailable_and_as_the_server_says() {
    let told = || RetryLayer::default().insecure_any_method();
    for (answer, attempts) in [
        (
            (|| with_header(200, "grpc-status", "14")) as fn() -> Answer,
            3,
        ),
        (|| with_header(200, "grpc-status", "13"), 1),
        (|| with_header(200, "grpc-status", "16"), 1),
        (|| with_header(503, "grpc-retry-pushback-ms", "-1"), 1),
    ] {
        assert_eq!(
            run(told(), request(Method::POST), &[answer]).await.0,
            attempts
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_ends_the_retries() {
    let attempts = Attempts::default();
    let layer = BreakerLayer::http("x").failure_threshold(2);
    let breaker = layer.handle();
    let service = ServiceBuilder::new()
        .layer(RetryLayer::default().attempts(10))
        .layer(layer)
        .service(upstream(&attempts, [reset as fn() -> Answer]));
    let error = service
        .clone()
        .oneshot(request(Method::GET))
        .await
        .unwrap_err();
    assert!(matches!(error, BreakerError::Open(_)));
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(attempts.lock().unwrap().len(), 2);

    let refused = service.oneshot(request(Method::GET)).now_or_never();
    assert!(refused.expect("does not wait").is_err());
    assert_eq!(breaker.metrics().rejected, 2);
}

#[tokio::test(start_paused = true)]
async fn the_budget_keeps_an_outage_from_becoming_a_storm() {
    let attempts = Attempts::default();
    let layer = RetryLayer::default().backoff(Duration::from_millis(1), 1.0);
    let service = layer.layer(upstream(&attempts, [reset as fn() -> Answer]));
    for _ in 0..1_000 {
        let _ = service.clone().oneshot(request(Method::GET)).await;
    }
    let retries = attempts.lock().unwrap().len() - 1_000;
    // A fifth of the calls, and one a second for ten seconds.
    assert!((200..=210).contains(&retries), "{retries}");
}

#[tokio::test(start_paused = true)]
async fn off_tries_once() {
    assert_eq!(
        run(RetryLayer::default().off(), request(Method::GET), &[reset])
            .await
            .0,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_closure_can_judge() {
    let attempts = Attempts::default();
    let judge = retry_if(
        |result: Result<&Response<String>, &std::io::Error>| match result {
            Ok(response) if response.status() == 404 => RetryAdvice::Again,
            _ => RetryAdvice::No,
        },
    );
    let layer = RetryLayer::default().judge(judge);
    let service = layer.layer(upstream(
        &attempts,
        [(|| status(404)) as fn() -> Answer, reset],
    ));
    assert!(service.oneshot(request(Method::GET)).await.is_err());
    assert_eq!(attempts.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn absurd_settings_do_not_panic() {
    for layer in [
        RetryLayer::default().attempts(0),
        RetryLayer::default().backoff(Duration::MAX, f64::INFINITY),
        RetryLayer::default()
            .backoff(Duration::ZERO, f64::NAN)
            .longest_wait(Duration::ZERO),
        RetryLayer::default().jitter(f64::NAN),
        RetryLayer::default().jitter(f64::NEG_INFINITY),
        RetryLayer::default().budget(f32::NAN, u32::MAX),
        RetryLayer::default().budget(f32::INFINITY, 0),
        RetryLayer::default().attempts(u32::MAX).budget(-1.0, 0),
    ] {
        let _ = run(layer, request(Method::GET), &[reset, || status(200)]).await;
    }
}
