//! The state machine: pure, synchronous, and handed the time. It knows nothing of HTTP, futures or tokio's clock.

pub(crate) mod cell;
pub(crate) mod extent;
pub(crate) mod grant;
pub(crate) mod machine;
pub(crate) mod news;
pub(crate) mod open_time;
pub(crate) mod phase;
pub(crate) mod plan;
pub(crate) mod ramp;
pub(crate) mod rules;
pub(crate) mod trials;
pub(crate) mod window;
pub(crate) mod word;

use std::fmt;

/// The state of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Calls pass, and failures are counted.
    Closed,
    /// Calls are refused until the open time is over.
    Open,
    /// The open time is over: a few trials pass, and their outcome decides.
    HalfOpen,
    /// Calls are refused until the handle says otherwise.
    ForcedOpen,
    /// Calls pass, and nothing is counted.
    Disabled,
    /// Calls pass, and outcomes are counted and told, but nothing trips: the shadow mode of a roll-out.
    MetricsOnly,
}

impl State {
    /// The name in events, metrics and log lines, such as `half_open`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics_only",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reason for refusing a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The breaker is open.
    Open,
    /// Somebody forced it open.
    Forced,
    /// It is half-open, and every trial is taken.
    TrialsTaken,
    /// It has closed again, and lets calls back in by degrees.
    Ramp,
    /// The service was called without having been polled ready.
    NotReady,
}

impl Reason {
    /// The name in events, metrics and log lines, such as `trials_taken`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Forced => "forced",
            Self::TrialsTaken => "trials_taken",
            Self::Ramp => "ramp",
            Self::NotReady => "not_ready",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The cause of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Calls failed, or were slow, too often.
    Tripped,
    /// The open time was over and a call came.
    TimeOver,
    /// Enough trials succeeded.
    Recovered,
    /// A trial failed.
    TrialFailed,
    /// Somebody asked for it through the handle.
    Manual,
    /// Another process told that it is open there.
    Peer,
}

impl Cause {
    /// The name in events and log lines, such as `trial_failed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tripped => "tripped",
            Self::TimeOver => "time_over",
            Self::Recovered => "recovered",
            Self::TrialFailed => "trial_failed",
            Self::Manual => "manual",
            Self::Peer => "peer",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
