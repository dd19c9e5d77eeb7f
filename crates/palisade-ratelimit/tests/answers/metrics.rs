//! The metrics that operators see.

use crate::recording::Recording;
use crate::support::*;
use palisade_ratelimit::{HOUR, Limit, Memory, Policy, RateLimitLayer};

#[tokio::test(start_paused = true)]
async fn every_decision_is_counted_by_policy_and_never_by_key() {
    let recording = Recording::default();
    let layer = metrics::with_local_recorder(&recording, || {
        let policy = Policy::new("api").limit(Limit::fixed(20, HOUR));
        RateLimitLayer::builder()
            .policy(policy)
            .store(Memory::with_capacity(8))
            .build()
            .unwrap()
    });
    let service = serve(&layer);
    assert_eq!(passed(&service, 25, || from("203.0.113.7")).await, 20);
    for host in 0..250 {
        assert_eq!(
            status(&service, from(&format!("198.51.100.{host}"))).await,
            200
        );
    }
    layer.limiter().record_gauges();
    let value = |name: &str| recording.value(&format!("palisade_ratelimit_{name}{{policy=api}}"));
    assert_eq!(value("allowed_total"), 270.0);
    assert_eq!(value("rejected_total"), 5.0);
    assert_eq!(
        value("near_limit_total"),
        1.0,
        "once, when it went below a tenth"
    );
    let (overflowed, live) = (value("overflowed_total"), value("live_keys"));
    assert!(overflowed > 100.0, "{overflowed}");
    assert_eq!(
        live + overflowed,
        251.0,
        "every key is in use or had to make room"
    );
    let names = recording.names();
    assert!(
        names.iter().all(|name| !name.contains("203.0.113")),
        "{names:?}"
    );
}
