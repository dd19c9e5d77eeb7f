//! Requests as they are sent, and responses as they are read.

use crate::server::{Server, quick, read_request};
use bytes::Bytes;
use http::{Request, StatusCode};
use palisade_client::HttpClientError;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

#[tokio::test]
async fn a_response_comes_whole_and_the_connection_is_used_again() {
    let server = Server::start(|mut stream| async move {
        while let Some(request) = read_request(&mut stream).await {
            assert!(
                request.starts_with("GET /keys?kid=1 HTTP/1.1\r\n"),
                "{request}"
            );
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-kind: keys\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            for part in ["3\r\nabc\r\n", "4\r\ndefg\r\n", "1\r\nh\r\n", "0\r\n\r\n"] {
                stream.write_all(part.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let client = quick().build().unwrap();
    for _ in 0..3 {
        let response = client
            .get(&format!("{}keys?kid=1", server.url()))
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-kind"], "keys");
        assert_eq!(response.body(), "abcdefgh");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_request_is_sent_with_its_fields_and_its_body() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream| {
        let seen = seen.clone();
        async move {
            while let Some(request) = read_request(&mut stream).await {
                seen.send(request).unwrap();
                stream
                    .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                    .await
                    .unwrap();
            }
        }
    })
    .await;
    let client = quick().build().unwrap();
    let request = Request::post(server.url())
        .header("authorization", "Bearer abc")
        .body(Bytes::from_static(b"{\"a\":1}"))
        .unwrap();
    assert_eq!(client.send(request).await.unwrap().status(), 204);
    let request = requests.recv().await.unwrap().to_ascii_lowercase();
    assert!(request.starts_with("post / http/1.1\r\n"), "{request}");
    assert!(
        request.contains("authorization: bearer abc\r\n"),
        "{request}"
    );
    assert!(
        request.contains(&format!("host: {}\r\n", server.address)),
        "{request}"
    );
    assert!(request.contains("user-agent: palisade/"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"a\":1}"), "{request}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let other = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let target = other.url();
    let server = Server::start(move |mut stream| {
        let head = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n"
        );
        async move {
            read_request(&mut stream).await;
            stream.write_all(head.as_bytes()).await.unwrap();
        }
    })
    .await;
    let response = quick().build().unwrap().get(&server.url()).await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["location"], other.url());
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn plain_http_to_another_machine_needs_the_opt_out() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    // This machine by an address that is not loopback.
    let url = format!("http://0.0.0.0:{}/", server.address.port());
    let refused = quick().build().unwrap().get(&url).await.unwrap_err();
    assert!(
        matches!(refused, HttpClientError::Refused { .. }),
        "{refused}"
    );
    assert_eq!(server.connections(), 0);
    let allowed = quick().insecure_plain_http().build().unwrap();
    assert_eq!(allowed.get(&url).await.unwrap().body(), "ok");
}

#[tokio::test]
async fn no_output_holds_credentials_or_more_of_a_url_than_its_origin() {
    let server = Server::start(|stream| async move { drop(stream) }).await;
    let port = server.address.port();
    let client = quick().build().unwrap();
    let urls = [
        format!("http://user:hunter2@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}/T0/hunter2?token=hunter2"),
        "http://127.0.0.1:1/hunter2?hunter2".to_owned(),
        "https://nothing.invalid/hunter2?hunter2".to_owned(),
        "http://exa mple/hunter2".to_owned(),
        "ftp://127.0.0.1/hunter2".to_owned(),
    ];
    for url in urls {
        let request = Request::get("http://127.0.0.1/")
            .header("x-vault-token", "hunter2")
            .body(Bytes::new())
            .unwrap();
        let error = match url.parse() {
            Ok(uri) => {
                let (mut head, body) = request.into_parts();
                head.uri = uri;
                client
                    .send(Request::from_parts(head, body))
                    .await
                    .unwrap_err()
            }
            Err(_) => client.get(&url).await.unwrap_err(),
        };
        let mut shown = format!("{error} {error:?}");
        let mut next = std::error::Error::source(&error);
        while let Some(source) = next {
            shown.push_str(&format!(" {source} {source:?}"));
            next = source.source();
        }
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let builder = quick().proxy("http://user:hunter2@proxy.example", "");
    assert!(!format!("{builder:?} {:?}", builder.clone().build()).contains("hunter2"));
}

#[tokio::test]
async fn every_setting_that_is_not_valid_is_named_at_once() {
    let error = quick()
        .connect_timeout(std::time::Duration::ZERO)
        .max_body(0)
        .user_agent("a\nb")
        .proxy("socks5://proxy.example", "")
        .add_root_certificates("no certificate")
        .retry({
            let mut retry = palisade_breaker::RetryConfig::default();
            retry.attempts = Some(0);
            retry
        })
        .build()
        .unwrap_err();
    let HttpClientError::Config(problems) = &error else {
        panic!("{error}")
    };
    let fields = Vec::from_iter(problems.iter().map(|problem| &*problem.field));
    assert_eq!(
        fields,
        [
            "connect_timeout",
            "max_body",
            "proxy",
            "add_root_certificates",
            "user_agent",
            "retry.attempts"
        ]
    );
}
