//! The ends of requests: dropped, timed out, failed, panicked.

use crate::support::{Trail, answers, get, hello};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use palisade_core::{Principal, RequestScope};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Service, ServiceExt, service_fn};

#[tokio::test]
async fn an_error_of_the_service_is_recorded_and_comes_through_unchanged() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(async |_: Request<()>| {
        Err::<Response<Full<Bytes>>, _>("the very error")
    }));
    let error = service.oneshot(get("/")).await.unwrap_err();
    assert_eq!(error, "the very error");
    let record = trail.record();
    assert_eq!(record["outcome"], "error");
    assert_eq!(record.get("status"), None);
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_response_leaves_its_record() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(async |request: Request<()>| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        scope.push_principal(Principal::user("iss", "ada").into());
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    }));
    let mut call = Box::pin(service.oneshot(get("/slow")));
    let _ = futures_poll(call.as_mut());
    drop(call);
    let record = trail.record();
    assert_eq!(record["outcome"], "aborted");
    assert_eq!(record["path"], "/slow");
    assert_eq!(record["actor"], "ada", "what was known is kept");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_leaves_the_record_of_an_aborted_request() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(async |_: Request<()>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    }));
    let call = service.oneshot(get("/"));
    assert!(
        tokio::time::timeout(Duration::from_secs(3), call)
            .await
            .is_err()
    );
    let record = trail.record();
    assert_eq!(record["outcome"], "aborted");
    assert_eq!(record["duration_us"], 3_000_000);
}

#[tokio::test]
async fn a_body_that_is_dropped_halfway_is_incomplete() {
    let mut trail = Trail::new();
    let service = trail.service(answers_two_frames());
    let response = service.oneshot(get("/")).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let record = trail.record();
    assert_eq!(record["outcome"], "incomplete");
    assert_eq!(record["bytes"], 3);
    assert_eq!(record["status"], 200);
}

#[tokio::test]
async fn a_body_that_was_sent_in_full_and_dropped_unasked_is_complete() {
    // As hyper does with a body whose length is known.
    #[derive(Clone)]
    struct Sized(bool);
    impl Body for Sized {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let first = !std::mem::replace(&mut self.0, true);
            Poll::Ready(first.then(|| Ok(Frame::data(Bytes::from_static(b"hello")))))
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(if self.0 { 0 } else { 5 })
        }
    }
    let mut trail = Trail::new();
    let response = trail
        .service(answers(Sized(false)))
        .oneshot(get("/"))
        .await
        .unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(trail.record()["outcome"], "success");
}

#[tokio::test]
async fn a_response_to_head_needs_no_body_to_be_complete() {
    let mut trail = Trail::new();
    let request = Request::head("/").body(()).unwrap();
    drop(trail.service(answers(hello())).oneshot(request).await);
    assert_eq!(trail.record()["outcome"], "success");
}

#[tokio::test]
async fn a_body_that_fails_is_incomplete_and_its_error_unchanged() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(async |_: Request<()>| {
        let frames = vec![
            Ok(Frame::data(Bytes::from_static(b"one"))),
            Err("broken pipe"),
        ];
        Ok::<_, Infallible>(Response::new(StreamBody::new(futures_util::stream::iter(
            frames,
        ))))
    }));
    let body = service.oneshot(get("/")).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap_err(), "broken pipe");
    assert_eq!(trail.record()["outcome"], "incomplete");
}

#[tokio::test]
async fn trailers_and_size_hints_pass_and_a_grpc_status_is_seen() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(async |_: Request<()>| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "7".parse().unwrap());
        let body = hello().with_trailers(std::future::ready(Some(Ok(trailers))));
        Ok::<_, Infallible>(Response::new(body))
    }));
    let response = service.oneshot(get("/pkg.Rooms/List")).await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(5));
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "7");
    assert_eq!(collected.to_bytes(), "hello");
    let record = trail.record();
    assert_eq!(record["grpc_status"], 7);
    assert_eq!(record["outcome"], "denied");
}

#[tokio::test]
async fn a_panic_of_the_handler_is_recorded_even_when_it_was_caught() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(
        async |_: Request<()>| -> Result<Response<Full<Bytes>>, Infallible> {
            tokio::task::yield_now().await;
            panic!("in the handler");
        },
    ));
    let task = tokio::spawn(async move { service.oneshot(get("/")).await.map(drop) });
    assert!(task.await.unwrap_err().is_panic());
    let record = trail.record();
    assert_eq!(record["outcome"], "panic");
    assert_eq!(record["severity"], "critical");
}

#[test]
fn a_panic_is_told_from_an_abort_although_the_future_is_dropped_after_it_was_caught() {
    let mut trail = Trail::new();
    let service = trail.service(service_fn(
        async |_: Request<()>| -> Result<Response<Full<Bytes>>, Infallible> {
            panic!("in the handler")
        },
    ));
    let mut call = Box::pin(service.oneshot(get("/")));
    let polled =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| futures_poll(call.as_mut())));
    assert!(polled.is_err());
    drop(call);
    assert_eq!(trail.record()["outcome"], "panic");
}

fn answers_two_frames() -> impl Service<
    Request<()>,
    Response = Response<impl Body<Data = Bytes, Error = Infallible>>,
    Error = Infallible,
> {
    service_fn(async |_: Request<()>| {
        let frames =
            ["one", "two"].map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
        Ok::<_, Infallible>(Response::new(StreamBody::new(futures_util::stream::iter(
            frames,
        ))))
    })
}

fn futures_poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}
