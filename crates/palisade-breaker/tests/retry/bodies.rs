//! The bodies of repeated requests.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use palisade_breaker::{ReplayError, RetryLayer};
use tower::{Layer, ServiceExt, service_fn};

use crate::upstream::{Answer, Attempts, request, reset, status, upstream};

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
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&attempts);
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
    let attempts = attempts.lock().unwrap();
    assert_eq!(attempts.len(), 3);
    for (trailers, body) in attempts.iter() {
        assert_eq!(
            (&trailers["checksum"], &body[..]),
            (&"1".parse().unwrap(), &b"body"[..])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_cap_is_sent_whole_and_once() {
    let attempts = Attempts::default();
    let layer = RetryLayer::default().replay_bodies(3);
    let service = layer.layer(upstream(&attempts, [reset as fn() -> Answer]));
    assert!(service.oneshot(streamed(frames())).await.is_err());
    let attempts = attempts.lock().unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].1, "body");
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
