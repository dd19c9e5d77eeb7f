use crate::Refusal;

/// `palisade_auth_failures_total{reason}`: each handle is made once, when its reason first occurs.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    #[cfg(feature = "metrics")]
    failures: Handles,
}

#[cfg(feature = "metrics")]
#[derive(Default)]
struct Handles(std::sync::OnceLock<Box<[std::sync::OnceLock<metrics::Counter>]>>);

#[cfg(feature = "metrics")]
impl std::fmt::Debug for Handles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handles")
    }
}

/// The counter of refusals, by `reason`.
#[cfg(feature = "metrics")]
pub const FAILURES_TOTAL: &str = "palisade_auth_failures_total";

impl Counters {
    #[cfg(feature = "metrics")]
    pub(crate) fn count(&self, refusal: Refusal) {
        let handles = self.failures.0.get_or_init(|| {
            Refusal::ALL
                .iter()
                .map(|_| std::sync::OnceLock::new())
                .collect()
        });
        if let Some(handle) = handles.get(refusal as usize) {
            handle
                .get_or_init(|| metrics::counter!(FAILURES_TOTAL, "reason" => refusal.as_str()))
                .increment(1);
        }
    }

    #[cfg(not(feature = "metrics"))]
    #[expect(clippy::unused_self, reason = "the feature decides")]
    pub(crate) const fn count(&self, _refusal: Refusal) {}
}
