use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use palisade_core::{Handle, Name, time};

use crate::shared::Shared;
use crate::state::machine::Machine;
use crate::{BreakerError, Permit, Rejected, State};

/// A handle to a breaker: for operators, health pages, and code that is no tower service.
///
/// # Example
///
/// ```
/// use palisade_breaker::{BreakerLayer, State};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let breaker = BreakerLayer::new("ledger").failure_threshold(1).handle();
/// let answer = breaker.call(async { Err::<(), _>("connection refused") }).await;
/// assert_eq!(answer.unwrap_err().into_inner(), Some("connection refused"));
///
/// assert_eq!(breaker.state(), State::Open);
/// let refused = breaker.call(async { Ok::<_, &str>(()) }).await.unwrap_err();
/// assert!(refused.rejected().is_some());
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct BreakerHandle(pub(crate) Handle<Shared>);

/// The trust in news that another process has opened its breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum PeerTrust {
    /// One failure here then trips, for as long as it is open there. The default, because the fault may lie between that
    /// process and the server.
    #[default]
    Advisory,
    /// It opens here too, for as long as there.
    Immediate,
}

/// The counts of a breaker; see [`BreakerHandle::metrics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerMetrics {
    /// The state now.
    pub state: State,
    /// Failures that count towards the next trip: within the window, or in a row.
    pub failures: u32,
    /// The window of the rates, when a rate is set.
    pub window: Option<WindowMetrics>,
    /// Trials in flight while half-open.
    pub trials_in_flight: u32,
    /// Calls refused since the breaker was made.
    pub rejected: u64,
    /// Transitions since the breaker was made.
    pub transitions: u64,
    /// Trials that did not settle in time since the breaker was made.
    pub leases_lost: u64,
}

/// The calls in the window of the rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowMetrics {
    /// All calls.
    pub calls: u64,
    /// The calls that failed.
    pub failed: u64,
    /// The calls that were slow.
    pub slow: u64,
}

impl BreakerHandle {
    /// The breaker's name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.0.name()
    }

    /// The state now. A breaker whose open time is over stays [`State::Open`] until a call comes, which is the first
    /// trial.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.state()
    }

    /// Returns the open time that is left; `None` unless the state is [`State::Open`] and the open time is not over.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let code = self.0.cell.word().code();
        (code.state() == State::Open)
            .then(|| self.0.cell.until_deadline(code, time::now()))
            .flatten()
            .map(Duration::from_nanos)
    }

    /// Returns the counts.
    #[must_use]
    pub fn metrics(&self) -> BreakerMetrics {
        let now = time::now();
        let mut machine = self.0.cell.lock();
        let (failures, window) = machine.tally(now);
        BreakerMetrics {
            state: machine.code().state(),
            failures,
            window: window.map(|tally| WindowMetrics {
                calls: tally.calls,
                failed: tally.failed,
                slow: tally.slow,
            }),
            trials_in_flight: machine.trials_in_flight(),
            rejected: self.0.rejected.load(Ordering::Relaxed),
            transitions: self.0.transitions.load(Ordering::Relaxed),
            leases_lost: self.0.leases_lost.load(Ordering::Relaxed),
        }
    }

    /// Refuses every call until [`reset`](Self::reset), as for planned work on the server.
    pub fn force_open(&self) {
        self.0.change(|machine| machine.set(State::ForcedOpen));
    }

    /// Opens the breaker for so long, up to ten years, whatever its state, and then lets trials through: for work on the
    /// server that ends by itself. Not shared with other processes.
    pub fn open_for(&self, time: Duration) {
        let now = time::now();
        self.0.change(|machine| machine.open_by_hand(now, time));
    }

    /// Lets every call through and counts nothing until [`reset`](Self::reset).
    pub fn disable(&self) {
        self.0.change(|machine| machine.set(State::Disabled));
    }

    /// Lets every call through, and still counts and reports, until [`reset`](Self::reset).
    pub fn metrics_only(&self) {
        self.0.change(|machine| machine.set(State::MetricsOnly));
    }

    /// Closes the breaker with nothing counted, whatever its state; also switches on one that began
    /// [`off`](crate::BreakerLayer::off).
    pub fn reset(&self) {
        self.0.change(|machine| machine.set(State::Closed));
    }

    /// Another process found the same server unwell, and stays open for `left` more: what sharing through Redis calls,
    /// and what any other way of sharing may call.
    ///
    /// Never shortens an open time, and changes nothing in a state that a person has chosen.
    pub fn peer_opened(&self, left: Duration, trust: PeerTrust) {
        let now = time::now();
        self.0.change(|machine| match trust {
            PeerTrust::Advisory => machine.advise(now, left),
            PeerTrust::Immediate => machine.follow_peer(now, left),
        });
    }

    /// The other process found the server well again: an advice of it counts no more. An open breaker finds out by a
    /// trial of its own.
    pub fn peer_closed(&self) {
        self.0.change(Machine::clear_advice);
    }

    /// Requests a permit for one call, for code that is no tower service and no single future.
    ///
    /// # Errors
    ///
    /// Refuses while the breaker is open, or half-open with every trial taken.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit, Rejected> {
        Permit::acquire(&self.0)
    }

    /// Runs `call` if the breaker lets it; an `Err` is a failure. When refused, `call` is dropped without being polled.
    ///
    /// # Errors
    ///
    /// [`BreakerError::Open`] when refused, [`BreakerError::Inner`] with what `call` returned.
    ///
    /// # Cancel safety
    ///
    /// Like that of the [`Permit`].
    pub async fn call<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, BreakerError<E>> {
        let permit = self.try_acquire().map_err(BreakerError::Open)?;
        match call.await {
            Ok(answer) => {
                permit.success();
                Ok(answer)
            }
            Err(error) => {
                permit.failure();
                Err(BreakerError::Inner(error))
            }
        }
    }
}

impl fmt::Debug for BreakerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerHandle")
            .field("name", &self.name())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
