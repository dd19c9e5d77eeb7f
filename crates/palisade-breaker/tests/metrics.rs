//! Counts in the `metrics` facade.
#![cfg(feature = "metrics")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::{advance, fail, secs, succeed};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use palisade_breaker::BreakerLayer;
use tower::{Layer, ServiceExt};

#[derive(Debug, Clone, Default)]
struct Recorded(Arc<Mutex<BTreeMap<String, f64>>>);

struct One(Recorded, String);

impl One {
    fn set(&self, set: impl FnOnce(&mut f64)) {
        set(self.0.0.lock().unwrap().entry(self.1.clone()).or_default());
    }
}

impl CounterFn for One {
    fn increment(&self, by: u64) {
        self.set(|value| *value += by as f64);
    }

    fn absolute(&self, value: u64) {
        self.set(|old| *old = value as f64);
    }
}

impl GaugeFn for One {
    fn increment(&self, by: f64) {
        self.set(|value| *value += by);
    }

    fn decrement(&self, by: f64) {
        self.set(|value| *value -= by);
    }

    fn set(&self, value: f64) {
        One::set(self, |old| *old = value);
    }
}

impl Recorded {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        Arc::new(One(
            self.clone(),
            format!("{} {}", key.name(), labels.join(" ")),
        ))
    }

    fn get(&self, name: &str) -> f64 {
        self.0
            .lock()
            .unwrap()
            .get(name)
            .copied()
            .unwrap_or(f64::NAN)
    }
}

impl Recorder for Recorded {
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
async fn transitions_refusals_and_calls_are_counted() {
    let recorded = Recorded::default();
    let breaker = BreakerLayer::new("ledger").count_calls().handle();
    // The recorder comes after the breaker, as it may in a program.
    let _recorder = metrics::set_default_local_recorder(&recorded);
    succeed(&breaker, 3);
    fail(&breaker, 5);
    for _ in 0..4 {
        assert!(breaker.try_acquire().is_err());
    }
    advance(secs(60)).await;
    let hung = breaker.try_acquire().unwrap();
    advance(secs(60)).await;
    succeed(&breaker, 1);
    drop(hung);
    for (name, value) in [
        (
            "palisade_breaker_calls_total name=ledger outcome=success",
            4.0,
        ),
        (
            "palisade_breaker_calls_total name=ledger outcome=failure",
            5.0,
        ),
        (
            "palisade_breaker_calls_total name=ledger outcome=cancelled",
            1.0,
        ),
        (
            "palisade_breaker_rejected_total name=ledger reason=open",
            4.0,
        ),
        (
            "palisade_breaker_transitions_total name=ledger to=open",
            1.0,
        ),
        (
            "palisade_breaker_transitions_total name=ledger to=half_open",
            1.0,
        ),
        (
            "palisade_breaker_transitions_total name=ledger to=closed",
            1.0,
        ),
        ("palisade_breaker_leases_lost_total name=ledger", 1.0),
        ("palisade_breaker_state name=ledger", 0.0),
    ] {
        assert_eq!(recorded.get(name), value, "{name}: {recorded:?}");
    }
    breaker.force_open();
    assert_eq!(recorded.get("palisade_breaker_state name=ledger"), 3.0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_a_failure_and_no_success() {
    use http::{Request, Response};
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let layer = BreakerLayer::http("ledger").count_calls();
    let broken = tower::service_fn(|_: Request<()>| async {
        let frames = [Err::<Frame<bytes::Bytes>, _>("reset")];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        Ok::<_, &str>(Response::new(body))
    });
    let counts = || {
        let of = |outcome| {
            recorded.get(&format!(
                "palisade_breaker_calls_total name=ledger outcome={outcome}"
            ))
        };
        (of("success").max(0.0), of("failure").max(0.0))
    };
    for _ in 0..5 {
        let response = layer.layer(broken).oneshot(Request::new(())).await.unwrap();
        assert!(response.into_body().collect().await.is_err());
    }
    assert_eq!(counts(), (0.0, 5.0));
    advance(secs(60)).await;
    // A trial decides at its headers, and is counted at its end all the same.
    let response = layer.layer(broken).oneshot(Request::new(())).await.unwrap();
    assert_eq!(layer.handle().state(), palisade_breaker::State::Closed);
    assert_eq!(counts(), (0.0, 5.0));
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(counts(), (0.0, 6.0));
    // Dropped unread, which is how servers end a HEAD.
    drop(layer.layer(broken).oneshot(Request::new(())).await.unwrap());
    assert_eq!(counts(), (1.0, 6.0));
}

#[tokio::test(start_paused = true)]
async fn calls_that_pass_unguarded_are_counted() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let key = palisade_breaker::key_fn(|key: &u32| Some(key.to_string()));
    let layer = BreakerLayer::new("outbound").failure_threshold(1);
    let layer = layer.keyed(key).most_keys(1);
    let failing = tower::service_fn(|_: u32| async { Err::<(), _>("down") });
    for key in [1, 2, 3] {
        assert!(layer.layer(failing).oneshot(key).await.is_err());
    }
    assert_eq!(
        recorded.get("palisade_breaker_unguarded_total name=outbound"),
        2.0
    );
}

#[tokio::test(start_paused = true)]
async fn the_keys_of_callers_are_in_no_metric() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let key = palisade_breaker::key_fn(|key: &String| Some(key.clone()));
    let layer = BreakerLayer::new("outbound").failure_threshold(1);
    let layer = layer.count_calls().keyed(key).most_keys(50);
    let failing = tower::service_fn(|_: String| async { Err::<(), _>("down") });
    let mut series = Vec::new();
    for keys in [0..1, 1..100] {
        for key in keys {
            // The first call opens the breaker of the key, and the second is refused by it.
            for _ in 0..2 {
                let call = layer.layer(failing).oneshot(format!("caller-{key}"));
                assert!(call.await.is_err());
            }
        }
        series.push(recorded.0.lock().unwrap().clone());
    }
    let names = |of: usize| series[of].keys().collect::<Vec<_>>();
    assert!(names(0).len() >= 3, "{series:?}");
    let unguarded = "palisade_breaker_unguarded_total name=outbound";
    assert!(series[1].contains_key(unguarded), "{series:?}");
    let more = names(1)
        .into_iter()
        .filter(|name| !series[0].contains_key(*name));
    assert_eq!(more.collect::<Vec<_>>(), [unguarded]);
}

#[tokio::test(start_paused = true)]
async fn the_state_is_shown_before_the_first_transition() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let ready = tower::service_fn(|_: u32| async { Ok::<_, &str>(()) });
    let _closed = BreakerLayer::new("closed").layer(ready);
    let _off = BreakerLayer::new("off").off().layer(ready);
    assert_eq!(recorded.get("palisade_breaker_state name=closed"), 0.0);
    assert_eq!(recorded.get("palisade_breaker_state name=off"), 4.0);
}

#[tokio::test(start_paused = true)]
async fn the_shadow_mode_counts_what_it_would_have_done() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let breaker = BreakerLayer::new("shadow").metrics_only().handle();
    fail(&breaker, 50);
    assert_eq!(
        recorded.get("palisade_breaker_would_trip_total name=shadow"),
        1.0
    );
    assert_eq!(
        palisade_breaker::metric_names::WOULD_TRIP,
        "palisade_breaker_would_trip_total"
    );
}

/// Both names are there, and neither hides the other.
#[allow(unused_imports, reason = "as a program may have them")]
mod glob {
    use palisade_breaker::*;

    #[test]
    fn a_glob_import_leaves_the_crate_metrics_alone() {
        metrics::counter!("of_the_program").increment(1);
    }
}
