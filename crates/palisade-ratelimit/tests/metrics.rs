//! What operators see.

mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use palisade_ratelimit::{HOUR, Limit, Memory, Policy, RateLimitLayer};
use support::*;

#[derive(Default, Clone)]
struct Recording(Arc<Mutex<HashMap<String, f64>>>);

struct One(Recording, String);

impl One {
    fn change(&self, change: impl FnOnce(&mut f64)) {
        change(self.0.0.lock().unwrap().entry(self.1.clone()).or_default());
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.change(|known| *known += value as f64);
    }
    fn absolute(&self, value: u64) {
        self.change(|known| *known = value as f64);
    }
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.change(|known| *known += value);
    }
    fn decrement(&self, value: f64) {
        self.change(|known| *known -= value);
    }
    fn set(&self, value: f64) {
        self.change(|known| *known = value);
    }
}

impl Recording {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        Arc::new(One(
            self.clone(),
            format!("{}{{{}}}", key.name(), labels.join(",")),
        ))
    }
}

impl Recorder for Recording {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

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
    let seen = recording.0.lock().unwrap();
    let value = |name: &str| {
        seen.get(&format!("palisade_ratelimit_{name}{{policy=api}}"))
            .copied()
            .unwrap_or_default()
    };
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
    assert!(
        seen.keys().all(|name| !name.contains("203.0.113")),
        "{seen:?}"
    );
}
