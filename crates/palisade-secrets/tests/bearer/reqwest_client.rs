//! reqwest's client, signed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use palisade_secrets::{BearerLayer, Environment, Secrets};
use reqwest::{Client, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};

use crate::common::Store;

/// A server that answers 200 to one token and 401 to others, and keeps what it was sent.
#[derive(Clone)]
struct Server {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(accepts: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            addr: listener.local_addr().unwrap(),
            seen: Arc::default(),
        };
        let seen = Arc::clone(&server.seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"hello") {
                    let mut some = [0; 1024];
                    let read = stream.read(&mut some).await.unwrap();
                    request.extend_from_slice(&some[..read]);
                }
                let request = String::from_utf8(request).unwrap().to_ascii_lowercase();
                let accepted = request.contains(&format!("authorization: bearer {accepts}\r\n"));
                let status = if accepted {
                    "200 OK"
                } else {
                    "401 Unauthorized"
                };
                seen.lock().unwrap().push(request);
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        server
    }

    fn request(&self, body: Option<&'static str>) -> Request {
        let url = format!("http://{}/quotes", self.addr).parse().unwrap();
        let mut request = Request::new(reqwest::Method::PUT, url);
        *request.body_mut() = body.map(reqwest::Body::from);
        request
    }

    fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

async fn secrets(store: &Store) -> Secrets {
    let building = Secrets::builder(Environment::Development).provider(store.clone());
    building.build().await.unwrap()
}

#[tokio::test]
async fn a_client_of_reqwest_is_signed() {
    let server = Server::start("one").await;
    for layer in [
        BearerLayer::fixed("one").unwrap(),
        BearerLayer::rotating(&secrets(&Store::of([("TOKEN", "one")])).await, "TOKEN"),
    ] {
        let client = layer.layer(Client::new());
        for body in [None, Some("hello")] {
            let request = server.request(body);
            let response = client.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.url().path(), "/quotes");
            assert_eq!(response.text().await.unwrap(), "hi");
        }
    }
    let unsigned = BearerLayer::off().layer(Client::new());
    let response = unsigned.oneshot(server.request(None)).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(server.requests(), 5);
}

#[tokio::test]
async fn without_a_token_a_client_of_reqwest_sends_nothing_and_answers_503() {
    let server = Server::start("one").await;
    let store = Store::of([]);
    let layer = BearerLayer::rotating(&secrets(&store).await, "TOKEN");
    let client = layer.layer(Client::new());
    // Waited for at first, and known to be missing from then on.
    for _ in 0..2 {
        let response = client.clone().oneshot(server.request(None)).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.url().path(), "/quotes");
        let body = response.text().await.unwrap();
        assert!(body.contains("SERVICE_UNAVAILABLE"), "{body}");
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn a_client_of_reqwest_is_tried_again_with_another_token_once() {
    let server = Server::start("two").await;
    for (body, status, sent) in [
        (Some(reqwest::Body::from("hello")), 200, 2),
        // A stream that cannot be sent again.
        (Some(reqwest::Body::wrap("hello".to_owned())), 401, 1),
    ] {
        let store = Store::of([("TOKEN", "one")]);
        let secrets = secrets(&store).await;
        let layer = BearerLayer::rotating(&secrets, "TOKEN").repeat_unauthorized_reqwest();
        secrets.secret("TOKEN").await.unwrap();
        store.set("TOKEN", "two");
        // Old enough for a complaint to be news.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        tokio::time::resume();
        let before = server.requests();
        let mut request = server.request(None);
        *request.body_mut() = body;
        let response = layer.layer(Client::new()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(server.requests() - before, sent);
    }
}
