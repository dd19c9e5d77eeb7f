//! Bodies that are longer than what is kept of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use palisade_breaker::{ReplayBody, ReplayError, RetryLayer};
use tower::{Layer, ServiceExt, service_fn};

use crate::common::secs;

type Answer = Result<Response<String>, std::io::Error>;

fn status(code: u16) -> Answer {
    let response = Response::builder().status(code).body(String::new());
    Ok(response.unwrap())
}

/// Four bytes in two frames.
fn streamed() -> Request<impl Body<Data = Bytes, Error = std::io::Error> + Send> {
    let data = |text: &'static str| Ok(Frame::data(Bytes::from_static(text.as_bytes())));
    let body = StreamBody::new(futures_util::stream::iter([data("bo"), data("dy")]));
    Request::put("/").body(body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_cap_of_which_little_was_read_is_sent_whole_again() {
    for (second, attempts) in [(200, 2), (503, 2)] {
        let read = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&read);
        let upstream = service_fn(move |request: Request<ReplayBody<_>>| {
            let kept = Arc::clone(&kept);
            async move {
                let mut body = request.into_body();
                if kept.lock().unwrap().is_empty() {
                    // Within the cap, and answered early.
                    let first = body.frame().await.unwrap().unwrap();
                    kept.lock().unwrap().push(first.into_data().unwrap());
                    return status(503);
                }
                let whole = body.collect().await.expect("all of it").to_bytes();
                kept.lock().unwrap().push(whole);
                status(second)
            }
        });
        let layer = RetryLayer::default().replay_bodies(3);
        let answer = layer.layer(upstream).oneshot(streamed()).await.unwrap();
        assert_eq!(answer.status(), second, "of the server, and no error");
        let read = read.lock().unwrap();
        assert_eq!(
            (read.len(), &read[0][..], &read[1][..]),
            (attempts, &b"bo"[..], &b"body"[..])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_goes_on_after_its_answer_takes_nothing_from_the_next_attempt() {
    let read = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&read);
    let upstream = service_fn(move |request: Request<ReplayBody<_>>| {
        let kept = Arc::clone(&kept);
        async move {
            let mut body = request.into_body();
            if kept.lock().unwrap().is_empty() {
                let first = body.frame().await.unwrap().unwrap();
                kept.lock().unwrap().push(first.into_data().unwrap());
                // As the task of a connection does, while the next attempt still waits.
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    let broken = body.frame().await.unwrap().unwrap_err();
                    assert!(matches!(broken, ReplayError::Superseded));
                    kept.lock().unwrap().push(Bytes::from_static(b"superseded"));
                });
                return status(503);
            }
            let whole = body.collect().await.expect("all of it").to_bytes();
            kept.lock().unwrap().push(whole);
            status(200)
        }
    });
    let layer = RetryLayer::default().replay_bodies(3).jitter(0.0);
    let answer = layer.layer(upstream).oneshot(streamed()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(*read.lock().unwrap(), ["bo", "superseded", "body"]);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_waits_for_more_learns_that_it_is_superseded() {
    let (sender, frames) = tokio::sync::mpsc::unbounded_channel();
    let frames = tokio_stream::wrappers::UnboundedReceiverStream::new(frames);
    let learned = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&learned);
    let upstream = service_fn(move |request: Request<ReplayBody<_>>| {
        let counted = Arc::clone(&counted);
        async move {
            let mut body = request.into_body();
            tokio::spawn(async move {
                if let Some(Err(ReplayError::Superseded)) = body.frame().await {
                    *counted.lock().unwrap() += 1;
                }
            });
            tokio::time::sleep(secs(1)).await;
            status(503)
        }
    });
    let layer = RetryLayer::default().replay_bodies(3);
    let body = StreamBody::new(frames);
    let request = Request::put("/").body(body).unwrap();
    let answer = layer.layer(upstream).oneshot(request).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), *learned.lock().unwrap()),
        (503, 2)
    );
    drop::<tokio::sync::mpsc::UnboundedSender<Result<Frame<Bytes>, std::io::Error>>>(sender);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_to_the_caller_is_still_uploaded() {
    let upstream = service_fn(|request: Request<ReplayBody<_>>| async {
        let mut body = request.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        // No budget is left for a retry, so the answer stands, and its upload goes on.
        tokio::spawn(async move {
            let rest = body.collect().await.expect("not superseded").to_bytes();
            assert_eq!(rest, "dy");
        });
        status(503)
    });
    let layer = RetryLayer::default().replay_bodies(3).budget(0.0, 0);
    let answer = layer.layer(upstream).oneshot(streamed()).await.unwrap();
    assert_eq!(answer.status(), 503);
    tokio::time::sleep(secs(1)).await;
}
