//! Servers that hang, reset, drip and flood.

use std::time::Duration;

use crate::server::{Server, again, quick, read_request};
use palisade_client::HttpClientError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let server = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let error = quick()
        .build()
        .unwrap()
        .get(&server.url())
        .await
        .unwrap_err();
    let limit = Duration::from_millis(300);
    assert!(
        matches!(&error, HttpClientError::TimedOut { limit: l, .. } if *l == limit),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_drips_is_cut_off() {
    let server = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            .await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let began = tokio::time::Instant::now();
    let error = quick()
        .build()
        .unwrap()
        .get(&server.url())
        .await
        .unwrap_err();
    assert!(matches!(error, HttpClientError::TimedOut { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn all_attempts_together_end_in_time() {
    let server = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let limit = Duration::from_millis(400);
    let client = quick().retry(again()).total_timeout(limit).build().unwrap();
    let error = client.get(&server.url()).await.unwrap_err();
    assert!(
        matches!(&error, HttpClientError::TimedOut { limit: l, .. } if *l == limit),
        "{error}"
    );
}

#[tokio::test]
async fn a_broken_exchange_is_told_as_one() {
    let reset = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        // Closing with a linger of zero sends a reset.
        stream.set_zero_linger().expect("a socket");
    })
    .await;
    let short =
        Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nabc")
            .await;
    let nonsense = Server::answering("220 mail.example ESMTP\r\n\r\n").await;
    let client = quick().build().unwrap();
    for server in [&reset, &nonsense] {
        let error = client.get(&server.url()).await.unwrap_err();
        assert!(matches!(error, HttpClientError::Exchange { .. }), "{error}");
    }
    // The server keeps the connection, and the rest never comes.
    let error = client.get(&short.url()).await.unwrap_err();
    assert!(matches!(error, HttpClientError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn no_connection_is_told_as_that() {
    let client = quick().build().unwrap();
    for url in ["http://127.0.0.1:1/", "https://nothing.invalid/"] {
        let error = client.get(url).await.unwrap_err();
        assert!(
            matches!(error, HttpClientError::Connect { .. }),
            "{url}: {error}"
        );
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    let announced = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n").await;
    let client = quick().max_body(1_000).build().unwrap();
    let error = client.get(&announced.url()).await.unwrap_err();
    assert!(
        matches!(error, HttpClientError::TooLarge { limit: 1_000, .. }),
        "{error}"
    );

    // Without a length: the server writes until the client hangs up.
    let (told, mut sent) = mpsc::unbounded_channel();
    let endless = Server::start(move |mut stream| {
        let told = told.clone();
        async move {
            read_request(&mut stream).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await;
            let mut bytes = 0_usize;
            let chunk = format!("100\r\n{}\r\n", "x".repeat(256));
            while stream.write_all(chunk.as_bytes()).await.is_ok() {
                bytes += 256;
                assert!(bytes < 100_000_000, "the client reads on");
                tokio::task::yield_now().await;
            }
            told.send(bytes).unwrap();
        }
    })
    .await;
    let error = client.get(&endless.url()).await.unwrap_err();
    assert!(matches!(error, HttpClientError::TooLarge { .. }), "{error}");
    sent.recv().await.expect("the connection was closed");
}

#[tokio::test]
async fn a_body_as_large_as_the_limit_is_read() {
    let exact = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd").await;
    let client = quick().max_body(4).build().unwrap();
    assert_eq!(client.get(&exact.url()).await.unwrap().body(), "abcd");
}

#[tokio::test]
async fn a_body_in_parts_is_measured_as_a_whole() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let of = |parts: &str| -> &'static str { format!("{head}{parts}0\r\n\r\n").leak() };
    let exact = Server::answering(of("2\r\nab\r\n1\r\nc\r\n1\r\nd\r\n")).await;
    let client = quick()
        .attempt_timeout(Duration::from_secs(60))
        .max_body(4)
        .build()
        .unwrap();
    assert_eq!(client.get(&exact.url()).await.unwrap().body(), "abcd");
    let larger = Server::answering(of("3\r\nabc\r\n1\r\nd\r\n1\r\ne\r\n")).await;
    let error = client.get(&larger.url()).await.unwrap_err();
    assert!(
        matches!(error, HttpClientError::TooLarge { limit: 4, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_head_of_more_than_64_kib_is_refused() {
    let server = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx-long: ").await;
        // 100 kB, and then the end that would make it whole.
        let part = [b'x'; 4096];
        for _ in 0..25 {
            let _ = stream.write_all(&part).await;
        }
        let _ = stream.write_all(b"\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let error = quick()
        .build()
        .unwrap()
        .get(&server.url())
        .await
        .unwrap_err();
    assert!(matches!(error, HttpClientError::Exchange { .. }), "{error}");
}

#[tokio::test]
async fn a_call_that_is_given_up_closes_its_connection() {
    let (told, mut ends) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream| {
        let told = told.clone();
        async move {
            read_request(&mut stream).await;
            told.send("asked").unwrap();
            let end = stream.read(&mut [0]).await;
            assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
            told.send("closed").unwrap();
        }
    })
    .await;
    let client = quick()
        .attempt_timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let url = server.url();
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.get(&url).await.map(|_| ()) }
    });
    assert_eq!(ends.recv().await, Some("asked"));
    call.abort();
    assert_eq!(ends.recv().await, Some("closed"));
}
