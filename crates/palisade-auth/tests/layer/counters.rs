//! Counters for operators.

use std::sync::{Arc, Mutex};

use crate::support::{get, good_token, layer, through, with_token};
use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use palisade_auth::FAILURES_TOTAL;

/// Keeps what was counted, and how often a handle was made.
#[derive(Clone, Default)]
struct Seen {
    counts: Arc<Mutex<Vec<String>>>,
    handles: Arc<Mutex<Vec<String>>>,
}

struct One(String, Seen);

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.1
            .counts
            .lock()
            .unwrap()
            .push(format!("{} +{value}", self.0));
    }

    fn absolute(&self, _: u64) {}
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<String> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        self.handles.lock().unwrap().push(name.clone());
        Counter::from_arc(Arc::new(One(name, self.clone())))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn refusals_are_counted_by_reason_through_handles_made_once() {
    let seen = Seen::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    metrics::with_local_recorder(&seen, || {
        runtime.block_on(async {
            let layer = layer();
            through(&layer, with_token(&good_token())).await;
            for _ in 0..3 {
                through(&layer, get("/")).await;
            }
            through(&layer, with_token("bad")).await;
        });
    });
    let of = |reason: &str| format!("{FAILURES_TOTAL}{{reason={reason}}}");
    let nothing = format!("{} +1", of("no_credential"));
    let malformed = format!("{} +1", of("token_malformed"));
    assert_eq!(
        *seen.counts.lock().unwrap(),
        [nothing.clone(), nothing.clone(), nothing, malformed]
    );
    assert_eq!(
        *seen.handles.lock().unwrap(),
        [of("no_credential"), of("token_malformed")]
    );
}
