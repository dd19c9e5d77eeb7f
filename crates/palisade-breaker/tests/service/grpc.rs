//! gRPC: the status at the end of the stream decides.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use palisade_breaker::{BreakerLayer, GrpcHealth, Outcome, RespondWhenOpen, State};
use tower::{Layer, Service, ServiceExt};

use crate::common::{Scripted, advance, secs};

type Frames = Vec<Result<Frame<Bytes>, &'static str>>;

fn streaming(frames: Frames) -> Response<impl http_body::Body<Data = Bytes, Error = &'static str>> {
    Response::new(StreamBody::new(futures_util::stream::iter(frames)))
}

fn message() -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\0")))
}

fn status(code: &str) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())])
}

fn trailers(code: &str) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::trailers(status(code)))
}

fn request() -> Request<()> {
    let request = Request::post("/pkg.Service/Call");
    let request = request.header("content-type", "application/grpc");
    request.body(()).unwrap()
}

fn layer() -> BreakerLayer<GrpcHealth, RespondWhenOpen> {
    BreakerLayer::grpc("x").failure_threshold(1)
}

/// Half-open, so that a success, a failure and nothing at all lead to three different states.
async fn half_open() -> BreakerLayer<GrpcHealth, RespondWhenOpen> {
    let layer = layer();
    layer.handle().try_acquire().unwrap().failure();
    advance(secs(60)).await;
    layer
}

async fn call<S: Service<Request<()>>>(service: S) -> S::Response
where
    S::Error: std::fmt::Debug,
{
    service.oneshot(request()).await.unwrap()
}

async fn read(frames: Frames) -> State {
    let layer = half_open().await;
    let guarded = layer.layer(Scripted::new([Ok(streaming(frames))]));
    let _ = call(guarded).await.into_body().collect().await;
    layer.handle().state()
}

/// The status codes of gRPC, and how the design judges them.
const CODES: [(u8, Outcome); 17] = [
    (0, Outcome::Success),
    (1, Outcome::Ignored),
    (2, Outcome::Failure),
    (3, Outcome::Success),
    (4, Outcome::Failure),
    (5, Outcome::Success),
    (6, Outcome::Success),
    (7, Outcome::Success),
    (8, Outcome::Overload),
    (9, Outcome::Success),
    (10, Outcome::Success),
    (11, Outcome::Success),
    (12, Outcome::Success),
    (13, Outcome::Failure),
    (14, Outcome::Failure),
    (15, Outcome::Failure),
    (16, Outcome::Success),
];

const fn state_after(outcome: Outcome) -> State {
    match outcome {
        Outcome::Success => State::Closed,
        Outcome::Ignored => State::HalfOpen,
        _ => State::Open,
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_the_17_codes_is_judged_in_trailers_and_in_heads() {
    for (code, outcome) in CODES {
        assert_eq!(GrpcHealth::default().outcome(code), outcome, "{code}");
        let text = code.to_string();
        let in_trailers = read(vec![trailers(&text)]).await;
        assert_eq!(in_trailers, state_after(outcome), "{code}");
        // A trial has succeeded at its first message, and what comes of it then is a call like any other.
        let after_a_message = match outcome {
            Outcome::Ignored => State::Closed,
            outcome => state_after(outcome),
        };
        let read = read(vec![message(), trailers(&text)]).await;
        assert_eq!(read, after_a_message, "{code}");

        let layer = half_open().await;
        let mut response = streaming(Vec::new());
        *response.headers_mut() = status(&text);
        drop(call(layer.layer(Scripted::new([Ok(response)]))).await);
        assert_eq!(layer.handle().state(), state_after(outcome), "{code}");
    }
}

#[test]
fn other_codes_can_be_made_to_fail() {
    let health = GrpcHealth::default().fail_on([16, 17, 255]);
    assert_eq!(health.outcome(16), Outcome::Failure);
    assert_eq!(health.outcome(7), Outcome::Success);
    assert_eq!(health.outcome(17), Outcome::Failure, "no status at all");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_without_a_status_failed() {
    assert_eq!(read(vec![message()]).await, State::Open);
    assert_eq!(
        read(vec![message(), trailers("nonsense")]).await,
        State::Open
    );
    assert_eq!(read(vec![message(), Err("reset")]).await, State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_stream_dropped_after_its_first_message_succeeded() {
    let layer = BreakerLayer::grpc("x").failure_rate(1.0);
    let response = streaming(vec![message(), message(), trailers("14")]);
    let mut body = call(layer.layer(Scripted::new([Ok(response)])))
        .await
        .into_body();
    let _ = body.frame().await;
    drop(body);
    let window = layer.handle().metrics().window.unwrap();
    assert_eq!((window.calls, window.failed), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_dropped_before_its_first_message_is_cancelled() {
    let layer = half_open().await;
    let response = streaming(vec![message(), trailers("0")]);
    drop(call(layer.layer(Scripted::new([Ok(response)]))).await);
    assert_eq!(layer.handle().state(), State::HalfOpen);
    assert_eq!(layer.handle().metrics().trials_in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_grpc_is_read_by_its_http_status() {
    // From the gRPC documentation, http-grpc-status-mapping.md.
    for (code, state) in [
        (400, State::Open),
        (401, State::Closed),
        (403, State::Closed),
        (404, State::Closed),
        (429, State::Open),
        (502, State::Open),
        (503, State::Open),
        (504, State::Open),
        (500, State::Open),
        (301, State::Open),
    ] {
        let layer = half_open().await;
        let mut response = streaming(Vec::new());
        *response.status_mut() = StatusCode::from_u16(code).unwrap();
        drop(call(layer.layer(Scripted::new([Ok(response)]))).await);
        assert_eq!(layer.handle().state(), state, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn pushback_lengthens_the_open_time() {
    let layer = layer();
    let mut head = status("14");
    head.insert("grpc-retry-pushback-ms", "90000".parse().unwrap());
    let mut response = streaming(Vec::new());
    *response.headers_mut() = head;
    drop(call(layer.layer(Scripted::new([Ok(response)]))).await);
    assert_eq!(layer.handle().retry_after(), Some(secs(90)));
}

#[tokio::test(start_paused = true)]
async fn while_open_it_answers_unavailable_with_a_pushback() {
    let layer = layer();
    layer.handle().try_acquire().unwrap().failure();
    let response = call(layer.layer(Scripted::new([Ok(streaming(Vec::new()))]))).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "14");
    assert_eq!(response.headers()["grpc-retry-pushback-ms"], "60000");
}
