//! Clients that break off their uploads say nothing about the upstream. Real sockets, over HTTP/1 and HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use palisade_breaker::{BreakerHandle, BreakerLayer, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::timeout::TimeoutLayer;
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// A healthy upstream, which reads bodies to their end and says how long they were.
async fn upstream(version: Version) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = hyper::service::service_fn(async |request: Request<Incoming>| {
                let read = request.into_body().collect().await;
                let length = read.map_or(0, |body| body.to_bytes().len());
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(length.to_string()))))
            });
            let io = TokioIo::new(stream);
            match version {
                Version::Http1 => {
                    tokio::spawn(
                        hyper::server::conn::http1::Builder::new().serve_connection(io, answer),
                    );
                }
                Version::Http2 => {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    tokio::spawn(builder.serve_connection(io, answer));
                }
            }
        }
    });
    addr
}

type Forward = BoxCloneService<Request<Incoming>, StatusCode, ()>;

/// A proxy in front of the upstream, and the breaker in it.
async fn proxy(upstream: SocketAddr, version: Version, boxed: bool) -> (SocketAddr, BreakerHandle) {
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new())
        .http2_only(version == Version::Http2)
        .build_http();
    let layer = BreakerLayer::http("upstream");
    let breaker = layer.handle();
    let status = |response: Response<_>| response.status();
    let forward: Forward = if boxed {
        let service = ServiceBuilder::new()
            .layer(layer)
            .layer(TimeoutLayer::new(Duration::from_secs(10)))
            .service(client);
        BoxCloneService::new(service.map_response(status).map_err(drop))
    } else {
        let service = ServiceBuilder::new().layer(layer).service(client);
        BoxCloneService::new(service.map_response(status).map_err(drop))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let forward = forward.clone();
            let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                let forward = forward.clone();
                let uri = format!("http://{upstream}{}", request.uri().path());
                *request.uri_mut() = uri.parse().unwrap();
                *request.version_mut() = http::Version::HTTP_11;
                // Not dropped with the client's connection: the upstream answers, or the upload breaks.
                let forwarded = tokio::spawn(forward.oneshot(request));
                async move {
                    let status = forwarded.await.unwrap().unwrap_or(StatusCode::BAD_GATEWAY);
                    let answer = Response::builder()
                        .status(status)
                        .body(Full::<Bytes>::default());
                    Ok::<_, Infallible>(answer.unwrap())
                }
            });
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    (addr, breaker)
}

/// Sends these bytes and hangs up.
async fn send(proxy: SocketAddr, bytes: &str) {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
}

async fn status_of_a_whole_upload(proxy: SocketAddr) -> String {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let request =
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

const HANGS_UP: &str = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhello";
const BAD_CHUNK: &str =
    "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzzz\r\n";

#[tokio::test]
async fn uploads_that_their_clients_break_off_leave_it_closed() {
    for version in [Version::Http1, Version::Http2] {
        for boxed in [false, true] {
            let upstream = upstream(version).await;
            let (proxy, breaker) = proxy(upstream, version, boxed).await;
            for broken in [HANGS_UP, BAD_CHUNK] {
                for _ in 0..8 {
                    send(proxy, broken).await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                assert_eq!(
                    breaker.state(),
                    State::Closed,
                    "{version:?} boxed {boxed}: {broken:?}"
                );
                let good = status_of_a_whole_upload(proxy).await;
                assert_eq!(good, "HTTP/1.1 200 OK", "{version:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_upstream_that_is_gone_opens_it_all_the_same() {
    for version in [Version::Http1, Version::Http2] {
        let gone = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let (proxy, breaker) = proxy(gone, version, false).await;
        for _ in 0..5 {
            assert_eq!(
                status_of_a_whole_upload(proxy).await,
                "HTTP/1.1 502 Bad Gateway"
            );
        }
        assert_eq!(breaker.state(), State::Open, "{version:?}");
    }
}

#[tokio::test]
async fn an_upstream_that_resets_its_streams_opens_it() {
    // Speaks HTTP/2 as far as the preface, and answers each stream with RST_STREAM (RFC 9113, section 6.4).
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    respond.send_reset(h2::Reason::INTERNAL_ERROR);
                }
            });
        }
    });
    let (proxy, breaker) = proxy(upstream, Version::Http2, false).await;
    for _ in 0..5 {
        assert_eq!(
            status_of_a_whole_upload(proxy).await,
            "HTTP/1.1 502 Bad Gateway"
        );
    }
    assert_eq!(breaker.state(), State::Open);
}
