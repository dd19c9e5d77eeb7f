//! The retries and the breaker of each server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::server::{Server, again, quick, read_request};
use bytes::Bytes;
use http::Request;
use palisade_breaker::BreakerConfig;
use palisade_client::HttpClientError;
use tokio::io::AsyncWriteExt;

/// Answers 503 so many times, and 200 from then on.
async fn failing(times: usize) -> (Server, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let server = Server::start(move |mut stream| {
        let counted = Arc::clone(&counted);
        async move {
            while read_request(&mut stream).await.is_some() {
                let status = match counted.fetch_add(1, Ordering::SeqCst) < times {
                    true => "503 Service Unavailable",
                    false => "200 OK",
                };
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    (server, requests)
}

#[tokio::test]
async fn what_is_idempotent_is_tried_again() {
    let (server, requests) = failing(2).await;
    let client = quick().retry(again()).build().unwrap();
    assert_eq!(client.get(&server.url()).await.unwrap().status(), 200);
    assert_eq!(requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_is_not_idempotent_is_sent_once_unless_told() {
    let post = |url: String| Request::post(url).body(Bytes::from_static(b"x"));
    let (server, requests) = failing(1).await;
    let client = quick().retry(again()).build().unwrap();
    assert_eq!(
        client
            .send(post(server.url()).unwrap())
            .await
            .unwrap()
            .status(),
        503
    );
    assert_eq!(requests.load(Ordering::SeqCst), 1);

    let (server, requests) = failing(1).await;
    let mut keyed = post(server.url()).unwrap();
    keyed
        .headers_mut()
        .insert("idempotency-key", "1".parse().unwrap());
    assert_eq!(client.send(keyed).await.unwrap().status(), 200);
    assert_eq!(requests.load(Ordering::SeqCst), 2);

    let (server, requests) = failing(1).await;
    let client = quick()
        .retry(again())
        .insecure_retry_any_method()
        .build()
        .unwrap();
    assert_eq!(
        client
            .send(post(server.url()).unwrap())
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_server_that_fails_is_left_alone_and_others_are_not() {
    let (down, requests) = failing(usize::MAX).await;
    let (well, _) = failing(0).await;
    let mut breaker = BreakerConfig::default();
    breaker.failure_threshold = Some(2);
    let client = quick().breaker(breaker).build().unwrap();
    for _ in 0..2 {
        assert_eq!(client.get(&down.url()).await.unwrap().status(), 503);
    }
    let error = client.clone().get(&down.url()).await.unwrap_err();
    assert!(
        matches!(
            &error,
            HttpClientError::Open {
                retry_after: Some(_),
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(requests.load(Ordering::SeqCst), 2);
    assert_eq!(client.get(&well.url()).await.unwrap().status(), 200);
    assert_eq!(client.breakers().not_closed().len(), 1);
}

#[tokio::test]
async fn a_response_that_is_too_large_is_not_tried_again_and_trips_nothing() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n").await;
    let mut breaker = BreakerConfig::default();
    breaker.failure_threshold = Some(1);
    let client = quick()
        .retry(again())
        .breaker(breaker)
        .max_body(10)
        .build()
        .unwrap();
    for sent in 1..4 {
        let error = client.get(&server.url()).await.unwrap_err();
        assert!(matches!(error, HttpClientError::TooLarge { .. }), "{error}");
        assert_eq!(server.connections(), sent);
    }
}

#[tokio::test]
async fn an_exchange_that_breaks_is_tried_again() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let server = Server::start(move |mut stream| {
        let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            read_request(&mut stream).await;
            let answer: &[u8] = match is_first {
                true => b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
                false => b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
            };
            stream.write_all(answer).await.unwrap();
        }
    })
    .await;
    let client = quick()
        .attempt_timeout(Duration::from_secs(60))
        .retry(again())
        .build()
        .unwrap();
    assert_eq!(client.get(&server.url()).await.unwrap().body(), "abc");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_never_reached_the_server_is_sent_again_whatever_it_is() {
    let mut breaker = BreakerConfig::default();
    breaker.failure_threshold = Some(2);
    let client = quick().retry(again()).breaker(breaker).build().unwrap();
    let post = || {
        let request = Request::post("http://127.0.0.1:1/");
        client.send(request.body(Bytes::from_static(b"x")).unwrap())
    };
    // Nobody listens: the second attempt is the second failure.
    post().await.unwrap_err();
    let error = post().await.unwrap_err();
    assert!(matches!(error, HttpClientError::Open { .. }), "{error}");
}

#[tokio::test]
async fn a_server_is_left_alone_for_as_long_as_it_asks() {
    let server = Server::answering(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let mut breaker = BreakerConfig::default();
    breaker.failure_threshold = Some(1);
    let client = quick()
        .attempt_timeout(Duration::from_secs(60))
        .breaker(breaker)
        .build()
        .unwrap();
    assert_eq!(client.get(&server.url()).await.unwrap().status(), 503);
    let error = client.get(&server.url()).await.unwrap_err();
    // Of its own it would be open for a minute.
    assert!(
        matches!(&error, HttpClientError::Open { retry_after: Some(left), .. } if *left > Duration::from_secs(60)),
        "{error}"
    );
}
