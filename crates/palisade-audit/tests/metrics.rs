//! Counters under the names of the documentation.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use palisade_audit::{Audit, Batch, Class, Outcome, Record};
use palisade_core::{EventKind, Name};

#[test]
fn records_losses_and_errors_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let (audit, guard) = Audit::builder("svc")
            .sink(|_: &Batch| Ok(()))
            .open()
            .unwrap();
        audit.record(Record::new(EventKind::AdminAction).outcome(Outcome::Success));
        audit.record(Record::new(EventKind::LoginFailure).outcome(Outcome::Denied));
        guard.shutdown(Duration::from_secs(5));
        // The trail is closed: this one is lost.
        audit.record(Record::named(Name::from_static("late"), Class::Data));

        let (_, guard) = Audit::builder("svc")
            .sink(|_: &Batch| Err(std::io::Error::other("broken")))
            .open()
            .unwrap();
        guard.shutdown(Duration::from_secs(5));
    });
    let text = handle.render();
    for line in [
        "palisade_audit_records_total{class=\"admin\",outcome=\"success\"} 1",
        "palisade_audit_records_total{class=\"authentication\",outcome=\"denied\"} 1",
        "palisade_audit_lost_total{class=\"data\"} 1",
        "palisade_audit_fsync_seconds",
        "palisade_audit_queue_depth",
        "palisade_audit_sink_errors_total{sink=\"first\"}",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
}
