use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::Name;

use crate::{Cause, Rejected, State};

/// An event of a breaker, for the closure of [`BreakerLayer::on_event`](crate::BreakerLayer::on_event).
///
/// Each event is also emitted to `tracing` under the target `palisade_breaker`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerEvent {
    /// The state changed.
    #[non_exhaustive]
    Transition {
        /// The breaker.
        name: Name,
        /// The key of the breaker, when there is one for each key.
        key: Option<Arc<str>>,
        /// The state before.
        from: State,
        /// The state now.
        to: State,
        /// The reason.
        cause: Cause,
        /// The open time, when it opened.
        open_for: Option<Duration>,
    },
    /// A call was refused.
    #[non_exhaustive]
    Rejected {
        /// The refusal that the caller gets.
        rejected: Rejected,
        /// The key of the breaker, when there is one for each key.
        key: Option<Arc<str>>,
    },
    /// A trial was let through while half-open.
    #[non_exhaustive]
    Trial {
        /// The breaker.
        name: Name,
        /// The key of the breaker, when there is one for each key.
        key: Option<Arc<str>>,
    },
    /// A trial did not settle in time, so that another may try.
    #[non_exhaustive]
    LeaseLost {
        /// The breaker.
        name: Name,
        /// The key of the breaker, when there is one for each key.
        key: Option<Arc<str>>,
    },
    /// A call passed without a breaker, because all that are remembered are needed, and its key is another.
    #[non_exhaustive]
    Unguarded {
        /// The keyed layer.
        name: Name,
        /// The key that found no room.
        key: Arc<str>,
        /// So many calls of this layer by now.
        calls: u64,
    },
    /// It would have opened, were it not in [`State::MetricsOnly`]. Told once in an open time, that is for as long as it
    /// would then have been open; the windows go on.
    #[non_exhaustive]
    WouldTrip {
        /// The breaker.
        name: Name,
        /// The key of the breaker, when there is one for each key.
        key: Option<Arc<str>>,
    },
}

/// The observers of events, called in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct Observers(Vec<Arc<Observe>>);

type Observe = dyn Fn(&BreakerEvent) + Send + Sync;

impl Observers {
    pub(crate) fn add(&mut self, observe: impl Fn(&BreakerEvent) + Send + Sync + 'static) {
        self.0.push(Arc::new(observe));
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Calls them. A panic of an observer must not reach a call, or a permit that is dropped in another panic.
    pub(crate) fn tell(&self, event: &BreakerEvent) {
        for observe in &self.0 {
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| observe(event)));
            if told.is_err() {
                tracing::error!(target: "palisade_breaker", "an observer of events panicked");
            }
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} observers", self.0.len())
    }
}

impl BreakerEvent {
    /// The breaker, or the keyed layer.
    #[must_use]
    pub const fn name(&self) -> Name {
        match self {
            Self::Rejected { rejected, .. } => rejected.name,
            Self::Transition { name, .. }
            | Self::Trial { name, .. }
            | Self::LeaseLost { name, .. }
            | Self::Unguarded { name, .. }
            | Self::WouldTrip { name, .. } => *name,
        }
    }

    /// The key, when there is a breaker for each.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Unguarded { key, .. } => Some(key),
            Self::Transition { key, .. }
            | Self::Rejected { key, .. }
            | Self::Trial { key, .. }
            | Self::LeaseLost { key, .. }
            | Self::WouldTrip { key, .. } => key.as_deref(),
        }
    }

    pub(crate) fn trace(&self) {
        match self {
            Self::Transition {
                name,
                key,
                from,
                to,
                cause,
                open_for,
            } => tracing::warn!(
                target: "palisade_breaker",
                breaker = name.as_str(), key = key.as_deref(), from = from.as_str(), to = to.as_str(), cause = cause.as_str(),
                open_for_ms = open_for.map(millis), "breaker changed its state"
            ),
            Self::Rejected { rejected, key } => tracing::debug!(
                target: "palisade_breaker",
                breaker = rejected.name.as_str(), key = key.as_deref(), reason = rejected.reason.as_str(), "call refused"
            ),
            Self::Trial { name, key } => tracing::debug!(
                target: "palisade_breaker", breaker = name.as_str(), key = key.as_deref(), "trial let through"
            ),
            Self::LeaseLost { name, key } => tracing::warn!(
                target: "palisade_breaker", breaker = name.as_str(), key = key.as_deref(), "trial lost its lease"
            ),
            // An attacker may choose the keys, but not how much is logged: the first, the second, the fourth call and so
            // on.
            Self::Unguarded { name, key, calls } if calls.is_power_of_two() => tracing::warn!(
                target: "palisade_breaker", breaker = name.as_str(), key = &**key, calls, "too many keys in trouble, calls pass unguarded"
            ),
            Self::Unguarded { .. } => {}
            Self::WouldTrip { name, key } => tracing::warn!(
                target: "palisade_breaker", breaker = name.as_str(), key = key.as_deref(), "breaker would have opened"
            ),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
