//! Counters of refusals, whose handles are made at the first refusal.

#[cfg(feature = "metrics")]
const CORS_DENIED: &str = "palisade_cors_denied_total";
#[cfg(feature = "metrics")]
const CROSS_ORIGIN_REFUSED: &str = "palisade_cross_origin_refused_total";

/// A counter behind feature `metrics`; nothing without it.
#[derive(Clone, Default)]
pub(crate) struct Counter {
    #[cfg(feature = "metrics")]
    handle: std::sync::OnceLock<metrics::Counter>,
}

impl Counter {
    /// Counts one preflight from an origin that is not allowed.
    pub(crate) fn cors_denied(&self) {
        #[cfg(feature = "metrics")]
        self.handle
            .get_or_init(|| metrics::counter!(CORS_DENIED))
            .increment(1);
    }

    /// Counts one request from another origin. One counter counts for one reason.
    pub(crate) fn cross_origin_refused(&self, reason: &'static str) {
        #[cfg(feature = "metrics")]
        self.handle
            .get_or_init(|| metrics::counter!(CROSS_ORIGIN_REFUSED, "reason" => reason))
            .increment(1);
        let _ = reason;
    }
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counter")
    }
}
