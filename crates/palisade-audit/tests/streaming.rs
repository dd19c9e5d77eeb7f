//! A body without end goes through at a bounded cost.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use palisade_audit::{AuditBuilder, Level, Policy, any};
use support::Trail;
use tower::{ServiceExt, service_fn};

/// The size of a chunk, none of which is allocated.
const CHUNK: usize = 1 << 20;

static CHUNKS: [[u8; CHUNK]; 3] = [[b'a'; CHUNK], [b'b'; CHUNK], [b'c'; CHUNK]];

#[test]
fn an_endless_body_streams_through_unchanged_and_is_not_kept() {
    // 64 MiB, or 10 GiB: the memory that it may take is the same.
    let chunks = if std::env::var_os("PALISADE_FULL").is_some() {
        10_240
    } else {
        64
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut trail = Trail::with(|builder| {
        builder.policy(Policy::first_match().rule(any(), Level::RequestResponse))
    });
    let service = trail.service(service_fn(move |_: Request<()>| {
        let frames = (0..chunks).map(|nth| {
            let chunk = CHUNKS[nth % CHUNKS.len()].as_slice();
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(chunk)))
        });
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let response = Response::builder()
            .header("content-type", "application/json")
            .body(body);
        std::future::ready(Ok::<_, Infallible>(response.unwrap()))
    }));
    let mut seen = 0;
    // Counts what this thread allocates; the record's own thread gets no body.
    let memory = allocation_counter::measure(|| {
        runtime.block_on(async {
            let response = service.oneshot(support::get("/")).await.unwrap();
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                let data = frame.unwrap().into_data().unwrap();
                let sent = CHUNKS[seen % CHUNKS.len()].as_slice();
                assert!(data.as_ptr() == sent.as_ptr() && data.len() == sent.len());
                seen += 1;
            }
        });
    });
    println!("{chunks} MiB streamed: {} bytes at most", memory.bytes_max);
    assert_eq!(seen, chunks);
    let cap = u64::try_from(AuditBuilder::DEFAULT_CAPTURE).unwrap();
    assert!(
        memory.bytes_max <= cap + (64 << 10),
        "{} bytes",
        memory.bytes_max
    );
    assert_eq!(
        trail.record()["bytes"],
        u64::try_from(chunks * CHUNK).unwrap()
    );
}
