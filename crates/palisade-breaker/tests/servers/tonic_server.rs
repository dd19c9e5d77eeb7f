//! A real tonic server, whose calls end in every way that gRPC knows, behind a guarded channel. Real time.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use palisade_breaker::{Breaker, BreakerHandle, BreakerLayer, GrpcHealth, RespondWhenOpen, State};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tower::{Service, ServiceBuilder};

use crate::upstream::wait_for_trial;

/// Messages as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

impl tonic::codec::Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put(to, item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let left = bytes::Buf::remaining(from);
        Ok(Some(bytes::Buf::copy_to_bytes(from, left)))
    }
}

/// The end of the next calls.
#[derive(Debug, Clone)]
enum Ending {
    /// With OK in the trailers, after the message has been echoed.
    Well,
    /// With this in the head: no message, and no trailers of their own.
    InTheHead(Status),
    /// With this in the trailers, after the message.
    InTheTrailers(Status),
    /// Not at all, after the message.
    Never,
}

#[derive(Debug, Clone)]
struct Echo(Arc<Mutex<Ending>>);

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<Request<tonic::body::Body>> for Echo {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let ending = self.0.lock().unwrap().clone();
        Box::pin(async move {
            let echo = tower::service_fn(move |request: tonic::Request<Bytes>| {
                let message = stream::iter([Ok(request.into_inner())]);
                let answer = match ending.clone() {
                    Ending::InTheHead(status) => Err(status),
                    Ending::Well => Ok(message.boxed()),
                    Ending::InTheTrailers(status) => {
                        Ok(message.chain(stream::iter([Err(status)])).boxed())
                    }
                    Ending::Never => Ok(message.chain(stream::pending()).boxed()),
                };
                type Messages = BoxStream<'static, Result<Bytes, Status>>;
                async move { answer.map(tonic::Response::<Messages>::new) }
            });
            let mut server = tonic::server::Grpc::new(Raw);
            Ok(server.server_streaming(echo, request).await)
        })
    }
}

type Guarded = Breaker<Channel, GrpcHealth, RespondWhenOpen>;

/// A server, a guarded channel to it, and the breaker, which opens at the first failure.
struct Rig {
    ending: Arc<Mutex<Ending>>,
    channel: Guarded,
    breaker: BreakerHandle,
    /// Without it the server and its connections are gone.
    running: Option<oneshot::Sender<()>>,
}

impl Rig {
    async fn new() -> Self {
        let ending = Arc::new(Mutex::new(Ending::Well));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (running, stop) = oneshot::channel();
        let echo = Echo(Arc::clone(&ending));
        // A runtime of its own, because only with that its connections die.
        let listener = listener.into_std().unwrap();
        std::thread::spawn(move || serve(listener, echo, stop));
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{addr}")).unwrap();
        let layer = BreakerLayer::grpc("echo")
            .failure_threshold(1)
            .open_for(Duration::from_millis(100))
            .longest_open(Duration::from_secs(5));
        let breaker = layer.handle();
        let channel = endpoint.connect().await.unwrap();
        Self {
            ending,
            channel: ServiceBuilder::new().layer(layer).service(channel),
            breaker,
            running: Some(running),
        }
    }

    fn set(&self, ending: Ending) {
        *self.ending.lock().unwrap() = ending;
    }

    async fn open_stream(&self) -> Result<Streaming<Bytes>, Status> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        let ready = client.ready().await;
        ready.map_err(|error| Status::unknown(error.to_string()))?;
        let path = http::uri::PathAndQuery::from_static("/test.Echo/Echo");
        let request = tonic::Request::new(Bytes::from_static(b"hello"));
        let response = client.server_streaming(request, path, Raw).await?;
        Ok(response.into_inner())
    }

    /// Calls the method, and reads its stream to the end.
    async fn echo(&self) -> Result<Bytes, Status> {
        let mut stream = self.open_stream().await?;
        let first = stream.message().await?.unwrap_or_default();
        while stream.message().await?.is_some() {}
        Ok(first)
    }
}

/// Serves until it is told to stop, and takes its connections with it.
fn serve(listener: std::net::TcpListener, echo: Echo, stop: oneshot::Receiver<()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = tonic::transport::Server::builder().add_service(echo);
        tokio::select! {
            served = server.serve_with_incoming(incoming) => served.unwrap(),
            _ = stop => {}
        }
    });
}

#[tokio::test]
async fn each_code_is_judged_in_the_head_and_in_the_trailers_of_a_tonic_server() {
    let rig = Rig::new().await;
    for code in 1..=16 {
        for ending in [Ending::InTheHead, Ending::InTheTrailers] {
            rig.breaker.reset();
            rig.set(ending(Status::new(Code::from(code), "as told")));
            assert_eq!(rig.echo().await.unwrap_err().code(), Code::from(code));
            let fails = matches!(code, 2 | 4 | 8 | 13 | 14 | 15);
            let state = if fails { State::Open } else { State::Closed };
            assert_eq!(rig.breaker.state(), state, "{code}");
        }
    }
}

#[tokio::test]
async fn a_tonic_channel_is_guarded_by_the_status_in_the_trailers() {
    let rig = Rig::new().await;
    assert_eq!(rig.echo().await.unwrap(), "hello");
    rig.set(Ending::InTheTrailers(Status::internal("fails")));
    assert_eq!(rig.echo().await.unwrap_err().code(), Code::Internal);
    assert_eq!(rig.breaker.state(), State::Open);

    let refused = rig.echo().await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "and not Unknown");
    assert!(refused.metadata().get("grpc-retry-pushback-ms").is_some());

    rig.set(Ending::Well);
    wait_for_trial(&rig.breaker).await;
    assert_eq!(rig.echo().await.unwrap(), "hello");
    assert_eq!(rig.breaker.state(), State::Closed);
}

#[tokio::test]
async fn pushback_in_head_or_trailers_lengthens_the_open_time() {
    let rig = Rig::new().await;
    for ending in [Ending::InTheHead, Ending::InTheTrailers] {
        for (pushback, at_least, at_most) in [("3000", 2_900, 3_000), ("-1", 0, 100)] {
            let mut status = Status::unavailable("later");
            let metadata = status.metadata_mut();
            metadata.insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
            rig.breaker.reset();
            rig.set(ending(status));
            assert!(rig.echo().await.is_err());
            let left = rig.breaker.retry_after().unwrap_or_default().as_millis();
            assert!((at_least..=at_most).contains(&left), "{pushback}: {left}");
        }
    }
}

#[tokio::test]
async fn a_trial_of_a_stream_of_a_tonic_server_succeeds_at_its_first_message() {
    let rig = Rig::new().await;
    rig.set(Ending::Never);
    rig.breaker.try_acquire().unwrap().failure();
    wait_for_trial(&rig.breaker).await;
    let mut stream = rig.open_stream().await.unwrap();
    assert_eq!(stream.message().await.unwrap().unwrap(), "hello");
    assert_eq!(rig.breaker.state(), State::Closed);
    drop(stream);
    assert_eq!(rig.breaker.state(), State::Closed);
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_of_a_stream_failed() {
    let mut rig = Rig::new().await;
    rig.set(Ending::Never);
    let mut stream = rig.open_stream().await.unwrap();
    assert_eq!(stream.message().await.unwrap().unwrap(), "hello");
    assert_eq!(rig.breaker.state(), State::Closed);
    rig.running = None;
    assert!(stream.message().await.is_err());
    assert_eq!(rig.breaker.state(), State::Open);
}

#[tokio::test]
async fn a_tonic_server_that_is_not_there_opens_it() {
    let addr = crate::upstream::nobody().await;
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{addr}")).unwrap();
    let layer = BreakerLayer::grpc("nobody").failure_threshold(2);
    let breaker = layer.handle();
    let channel = ServiceBuilder::new()
        .layer(layer)
        .service(endpoint.connect_lazy());
    for _ in 0..2 {
        let mut client = tonic::client::Grpc::new(channel.clone());
        let path = http::uri::PathAndQuery::from_static("/test.Echo/Echo");
        let request = tonic::Request::new(Bytes::new());
        let called = match client.ready().await {
            Ok(()) => client
                .server_streaming(request, path, Raw)
                .await
                .map(drop)
                .map_err(|status| status.code()),
            Err(_) => Err(Code::Unknown),
        };
        assert!(called.is_err());
    }
    assert_eq!(breaker.state(), State::Open);
}
