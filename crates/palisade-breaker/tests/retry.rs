//! Retries: what is tried again, when, how often, and with which body.
#![cfg(feature = "retry")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use common::secs;
use futures_util::FutureExt;
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use palisade_breaker::{
    BreakerError, BreakerLayer, ReplayError, RetryAdvice, RetryLayer, State, retry_if,
};
use palisade_core::time::{Instant, now};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Answer = Result<Response<String>, std::io::Error>;

/// The requests that the upstream saw: their times, and their whole bodies.
type Seen = Arc<Mutex<Vec<(Instant, Bytes)>>>;

fn status(code: u16) -> Answer {
    let response = Response::builder().status(code).body(String::new());
    Ok(response.unwrap())
}

fn reset() -> Answer {
    Err(std::io::ErrorKind::ConnectionReset.into())
}

fn with_header(code: u16, name: &'static str, value: &str) -> Answer {
    let response = Response::builder().status(code).header(name, value);
    Ok(response.body(String::new()).unwrap())
}

/// Answers one after the other, and the last for ever.
fn upstream<B>(
    seen: &Seen,
    answers: impl IntoIterator<Item = fn() -> Answer>,
) -> impl Service<Request<B>, Response = Response<String>, Error = std::io::Error, Future: Send> + Clone
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
{
    let seen = Arc::clone(seen);
    let answers: Arc<[fn() -> Answer]> = answers.into_iter().collect();
    service_fn(move |request: Request<B>| {
        let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let mut seen = seen.lock().unwrap();
            seen.push((now(), body));
            let answer = answers.get(seen.len() - 1).or(answers.last());
            answer.unwrap()()
        }
    })
}

fn request(method: Method) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .body(Full::from("body"))
        .unwrap()
}

/// The number of calls of the upstream for these answers, and the result.
async fn run(
    layer: RetryLayer,
    request: Request<Full<Bytes>>,
    answers: &[fn() -> Answer],
) -> (usize, Answer) {
    let seen = Seen::default();
    let service = layer.layer(upstream(&seen, answers.iter().copied()));
    let answer = service.oneshot(request).await;
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|(_, body)| body == "body"), "{seen:?}");
    (seen.len(), answer)
}

async fn tries(answers: &[fn() -> Answer]) -> usize {
    run(RetryLayer::default(), request(Method::GET), answers)
        .await
        .0
}

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
        let seen = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&seen);
        let service = RetryLayer::default().layer(service_fn(move |_: Request<Full<Bytes>>| {
            *counted.lock().unwrap() += 1;
            let response = Response::builder()
                .status(status)
                .body(String::new())
                .unwrap();
            async move { Ok::<_, std::io::Error>(response) }
        }));
        service.oneshot(request(Method::GET)).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), 1, "{code}");
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
    let seen = Seen::default();
    let layer = BreakerLayer::http("x").failure_threshold(2);
    let breaker = layer.handle();
    let service = ServiceBuilder::new()
        .layer(RetryLayer::default().attempts(10))
        .layer(layer)
        .service(upstream(&seen, [reset as fn() -> Answer]));
    let error = service
        .clone()
        .oneshot(request(Method::GET))
        .await
        .unwrap_err();
    assert!(matches!(error, BreakerError::Open(_)));
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(seen.lock().unwrap().len(), 2);

    let refused = service.oneshot(request(Method::GET)).now_or_never();
    assert!(refused.expect("does not wait").is_err());
    assert_eq!(breaker.metrics().rejected, 2);
}

#[tokio::test(start_paused = true)]
async fn it_waits_at_random_up_to_one_and_two_seconds() {
    let mut waits = [Vec::new(), Vec::new()];
    for _ in 0..200 {
        let seen = Seen::default();
        let service = RetryLayer::default().layer(upstream(&seen, [reset as fn() -> Answer]));
        assert!(service.oneshot(request(Method::GET)).await.is_err());
        let seen = seen.lock().unwrap();
        for (wait, pair) in waits.iter_mut().zip(seen.windows(2)) {
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
    let seen = Seen::default();
    let layer = RetryLayer::default().jitter(0.0).longest_wait(secs(3));
    let service = layer
        .attempts(4)
        .layer(upstream(&seen, [reset as fn() -> Answer]));
    assert!(service.oneshot(request(Method::GET)).await.is_err());
    let seen = seen.lock().unwrap();
    let waits = seen
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

#[tokio::test(start_paused = true)]
async fn the_budget_keeps_an_outage_from_becoming_a_storm() {
    let seen = Seen::default();
    let layer = RetryLayer::default().backoff(Duration::from_millis(1), 1.0);
    let service = layer.layer(upstream(&seen, [reset as fn() -> Answer]));
    for _ in 0..1_000 {
        let _ = service.clone().oneshot(request(Method::GET)).await;
    }
    let retries = seen.lock().unwrap().len() - 1_000;
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
    let seen = Seen::default();
    let judge = retry_if(
        |result: Result<&Response<String>, &std::io::Error>| match result {
            Ok(response) if response.status() == 404 => RetryAdvice::Again,
            _ => RetryAdvice::No,
        },
    );
    let layer = RetryLayer::default().judge(judge);
    let service = layer.layer(upstream(&seen, [(|| status(404)) as fn() -> Answer, reset]));
    assert!(service.oneshot(request(Method::GET)).await.is_err());
    assert_eq!(seen.lock().unwrap().len(), 2);
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

type Frames = Vec<Result<Frame<Bytes>, std::io::Error>>;

fn frames() -> Frames {
    let data = |text: &'static str| Ok(Frame::data(Bytes::from_static(text.as_bytes())));
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", "1".parse().unwrap());
    vec![data("bo"), data("dy"), Ok(Frame::trailers(trailers))]
}

fn streamed(frames: Frames) -> Request<impl Body<Data = Bytes, Error = std::io::Error>> {
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Request::put("/").body(body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_is_replayed_with_its_trailers() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let service =
        RetryLayer::default()
            .replay_bodies(4)
            .layer(service_fn(move |request: Request<_>| {
                let kept = Arc::clone(&kept);
                async move {
                    let body: palisade_breaker::ReplayBody<_> = request.into_body();
                    let whole = body.collect().await.unwrap();
                    let trailers = whole.trailers().cloned().unwrap();
                    kept.lock().unwrap().push((trailers, whole.to_bytes()));
                    status(503)
                }
            }));
    service.oneshot(streamed(frames())).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    for (trailers, body) in seen.iter() {
        assert_eq!(
            (&trailers["checksum"], &body[..]),
            (&"1".parse().unwrap(), &b"body"[..])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_cap_is_sent_whole_and_once() {
    let seen = Seen::default();
    let layer = RetryLayer::default().replay_bodies(3);
    let service = layer.layer(upstream(&seen, [reset as fn() -> Answer]));
    assert!(service.oneshot(streamed(frames())).await.is_err());
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].1, "body");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_not_read_to_its_end_is_still_whole_the_next_time() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&bodies);
    let service =
        RetryLayer::default()
            .replay_bodies(64)
            .layer(service_fn(move |request: Request<_>| {
                let kept = Arc::clone(&kept);
                async move {
                    let mut body: palisade_breaker::ReplayBody<_> = request.into_body();
                    if kept.lock().unwrap().is_empty() {
                        // Answers early, and even keeps the body for a while.
                        let first = body.frame().await.unwrap().unwrap();
                        kept.lock()
                            .unwrap()
                            .push((first.into_data().unwrap(), Some(body)));
                        return status(503);
                    }
                    let whole = body.collect().await.unwrap().to_bytes();
                    kept.lock().unwrap().push((whole, None));
                    status(200)
                }
            }));
    assert_eq!(
        service.oneshot(streamed(frames())).await.unwrap().status(),
        200
    );
    let mut bodies = std::mem::take(&mut *bodies.lock().unwrap());
    assert_eq!(
        (&bodies[0].0[..], &bodies[1].0[..]),
        (&b"bo"[..], &b"body"[..])
    );
    let mut early = bodies.remove(0).1.unwrap();
    let broken = early.frame().await.unwrap().unwrap_err();
    assert!(
        matches!(broken, ReplayError::Superseded),
        "never a body that looks complete"
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_not_retried() {
    let attempts = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&attempts);
    let service =
        RetryLayer::default()
            .replay_bodies(64)
            .layer(service_fn(move |request: Request<_>| {
                *counted.lock().unwrap() += 1;
                async move {
                    let body: palisade_breaker::ReplayBody<_> = request.into_body();
                    assert!(body.collect().await.is_err());
                    reset()
                }
            }));
    let mut frames = frames();
    frames[1] = Err(std::io::ErrorKind::UnexpectedEof.into());
    assert!(service.oneshot(streamed(frames)).await.is_err());
    assert_eq!(*attempts.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_sizes_of_a_replayed_body_are_those_of_what_is_left() {
    let service =
        RetryLayer::default()
            .replay_bodies(64)
            .layer(service_fn(|request: Request<_>| async {
                let mut body: palisade_breaker::ReplayBody<Full<Bytes>> = request.into_body();
                assert_eq!(body.size_hint().exact(), Some(4));
                assert!(!body.is_end_stream());
                assert!(body.frame().await.unwrap().is_ok());
                assert_eq!(body.size_hint().exact(), Some(0));
                assert!(body.is_end_stream());
                assert!(body.frame().await.is_none());
                reset()
            }));
    assert!(service.oneshot(request(Method::PUT)).await.is_err());
}
