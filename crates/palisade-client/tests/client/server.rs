//! A server that the tests script byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use palisade_client::{HttpClient, HttpClientBuilder};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server on loopback, which ends with the runtime of its test.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Runs `serve` on each connection.
    pub(crate) async fn start<F, Served>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> Served + Send + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Answers each request of each connection with these bytes.
    pub(crate) async fn answering(response: &'static str) -> Self {
        Self::start(move |mut stream| async move {
            while read_request(&mut stream).await.is_some() {
                if stream.write_all(response.as_bytes()).await.is_err() {
                    break;
                }
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads the head of a request and the body that its Content-Length announces; `None` at the end of the connection.
pub(crate) async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(1) => read.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(read).expect("a head is text");
    let length = head
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}

/// Copies between two connections until one of them ends.
pub(crate) async fn join<A, B>(mut a: A, mut b: B)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let _ = tokio::io::copy_bidirectional(&mut a, &mut b).await;
}

/// A client that no proxy of the environment and no long wait disturbs.
pub(crate) fn quick() -> HttpClientBuilder {
    HttpClient::builder()
        .no_proxy()
        .connect_timeout(Duration::from_millis(500))
        .attempt_timeout(Duration::from_millis(300))
        .retry(once())
}

/// Waits between attempts that a test can bear.
pub(crate) fn again() -> palisade_breaker::RetryConfig {
    let mut retry = palisade_breaker::RetryConfig::default();
    retry.base = Some(Duration::from_millis(5));
    retry
}

pub(crate) fn once() -> palisade_breaker::RetryConfig {
    let mut retry = palisade_breaker::RetryConfig::default();
    retry.attempts = Some(1);
    retry
}
