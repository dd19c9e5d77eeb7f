//! Probes are neither limited nor recorded, without a word of configuration.

#![allow(missing_docs, reason = "tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use palisade::Stack;
use palisade_audit::{Audit, AuditLayer, MemorySink};
use palisade_core::PeerAddr;
use palisade_ratelimit::{Limit, Policy, RateLimitLayer, burst, per_hour};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test]
async fn probes_are_neither_limited_nor_recorded() {
    let sink = MemorySink::new();
    let (audit, guard) = Audit::builder("probes").sink(sink.clone()).open().unwrap();
    let once = Policy::new("once").limit(Limit::token_bucket(per_hour(1), burst(1)));
    let limits = RateLimitLayer::builder().policy(once).build().unwrap();
    let stack = Stack::new()
        .audit(AuditLayer::new(audit))
        .limit_clients(limits);
    let ask = async |path: &str| {
        let handler = service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        let mut request = Request::get(path).body(()).unwrap();
        let peer: SocketAddr = "203.0.113.7:4433".parse().unwrap();
        request.extensions_mut().insert(PeerAddr(peer));
        let Ok(response) = stack.layer(handler).oneshot(request).await;
        response.status().as_u16()
    };

    for probe in ["/healthz", "/readyz", "/metrics"] {
        for _ in 0..20 {
            assert_eq!(ask(probe).await, 200, "{probe}");
        }
    }
    assert_eq!((ask("/rooms").await, ask("/rooms").await), (200, 429));
    // What only looks like a probe is none.
    assert_eq!(ask("/healthz/").await, 429);

    guard.shutdown(Duration::from_secs(5));
    let lines = sink.lines();
    let recorded = |path: &str| {
        lines
            .iter()
            .filter(|line| line.contains(&format!(r#""path":"{path}""#)))
            .count()
    };
    assert_eq!(
        [
            recorded("/healthz"),
            recorded("/readyz"),
            recorded("/metrics")
        ],
        [0; 3]
    );
    assert!(
        recorded("/rooms") >= 2 && recorded("/healthz/") >= 1,
        "{lines:#?}"
    );
}
