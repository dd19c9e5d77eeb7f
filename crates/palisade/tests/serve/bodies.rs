use std::error::Error;

use axum::routing::any;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use super::*;

#[tokio::test]
async fn a_handler_sees_the_length_of_a_body_and_whether_there_is_one() {
    let told =
        async |body: Body| format!("{:?} {}.", body.size_hint().exact(), body.is_end_stream());
    let router = Router::new().route("/", any(told));
    let server = Running::with(Stack::new(), router, |server| server).await;
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", "Some(0) true."),
        (
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello",
            "Some(5) false.",
        ),
        (
            "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "None false.",
        ),
    ] {
        let mut client = server.connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = read_answer(&mut client).await;
        assert!(answer.ends_with(expected), "{answer}");
        let length = format!("content-length: {}\r\n", expected.len());
        assert!(answer.contains(&length), "{answer}");
    }
}

#[tokio::test]
async fn the_error_of_a_body_says_whether_its_client_was_slow_or_left() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let handler = async move |body: Body| {
        let mut error: &dyn Error = &body.collect().await.unwrap_err();
        let mut chain = vec![error.to_string()];
        while let Some(source) = error.source() {
            chain.push(source.to_string());
            error = source;
        }
        tell.send(chain).unwrap();
    };
    let router = Router::new().route("/", post(handler));
    let server = Running::with(Stack::new(), router, |server| {
        server.transfer_timeout(SHORT)
    })
    .await;
    for (leaves, reason, has_source) in [
        (
            false,
            "the client sends the request's body too slowly",
            false,
        ),
        (true, "the request's body broke off", true),
    ] {
        let mut client = server.connect().await;
        let head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\npart";
        client.write_all(head).await.unwrap();
        if leaves {
            client.shutdown().await.unwrap();
        }
        let chain = tokio::time::timeout(LONG, told.recv())
            .await
            .unwrap()
            .unwrap();
        let at = chain.iter().rposition(|error| error == reason);
        let at = at.unwrap_or_else(|| panic!("{chain:?}"));
        assert_eq!(chain.len() > at + 1, has_source, "{chain:?}");
    }
}
