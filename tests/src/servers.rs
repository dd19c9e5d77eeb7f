//! Real servers on free ports, which end with their guard, and a client so plain that it hides nothing.

use std::future::Future;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    /// The address on which it listens.
    pub addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts what `serve` makes of a listener on a free port of this machine.
///
/// # Panics
///
/// When no port is free.
pub async fn start<F>(serve: impl FnOnce(TcpListener) -> F) -> Running
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("a bound address");
    Running {
        addr,
        task: tokio::spawn(serve(listener)),
    }
}

/// An answer over HTTP/1.1.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The head as it came, in lower case.
    pub head: String,
    /// The body as it came, chunks and all.
    pub body: String,
}

/// Sends one request without a body, and reads to the end of the connection.
///
/// # Panics
///
/// When the server cannot be reached or does not speak HTTP/1.1.
pub async fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    let mut stream = TcpStream::connect(server)
        .await
        .expect("the server listens");
    stream
        .write_all(text.as_bytes())
        .await
        .expect("the server reads");
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .await
        .expect("the server answers");
    let answer = String::from_utf8_lossy(&bytes);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}
