//! Real servers: one that fails, stalls, breaks off and recovers over HTTP/1, and a tonic server. Real time.

mod common;

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use palisade_breaker::{BreakerError, BreakerLayer, State};
use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder, ServiceExt};

const WELL: u8 = 0;
const FAILS: u8 = 1;
const STALLS: u8 = 2;
const BREAKS_OFF: u8 = 3;

type Mood = Arc<AtomicU8>;

async fn answer(mood: Mood) -> Result<Response<UnsyncBoxBody<Bytes, std::io::Error>>, Infallible> {
    let full = |text: &'static str| {
        Full::from(text)
            .map_err(|never| match never {})
            .boxed_unsync()
    };
    Ok(match mood.load(Ordering::SeqCst) {
        WELL => Response::new(full("well")),
        FAILS => Response::builder().status(500).body(full("fails")).unwrap(),
        STALLS => std::future::pending().await,
        _ => {
            let half = Ok(Frame::data(Bytes::from_static(b"half")));
            // A moment later, so that head and half are on their way.
            let reset = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(std::io::ErrorKind::ConnectionReset.into())
            };
            let frames = stream::once(ready(half)).chain(stream::once(reset));
            Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)))
        }
    })
}

/// A server in this mood, until the runtime of the test ends.
async fn serve(mood: &Mood) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mood = Arc::clone(mood);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mood = Arc::clone(&mood);
            let service = hyper::service::service_fn(move |_| answer(Arc::clone(&mood)));
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    addr
}

fn get(addr: SocketAddr) -> Request<Full<Bytes>> {
    Request::get(format!("http://{addr}/"))
        .body(Full::default())
        .unwrap()
}

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn wait_for_trial(breaker: &palisade_breaker::BreakerHandle) {
    while breaker.retry_after().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_server_that_fails_stalls_breaks_off_and_recovers() {
    let mood = Mood::default();
    let addr = serve(&mood).await;
    let layer = BreakerLayer::http("upstream")
        .failure_threshold(3)
        .open_for(Duration::from_millis(50));
    let breaker = layer.handle();
    let client = ServiceBuilder::new()
        .layer(layer)
        .layer(tower::timeout::TimeoutLayer::new(Duration::from_millis(
            100,
        )))
        .service(client());
    for trouble in [FAILS, STALLS, BREAKS_OFF] {
        mood.store(trouble, Ordering::SeqCst);
        for _ in 0..3 {
            assert_eq!(breaker.state(), State::Closed, "trouble {trouble}");
            match client.clone().oneshot(get(addr)).await {
                Ok(response) if trouble == FAILS => assert_eq!(response.status(), 500),
                Ok(response) => {
                    assert_eq!(trouble, BREAKS_OFF);
                    assert!(response.into_body().collect().await.is_err());
                }
                Err(error) => assert!(matches!(error, BreakerError::Inner(_)) && trouble == STALLS),
            }
        }
        assert_eq!(breaker.state(), State::Open, "trouble {trouble}");
        let refused = client.clone().oneshot(get(addr)).await.unwrap_err();
        assert!(refused.rejected().is_some());

        mood.store(WELL, Ordering::SeqCst);
        wait_for_trial(&breaker).await;
        let response = client.clone().oneshot(get(addr)).await.unwrap();
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "well"
        );
        assert_eq!(breaker.state(), State::Closed);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_opens_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let layer = BreakerLayer::http("nobody");
    let breaker = layer.handle();
    let client = ServiceBuilder::new().layer(layer).service(client());
    for _ in 0..5 {
        assert!(client.clone().oneshot(get(addr)).await.is_err());
    }
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test]
async fn axum_handlers_are_guarded_by_route_and_by_router() {
    async fn failing() -> http::StatusCode {
        http::StatusCode::INTERNAL_SERVER_ERROR
    }
    let layer = BreakerLayer::http("handlers").respond_when_open();
    let breaker = layer.handle();
    let router: axum::Router = axum::Router::new()
        .route("/a", axum::routing::get(failing))
        .route("/b", axum::routing::get(failing).layer(layer.clone()))
        .layer(layer);
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let request = Request::get("/a").body(axum::body::Body::empty()).unwrap();
        statuses.push(
            router
                .clone()
                .oneshot(request)
                .await
                .unwrap()
                .status()
                .as_u16(),
        );
    }
    assert_eq!(statuses, [500, 500, 500, 500, 500, 503]);
    assert_eq!(breaker.state(), State::Open);
}

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
    type Error = tonic::Status;

    fn encode(
        &mut self,
        item: Bytes,
        to: &mut tonic::codec::EncodeBuf<'_>,
    ) -> Result<(), tonic::Status> {
        bytes::BufMut::put(to, item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Raw {
    type Item = Bytes;
    type Error = tonic::Status;

    fn decode(
        &mut self,
        from: &mut tonic::codec::DecodeBuf<'_>,
    ) -> Result<Option<Bytes>, tonic::Status> {
        Ok(Some(bytes::Buf::copy_to_bytes(
            from,
            bytes::Buf::remaining(from),
        )))
    }
}

/// A gRPC service with one method, which echoes or fails after its first message.
#[derive(Debug, Clone)]
struct Echo(Mood);

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
        let mood = Arc::clone(&self.0);
        Box::pin(async move {
            let echo = tower::service_fn(move |request: tonic::Request<Bytes>| {
                let mut messages = vec![Ok(request.into_inner())];
                // After a message, so that the status comes with the trailers of a 200.
                if mood.load(Ordering::SeqCst) == FAILS {
                    messages.push(Err(tonic::Status::internal("fails")));
                }
                let messages = futures_util::stream::iter(messages);
                async move { Ok::<_, tonic::Status>(tonic::Response::new(messages)) }
            });
            Ok(tonic::server::Grpc::new(Raw)
                .server_streaming(echo, request)
                .await)
        })
    }
}

async fn serve_grpc(mood: &Mood) -> tonic::transport::Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder().add_service(Echo(Arc::clone(mood)));
    tokio::spawn(server.serve_with_incoming(incoming));
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{addr}")).unwrap();
    endpoint.connect().await.unwrap()
}

/// Calls the method, and reads its stream to the end.
async fn echo<S>(channel: S) -> Result<Bytes, tonic::Status>
where
    S: tonic::client::GrpcService<tonic::body::Body>,
    S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<tower::BoxError> + Send,
{
    let mut client = tonic::client::Grpc::new(channel);
    client
        .ready()
        .await
        .map_err(|error| tonic::Status::unknown(error.into().to_string()))?;
    let path = http::uri::PathAndQuery::from_static("/test.Echo/Echo");
    let request = tonic::Request::new(Bytes::from_static(b"hello"));
    let mut stream = client
        .server_streaming(request, path, Raw)
        .await?
        .into_inner();
    let first = stream.message().await?.unwrap_or_default();
    while stream.message().await?.is_some() {}
    Ok(first)
}

#[tokio::test]
async fn a_tonic_channel_is_guarded_by_the_status_in_the_trailers() {
    let mood = Mood::default();
    let channel = serve_grpc(&mood).await;
    let layer = BreakerLayer::grpc("echo")
        .failure_threshold(3)
        .open_for(Duration::from_millis(200));
    let breaker = layer.handle();
    let guarded = ServiceBuilder::new().layer(layer).service(channel);
    assert_eq!(echo(guarded.clone()).await.unwrap(), "hello");

    mood.store(FAILS, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(breaker.state(), State::Closed);
        assert_eq!(
            echo(guarded.clone()).await.unwrap_err().code(),
            tonic::Code::Internal
        );
    }
    assert_eq!(breaker.state(), State::Open);
    let refused = echo(guarded.clone()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "and not Unknown");
    assert!(refused.metadata().get("grpc-retry-pushback-ms").is_some());

    mood.store(WELL, Ordering::SeqCst);
    wait_for_trial(&breaker).await;
    assert_eq!(echo(guarded).await.unwrap(), "hello");
    assert_eq!(breaker.state(), State::Closed);
}
