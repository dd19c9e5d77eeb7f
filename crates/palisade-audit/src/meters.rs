//! Counters and histograms through the `metrics` facade; without the feature `metrics` they cost nothing.
//!
//! Handles are made when the trail is opened, so the recorder must be installed before.

#[cfg(feature = "metrics")]
pub(crate) use self::on::Meters;

#[cfg(not(feature = "metrics"))]
pub(crate) use self::off::Meters;

#[cfg(all(feature = "metrics", feature = "webhook"))]
pub(crate) use self::on::Alerts;

#[cfg(all(not(feature = "metrics"), feature = "webhook"))]
pub(crate) use self::off::Alerts;

#[cfg(feature = "metrics")]
mod on {
    use std::time::Duration;

    use metrics::{Counter, Gauge, Histogram};

    use crate::{Class, Outcome};

    const OUTCOMES: usize = 8;

    /// The metrics of one trail.
    pub(crate) struct Meters {
        records: Vec<[Counter; OUTCOMES]>,
        lost: Vec<Counter>,
        depth: Gauge,
        fsync: Histogram,
        write_errors: Counter,
    }

    impl Meters {
        pub(crate) fn new() -> Self {
            let outcome = |class: Class, nth: usize| {
                let outcome = Outcome::ALL
                    .get(nth)
                    .map_or("none", |outcome| outcome.as_str());
                metrics::counter!("palisade_audit_records_total", "class" => class.as_str(), "outcome" => outcome)
            };
            Self {
                records: Class::ALL
                    .iter()
                    .map(|class| std::array::from_fn(|nth| outcome(*class, nth)))
                    .collect(),
                lost: Class::ALL
                    .iter()
                    .map(|class| metrics::counter!("palisade_audit_lost_total", "class" => class.as_str()))
                    .collect(),
                depth: metrics::gauge!("palisade_audit_queue_depth"),
                fsync: metrics::histogram!("palisade_audit_fsync_seconds"),
                write_errors: metrics::counter!("palisade_audit_sink_errors_total", "sink" => "first"),
            }
        }

        pub(crate) fn record(&self, class: Class, outcome: Option<Outcome>) {
            let nth = outcome.map_or(OUTCOMES - 1, |outcome| outcome as usize);
            if let Some(counter) = self.records.get(class as usize).and_then(|of| of.get(nth)) {
                counter.increment(1);
            }
        }

        pub(crate) fn lost(&self, class: Class, records: u64) {
            if let Some(counter) = self.lost.get(class as usize) {
                counter.increment(records);
            }
        }

        pub(crate) fn depth(&self, waiting: usize) {
            // Queues are far shorter than what a double counts exactly.
            self.depth.set(waiting as f64);
        }

        pub(crate) fn fsync(&self, took: Duration) {
            self.fsync.record(took);
        }

        pub(crate) fn write_error(&self) {
            self.write_errors.increment(1);
        }
    }

    /// A counter of the errors of a sink with a thread of its own.
    pub(crate) fn sink_errors(name: &str) -> Counter {
        metrics::counter!("palisade_audit_sink_errors_total", "sink" => name.to_owned())
    }

    /// The metrics of a webhook.
    #[cfg(feature = "webhook")]
    #[derive(Clone)]
    pub(crate) struct Alerts {
        sent: Counter,
        held_back: Counter,
        dropped: Counter,
        failed: Counter,
    }

    #[cfg(feature = "webhook")]
    impl Alerts {
        pub(crate) fn new() -> Self {
            let of =
                |outcome| metrics::counter!("palisade_audit_alerts_total", "outcome" => outcome);
            Self {
                sent: of("sent"),
                held_back: of("held_back"),
                dropped: of("dropped"),
                failed: of("failed"),
            }
        }

        pub(crate) fn sent(&self) {
            self.sent.increment(1);
        }

        pub(crate) fn held_back(&self) {
            self.held_back.increment(1);
        }

        pub(crate) fn dropped(&self) {
            self.dropped.increment(1);
        }

        pub(crate) fn failed(&self, alerts: u64) {
            self.failed.increment(alerts);
        }
    }

    impl std::fmt::Debug for Meters {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Meters")
        }
    }
}

#[cfg(feature = "metrics")]
pub(crate) use self::on::sink_errors;

#[cfg(not(feature = "metrics"))]
mod off {
    use std::time::Duration;

    use crate::{Class, Outcome};

    #[derive(Debug)]
    pub(crate) struct Meters;

    #[expect(clippy::unused_self, reason = "the same face as with metrics")]
    impl Meters {
        pub(crate) const fn new() -> Self {
            Self
        }
        pub(crate) const fn record(&self, _: Class, _: Option<Outcome>) {}
        pub(crate) const fn lost(&self, _: Class, _: u64) {}
        pub(crate) const fn depth(&self, _: usize) {}
        pub(crate) const fn fsync(&self, _: Duration) {}
        pub(crate) const fn write_error(&self) {}
    }

    #[cfg(feature = "webhook")]
    #[derive(Clone)]
    pub(crate) struct Alerts;

    #[cfg(feature = "webhook")]
    #[expect(clippy::unused_self, reason = "the same face as with metrics")]
    impl Alerts {
        pub(crate) const fn new() -> Self {
            Self
        }
        pub(crate) const fn sent(&self) {}
        pub(crate) const fn held_back(&self) {}
        pub(crate) const fn dropped(&self) {}
        pub(crate) const fn failed(&self, _: u64) {}
    }
}
