//! A body without end goes through at a bounded cost. Alone in its process, whose memory it measures.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use palisade_audit::{Level, Policy, any};
use support::Trail;
use tower::{ServiceExt, service_fn};

#[tokio::test]
async fn an_endless_body_streams_through_unchanged_and_is_not_kept() {
    // 64 MiB, or 10 GiB: the memory that it may take is the same.
    let chunks = if std::env::var_os("PALISADE_FULL").is_some() {
        10_240
    } else {
        64
    };
    let mut trail = Trail::with(|builder| {
        builder.policy(Policy::first_match().rule(any(), Level::RequestResponse))
    });
    let service = trail.service(service_fn(move |_: Request<()>| {
        let frames = (0..chunks).map(|nth| {
            let byte = u8::try_from(nth % 251).unwrap();
            Ok::<_, Infallible>(Frame::data(Bytes::from(vec![byte; 1 << 20])))
        });
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let response = Response::builder()
            .header("content-type", "application/json")
            .body(body);
        std::future::ready(Ok::<_, Infallible>(response.unwrap()))
    }));
    let before = resident();
    let mut most = before;
    let mut body = service
        .oneshot(support::get("/"))
        .await
        .unwrap()
        .into_body();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        let byte = u8::try_from(seen % 251).unwrap();
        assert!(data.len() == 1 << 20 && data.iter().all(|found| *found == byte));
        seen += 1;
        most = most.max(resident());
    }
    assert_eq!(seen, chunks);
    assert!(body.is_end_stream() || body.frame().await.is_none());
    // The chunk on its way, the cap, and what the allocator keeps; the whole body would be 64 MiB at least.
    assert!(most - before < 8 << 20, "{} bytes more", most - before);
    assert_eq!(
        trail.record()["bytes"],
        u64::try_from(chunks).unwrap() << 20
    );
}

/// The memory of this process, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

#[cfg(not(target_os = "linux"))]
fn resident() -> u64 {
    0
}
