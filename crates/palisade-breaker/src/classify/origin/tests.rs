use std::io;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

type Frames = Vec<io::Result<Frame<Bytes>>>;

fn upload(frames: Frames) -> Request<impl Body<Data = Bytes, Error = io::Error> + Unpin> {
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::post("http://upstream.example/");
    request.body(body).unwrap()
}

fn whole() -> Frames {
    vec![Ok(Frame::data(Bytes::from_static(b"hello")))]
}

fn broken_off() -> Frames {
    let hangs_up = Err(io::ErrorKind::ConnectionReset.into());
    whole().into_iter().chain([hangs_up]).collect()
}

/// The error of an upload over HTTP/1.
async fn over_http1(frames: Frames, upstream: impl AsyncFnOnce(DuplexStream)) -> hyper::Error {
    let (near, far) = tokio::io::duplex(1 << 16);
    let connected = http1::handshake(TokioIo::new(near)).await;
    let (mut client, connection) = connected.unwrap();
    let answer = client.send_request(upload(frames));
    let (answer, _, ()) = tokio::join!(answer, connection, upstream(far));
    answer.unwrap_err()
}

/// The error of an upload over HTTP/2.
async fn over_http2(frames: Frames, upstream: impl AsyncFnOnce(DuplexStream)) -> hyper::Error {
    let (near, far) = tokio::io::duplex(1 << 16);
    let connected = http2::handshake(TokioExecutor::new(), TokioIo::new(near)).await;
    let (mut client, connection) = connected.unwrap();
    tokio::spawn(connection);
    let answer = async move { client.send_request(upload(frames)).await };
    let (answer, ()) = tokio::join!(answer, upstream(far));
    answer.unwrap_err()
}

/// Reads until the caller hangs up, and never answers.
async fn reads(mut stream: DuplexStream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Speaks HTTP/2, and resets each stream.
async fn resets(stream: DuplexStream) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        respond.send_reset(h2::Reason::CANCEL);
    }
}

/// Speaks HTTP/2, and answers the first stream with what is no answer, so that the caller's side resets it.
async fn babbles(mut stream: DuplexStream) {
    // RFC 9113, sections 3.4, 4.1 and 6: a preface, and frames of which each says its length, kind, flags and stream.
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    let settings = [0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];
    stream.write_all(&settings).await.unwrap();
    let mut head = [0; 9];
    while head[3] != HEADERS {
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream
            .read_exact(&mut vec![0; length as usize])
            .await
            .unwrap();
    }
    // `:method: GET` of HPACK's static table (RFC 7541, appendix A), where a status belongs.
    let no_answer = [0, 0, 1, HEADERS, 5, 0, 0, 0, 1, 0x82];
    stream.write_all(&no_answer).await.unwrap();
    reads(stream).await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_the_callers_own() {
    assert!(is_of_the_caller(&over_http1(broken_off(), reads).await));
    assert!(is_of_the_caller(&over_http2(broken_off(), reads).await));
}

#[tokio::test]
async fn an_upstream_that_hangs_up_resets_or_babbles_is_no_fault_of_the_caller() {
    let hangs_up = over_http1(whole(), async |stream| drop(stream)).await;
    assert!(!is_of_the_caller(&hangs_up));
    let resets = over_http2(whole(), resets).await;
    assert!(!is_of_the_caller(&resets));
    let babbles = over_http2(whole(), babbles).await;
    assert!(!is_of_the_caller(&babbles), "{babbles:?}");
}

#[derive(Debug, thiserror::Error)]
#[error("the call failed")]
struct Around(#[source] hyper::Error);

#[tokio::test]
async fn what_came_of_a_callers_error_is_found_in_any_box() {
    let around = async || Around(over_http1(broken_off(), reads).await);
    assert!(is_of_the_caller::<Box<dyn Error>>(&around().await.into()));
    let boxed: Box<dyn Error + Send> = Box::new(around().await);
    assert!(is_of_the_caller(&boxed));
    let boxed: Box<dyn Error + Send + Sync> = Box::new(around().await);
    assert!(is_of_the_caller(&boxed));
    // What is not known to be an error cannot be asked.
    assert!(!is_of_the_caller(&around().await));
}

#[cfg(feature = "reqwest")]
#[test]
fn a_request_of_reqwest_that_could_not_be_built_is_the_callers_own() {
    let no_url = reqwest::Client::new().get("nowhere").build();
    assert!(is_of_the_caller(&no_url.unwrap_err()));
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn a_server_that_reqwest_does_not_reach_is_no_fault_of_the_caller() {
    // Nothing listens on port 0.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let unreached = client.get("http://127.0.0.1:0/").send().await;
    assert!(!is_of_the_caller(&unreached.unwrap_err()));
}
