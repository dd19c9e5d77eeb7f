//! Counters for operators, by policy and never by key.

use palisade_core::Name;

use crate::charge::Plan;

/// The counters of one policy, made once. Without the feature `metrics` they cost nothing.
///
/// A recorder has to be installed before the layer is built, or these go nowhere.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    name: Name,
    #[cfg(feature = "metrics")]
    made: Made,
}

#[cfg(feature = "metrics")]
#[derive(Clone)]
struct Made {
    allowed: metrics::Counter,
    rejected: metrics::Counter,
    overflowed: metrics::Counter,
    near_limit: metrics::Counter,
    #[cfg(feature = "redis")]
    store_errors: metrics::Counter,
    live_keys: metrics::Gauge,
}

#[cfg(feature = "metrics")]
impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Made")
    }
}

impl Counters {
    pub(crate) fn new(name: Name) -> Self {
        Self {
            name,
            #[cfg(feature = "metrics")]
            made: Made {
                allowed: metrics::counter!("palisade_ratelimit_allowed_total", "policy" => name.as_str()),
                rejected: metrics::counter!("palisade_ratelimit_rejected_total", "policy" => name.as_str()),
                overflowed: metrics::counter!("palisade_ratelimit_overflowed_total", "policy" => name.as_str()),
                near_limit: metrics::counter!("palisade_ratelimit_near_limit_total", "policy" => name.as_str()),
                #[cfg(feature = "redis")]
                store_errors: metrics::counter!("palisade_ratelimit_store_errors_total", "policy" => name.as_str()),
                live_keys: metrics::gauge!("palisade_ratelimit_live_keys", "policy" => name.as_str()),
            },
        }
    }

    /// A request passed, and so many units of `limit` are left.
    #[inline]
    pub(crate) fn allowed(&self, plan: &Plan, remaining: u64, limit: u64) {
        #[cfg(feature = "metrics")]
        self.made.allowed.increment(1);
        // Only the request that goes below a tenth tells, not every one that comes after it.
        let near = limit / 10;
        if remaining < near && remaining.saturating_add(plan.cost) >= near {
            self.near_limit(plan, remaining);
        }
    }

    #[cold]
    fn near_limit(&self, plan: &Plan, remaining: u64) {
        tracing::debug!(target: "palisade_ratelimit", policy = %self.name, key = %plan.key.short(), remaining, "near the limit");
        #[cfg(feature = "metrics")]
        self.made.near_limit.increment(1);
    }

    /// A request was refused, or would have been but for shadow mode.
    pub(crate) fn refused(&self) {
        #[cfg(feature = "metrics")]
        self.made.rejected.increment(1);
    }

    /// A key that was not full had to make room.
    #[inline]
    pub(crate) fn overflowed(&self, overflowed: bool) {
        if overflowed {
            tracing::trace!(target: "palisade_ratelimit", policy = %self.name, "the table is full of keys in use");
            #[cfg(feature = "metrics")]
            self.made.overflowed.increment(1);
        }
    }

    /// The store did not answer.
    #[cfg(feature = "redis")]
    pub(crate) fn store_error(&self, reason: &str) {
        tracing::warn!(target: "palisade_ratelimit", policy = %self.name, reason, "the store of rate limits does not answer");
        #[cfg(feature = "metrics")]
        self.made.store_errors.increment(1);
    }

    /// So many keys are in use.
    #[cfg(feature = "metrics")]
    pub(crate) fn live_keys(&self, keys: usize) {
        self.made.live_keys.set(keys as f64);
    }
}
