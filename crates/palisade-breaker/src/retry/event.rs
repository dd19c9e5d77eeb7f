use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// A retry that is about to be made, for the closure of [`RetryLayer::on_retry`](crate::RetryLayer::on_retry).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryEvent {
    /// The number of the attempt: 2 for the first retry.
    pub attempt: u32,
    /// The wait before it.
    pub wait: Duration,
}

/// The observers of retries, called in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct Observers(Vec<Arc<Observe>>);

type Observe = dyn Fn(&RetryEvent) + Send + Sync;

impl Observers {
    pub(super) fn add(&mut self, observe: impl Fn(&RetryEvent) + Send + Sync + 'static) {
        self.0.push(Arc::new(observe));
    }

    /// Calls them. A panic of an observer must not reach the call.
    pub(super) fn tell(&self, event: RetryEvent) {
        for observe in &self.0 {
            if catch_unwind(AssertUnwindSafe(|| observe(&event))).is_err() {
                tracing::error!(target: "palisade_breaker", "an observer of retries panicked");
            }
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} observers", self.0.len())
    }
}
