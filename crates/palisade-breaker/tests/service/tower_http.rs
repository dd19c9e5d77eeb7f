//! Classifiers of tower-http.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use palisade_breaker::{BreakerHandle, BreakerLayer, State, TowerHttp};
use tower::{Layer, ServiceExt};
use tower_http::classify::{ClassifyResponse, GrpcErrorsAsFailures, ServerErrorsAsFailures};

use crate::common::{Scripted, fail};

type Frames = Vec<Result<Frame<Bytes>, &'static str>>;

/// The state of a breaker of one failure after this response has been read.
async fn read<T>(judge: T, status: u16, frames: Frames) -> State
where
    T: ClassifyResponse + Clone,
    T::ClassifyEos: Send + Sync + 'static,
{
    let layer = BreakerLayer::new("x")
        .failure_threshold(1)
        .classify(TowerHttp(judge));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let response = Response::builder().status(status).body(body).unwrap();
    let guarded = layer.layer(Scripted::new([Ok(response)]));
    let _ = guarded
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_body()
        .collect()
        .await;
    layer.handle().state()
}

fn trailers(code: &str) -> Frames {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())]);
    vec![
        Ok(Frame::data(Bytes::from_static(b"x"))),
        Ok(Frame::trailers(trailers)),
    ]
}

#[tokio::test(start_paused = true)]
async fn server_errors_fail_at_the_head() {
    assert_eq!(
        read(ServerErrorsAsFailures::new(), 500, vec![]).await,
        State::Open
    );
    assert_eq!(
        read(ServerErrorsAsFailures::new(), 404, vec![]).await,
        State::Closed
    );
}

#[tokio::test(start_paused = true)]
async fn grpc_errors_fail_at_the_trailers() {
    assert_eq!(
        read(GrpcErrorsAsFailures::new(), 200, trailers("13")).await,
        State::Open
    );
    assert_eq!(
        read(GrpcErrorsAsFailures::new(), 200, trailers("0")).await,
        State::Closed
    );
    assert_eq!(
        read(GrpcErrorsAsFailures::new(), 200, vec![Err("reset")]).await,
        State::Open
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_is_a_failure() {
    let layer = BreakerLayer::new("x").failure_threshold(2);
    let breaker: BreakerHandle = layer.handle();
    fail(&breaker, 1);
    let layer = layer.classify(TowerHttp(ServerErrorsAsFailures::new()));
    let guarded = layer.layer(Scripted::<Response<()>>::new([Err("down")]));
    assert!(guarded.oneshot(Request::new(())).await.is_err());
    assert_eq!(breaker.state(), State::Open);
}
