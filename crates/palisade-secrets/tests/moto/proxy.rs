//! A proxy in front of moto that answers as AWS does where moto cannot.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The answer of AWS to a client that asks too often, with the status and the headers of its protocol, AWS JSON 1.1.
pub(crate) const THROTTLED: &str =
    "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}";

#[derive(Clone, Default)]
pub(crate) struct Proxy {
    /// The number of requests that are still refused.
    pub(crate) refuse: Arc<AtomicUsize>,
    pub(crate) asked: Arc<AtomicUsize>,
    /// With what, in place of [`THROTTLED`].
    pub(crate) instead: Option<&'static str>,
}

impl Proxy {
    pub(crate) async fn start(&self, upstream: u16) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = self.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let proxy = proxy.clone();
                tokio::spawn(async move { proxy.answer(connection, upstream).await });
            }
        });
        port
    }

    /// One request a connection.
    async fn answer(&self, mut connection: TcpStream, upstream: u16) {
        let request = read_request(&mut connection).await;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let refuse = self
            .refuse
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        let answer = if refuse.is_ok() {
            let body = self.instead.unwrap_or(THROTTLED);
            let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close";
            format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
        } else {
            let mut moto = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream))
                .await
                .unwrap();
            let line = request.windows(2).position(|end| end == b"\r\n").unwrap() + 2;
            moto.write_all(&request[..line]).await.unwrap();
            moto.write_all(b"connection: close\r\n").await.unwrap();
            moto.write_all(&request[line..]).await.unwrap();
            let mut answer = Vec::new();
            moto.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let _ = connection.write_all(&answer).await;
    }
}

async fn read_request(connection: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    loop {
        connection.read_buf(&mut request).await.unwrap();
        let Some(head) = request.windows(4).position(|end| end == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
        let len: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |len| len.trim().parse().unwrap());
        if request.len() >= head + 4 + len {
            return request;
        }
    }
}
