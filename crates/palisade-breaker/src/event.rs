use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::Name;

use crate::{Cause, Rejected, State};

/// What happened to a breaker, for the closure of [`BreakerLayer::on_event`](crate::BreakerLayer::on_event).
///
/// The same is told to `tracing` under the target `palisade_breaker`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerEvent {
    /// The state changed.
    #[non_exhaustive]
    Transition {
        /// The breaker.
        name: Name,
        /// Which one, when there is one for each key.
        key: Option<Arc<str>>,
        /// The state before.
        from: State,
        /// The state now.
        to: State,
        /// Why.
        cause: Cause,
        /// How long it stays open, when it opened.
        open_for: Option<Duration>,
    },
    /// A call was refused.
    Rejected(Rejected),
    /// A trial was let through while half-open.
    #[non_exhaustive]
    Trial {
        /// The breaker.
        name: Name,
    },
    /// A trial did not settle in time, so that another may try.
    #[non_exhaustive]
    LeaseLost {
        /// The breaker.
        name: Name,
    },
    /// A call passed without a breaker, because all that are remembered are needed, and its key is another.
    #[non_exhaustive]
    Unguarded {
        /// The keyed layer.
        name: Name,
        /// So many calls of this layer by now.
        calls: u64,
    },
    /// It would have opened, were it not in [`State::MetricsOnly`]. Told once in an open time, that is for as long as it
    /// would then have been open; the windows go on.
    #[non_exhaustive]
    WouldTrip {
        /// The breaker.
        name: Name,
    },
}

/// Who is told of events.
#[derive(Clone)]
pub(crate) struct Observer(Arc<dyn Fn(&BreakerEvent) + Send + Sync>);

impl Observer {
    pub(crate) fn new(observe: impl Fn(&BreakerEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Tells it. A panic of the observer must not reach a call, or a permit that is dropped in another panic.
    pub(crate) fn tell(&self, event: &BreakerEvent) {
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.0)(event)));
        if told.is_err() {
            tracing::error!(target: "palisade_breaker", "an observer of events panicked");
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl BreakerEvent {
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
            Self::Rejected(rejected) => tracing::debug!(
                target: "palisade_breaker",
                breaker = rejected.name.as_str(), reason = rejected.reason.as_str(), "call refused"
            ),
            Self::Trial { name } => tracing::debug!(
                target: "palisade_breaker", breaker = name.as_str(), "trial let through"
            ),
            Self::LeaseLost { name } => tracing::warn!(
                target: "palisade_breaker", breaker = name.as_str(), "trial lost its lease"
            ),
            // An attacker may choose the keys, but not how much is logged: the first, the second, the fourth call and so
            // on.
            Self::Unguarded { name, calls } if calls.is_power_of_two() => tracing::warn!(
                target: "palisade_breaker", breaker = name.as_str(), calls, "too many keys in trouble, calls pass unguarded"
            ),
            Self::Unguarded { .. } => {}
            Self::WouldTrip { name } => tracing::warn!(
                target: "palisade_breaker", breaker = name.as_str(), "breaker would have opened"
            ),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
