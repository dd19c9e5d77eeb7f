//! Clients that are slow, idle or too many, in front of a server that others must be able to use meanwhile.

#[path = "serve/bodies.rs"]
mod bodies;
#[path = "serve/flood.rs"]
mod flood;
#[path = "serve/places.rs"]
mod places;
#[path = "serve/slow.rs"]
mod slow;
#[path = "serve/stop.rs"]
mod stop;
#[path = "serve/tls.rs"]
mod tls;

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use axum::serve::Listener;
use bytes::Bytes;
use http_body::Frame;
use palisade::axum::{Drained, Server, protect, serve};
use palisade::{ClientIp, Stack};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Half a second, four checks of 125 ms.
const SHORT: Duration = Duration::from_millis(500);

/// Longer than what is told of `SHORT`, on a busy machine too.
const LONG: Duration = Duration::from_secs(20);

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A body of a kilobyte after the other.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1024])))))
    }
}

fn router() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route(
            "/slow",
            get(async || {
                tokio::time::sleep(2 * SHORT).await;
                "slow"
            }),
        )
        .route("/large", get(async || Body::from(vec![b'x'; 64 << 20])))
        .route("/stream", get(async || Body::new(Endless)))
        .route("/echo", post(async |body: Bytes| body))
}

/// A server that runs until it is dropped or told to stop.
struct Running {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<Drained>,
}

impl Running {
    async fn start(set_up: impl FnOnce(Server<TcpListener>) -> Server<TcpListener>) -> Self {
        Self::with(Stack::new(), router(), set_up).await
    }

    async fn with(
        stack: Stack,
        router: Router,
        set_up: impl FnOnce(Server<TcpListener>) -> Server<TcpListener>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = Listener::local_addr(&listener).unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = set_up(serve(listener, protect(router, stack)));
        let server = server.with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        Self {
            addr,
            stop: Some(stop),
            server: tokio::spawn(server.into_future()),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Others are served.
    async fn assert_serves(&self) {
        let mut client = self.connect().await;
        client.write_all(ASK).await.unwrap();
        let answer = read_answer(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    async fn stop(mut self) -> Drained {
        let _ = self.stop.take().unwrap().send(());
        (&mut self.server).await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Reads the answer to a request for a short text.
async fn read_answer(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let head_ends = answer.windows(4).position(|four| four == b"\r\n\r\n");
        if head_ends.is_some_and(|at| answer.len() > at + 4) {
            return String::from_utf8(answer).unwrap();
        }
        let read = tokio::time::timeout(LONG, io.read(&mut buffer)).await;
        let read = read.expect("an answer").unwrap();
        assert!(
            read > 0,
            "closed after {:?}",
            String::from_utf8_lossy(&answer)
        );
        answer.extend_from_slice(&buffer[..read]);
    }
}

/// Waits until the server has closed the connection, and returns how long that took.
async fn closed(io: &mut (impl AsyncRead + Unpin)) -> Duration {
    let begin = Instant::now();
    let mut buffer = vec![0; 1 << 16];
    let closed = async {
        // A reset is an end too: there was something that the server had not read.
        while let Ok(1..) = io.read(&mut buffer).await {}
    };
    tokio::time::timeout(LONG, closed).await.expect("an end");
    begin.elapsed()
}
