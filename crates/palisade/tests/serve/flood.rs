//! Hostile HTTP/2, frame by frame (RFC 9113).

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const GOAWAY: u8 = 0x7;
const CONTINUATION: u8 = 0x9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// `GET /` of localhost, by the static table of HPACK (RFC 7541, appendix A).
const GET: &[u8] = b"\x82\x84\x86\x41\x09localhost";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A connection on which both sides have said that they speak HTTP/2.
async fn connect(server: &Running, settings: &[u8]) -> TcpStream {
    let mut client = server.connect().await;
    client.write_all(PREFACE).await.unwrap();
    client
        .write_all(&frame(SETTINGS, 0, 0, settings))
        .await
        .unwrap();
    client
}

/// Reads frames until the connection ends, and returns the kinds of those that came.
async fn kinds(mut io: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kinds = Vec::new();
    let mut head = [0; 9];
    let all = async {
        while io.read_exact(&mut head).await.is_ok() {
            kinds.push(head[3]);
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if io.read_exact(&mut payload).await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(LONG, all).await.expect("an end");
    kinds
}

/// Writes until the server does not take any more, or all is written. Returns whether all was taken.
async fn flood(mut io: impl AsyncWrite + Unpin, frames: impl Iterator<Item = Vec<u8>>) -> bool {
    for frame in frames {
        if io.write_all(&frame).await.is_err() {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let server = Running::start(|server| server).await;
    let (reads, writes) = connect(&server, &[]).await.into_split();
    let frames = (0..100_000_u32).map(|number| {
        let stream = 2 * number + 1;
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
        both.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        both
    });
    let writing = tokio::spawn(flood(writes, frames));
    assert!(kinds(reads).await.contains(&GOAWAY));
    assert!(!writing.await.unwrap());
    server.assert_serves().await;
}

#[tokio::test]
async fn a_header_block_without_an_end_ends_the_connection() {
    let server = Running::start(|server| server).await;
    let (reads, writes) = connect(&server, &[]).await.into_split();
    let begin = frame(HEADERS, END_STREAM, 1, GET);
    // A field of its own in each, `x: y` without indexing.
    let field = b"\x00\x01x\x01y".repeat(1_000);
    let frames =
        std::iter::once(begin).chain((0..100_000).map(move |_| frame(CONTINUATION, 0, 1, &field)));
    let writing = tokio::spawn(flood(writes, frames));
    kinds(reads).await;
    assert!(!writing.await.unwrap());
    server.assert_serves().await;
}

#[tokio::test]
async fn a_header_block_that_is_not_continued_has_the_time_of_a_head() {
    let server = Running::start(|server| server.header_timeout(SHORT)).await;
    let mut client = connect(&server, &[]).await;
    client
        .write_all(&frame(HEADERS, END_STREAM, 1, GET))
        .await
        .unwrap();
    closed(&mut client).await;
}

#[tokio::test]
async fn a_client_without_a_window_does_not_keep_its_responses() {
    for rate in [Some(500), None] {
        let server = Running::start(|server| server.transfer_timeout(SHORT).least_rate(rate)).await;
        // SETTINGS_INITIAL_WINDOW_SIZE is 0.
        let mut client = connect(&server, b"\x00\x04\x00\x00\x00\x00").await;
        let ask = frame(HEADERS, END_STREAM | END_HEADERS, 1, GET);
        client.write_all(&ask).await.unwrap();
        closed(&mut client).await;
        server.assert_serves().await;
    }
}

#[tokio::test]
async fn a_connection_of_http2_without_requests_is_closed_after_the_idle_timeout_though_it_pings() {
    const PING: u8 = 0x6;
    let server = Running::start(|server| server.idle_timeout(2 * SHORT)).await;
    let client = connect(&server, &[]).await;
    let (reads, mut writes) = client.into_split();
    let ask = frame(HEADERS, END_STREAM | END_HEADERS, 1, GET);
    writes.write_all(&ask).await.unwrap();
    let pinging = tokio::spawn(async move {
        while writes.write_all(&frame(PING, 0, 0, &[0; 8])).await.is_ok() {
            tokio::time::sleep(SHORT / 4).await;
        }
    });
    kinds(reads).await;
    pinging.await.unwrap();
}

#[tokio::test]
async fn the_head_of_a_response_without_a_body_ends_its_stream() {
    for (router, ends) in [
        (Router::new().route("/", get(async || ())), true),
        (router(), false),
    ] {
        let server = Running::with(Stack::new(), router, |server| server).await;
        let mut client = connect(&server, &[]).await;
        let ask = frame(HEADERS, END_STREAM | END_HEADERS, 1, GET);
        client.write_all(&ask).await.unwrap();
        let flags = loop {
            let mut head = [0; 9];
            client.read_exact(&mut head).await.unwrap();
            let [_, high, low, kind, flags, ..] = head;
            let mut payload = vec![0; usize::from(high) << 8 | usize::from(low)];
            client.read_exact(&mut payload).await.unwrap();
            if kind == HEADERS {
                break flags;
            }
        };
        assert_eq!(flags & END_STREAM == END_STREAM, ends);
    }
}
