/// `palisade_secrets_failures_total{provider}`: one handle for each provider, made when it first fails.
#[derive(Default)]
pub(crate) struct Counters {
    #[cfg(feature = "metrics")]
    failures: Vec<std::sync::OnceLock<metrics::Counter>>,
}

/// The counter of reads that a provider could not answer, by `provider`.
#[cfg(feature = "metrics")]
pub const FAILURES_TOTAL: &str = "palisade_secrets_failures_total";

impl Counters {
    #[cfg(feature = "metrics")]
    pub(crate) fn new(providers: usize) -> Self {
        Self {
            failures: (0..providers).map(|_| std::sync::OnceLock::new()).collect(),
        }
    }

    #[cfg(not(feature = "metrics"))]
    pub(crate) const fn new(_providers: usize) -> Self {
        Self {}
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn failed(&self, position: usize, provider: palisade_core::Name) {
        if let Some(handle) = self.failures.get(position) {
            handle
                .get_or_init(|| metrics::counter!(FAILURES_TOTAL, "provider" => provider.as_str()))
                .increment(1);
        }
    }

    #[cfg(not(feature = "metrics"))]
    #[expect(clippy::unused_self, reason = "the feature decides")]
    pub(crate) const fn failed(&self, _position: usize, _provider: palisade_core::Name) {}
}
