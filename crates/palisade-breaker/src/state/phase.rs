use palisade_core::time::Instant;

use super::Cause;
use super::ramp::Ramp;
use super::trials::Trials;
use super::word::Code;

/// The state of the machine, with its data.
#[derive(Debug)]
pub(super) enum Phase {
    // Boxes, because most breakers of a keyed layer never need what is in them.
    Closed(Option<Box<Ramp>>),
    Open {
        until: Instant,
        #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "only sharing asks"))]
        cause: Cause,
    },
    HalfOpen {
        trials: Box<Trials>,
        successes: u32,
        failures: u32,
        since: Instant,
    },
    ForcedOpen,
    Disabled,
    MetricsOnly,
}

impl Phase {
    pub(super) const fn code(&self) -> Code {
        match self {
            Self::Closed(None) => Code::Closed,
            Self::Closed(Some(_)) => Code::Ramp,
            Self::Open { .. } => Code::Open,
            Self::HalfOpen { .. } => Code::HalfOpen,
            Self::ForcedOpen => Code::ForcedOpen,
            Self::Disabled => Code::Disabled,
            Self::MetricsOnly => Code::MetricsOnly,
        }
    }

    pub(super) fn trials_in_flight(&self) -> u32 {
        match self {
            Self::HalfOpen { trials, .. } => trials.len(),
            _ => 0,
        }
    }

    /// The end of the open time, or of the first trial's lease.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Open { until, .. } => Some(*until),
            Self::HalfOpen { trials, .. } => trials.first_lease_over(),
            _ => None,
        }
    }

    /// Whether it is open because of its own calls, and not of a peer or a person.
    #[cfg(feature = "redis")]
    pub(super) fn is_open_by_itself(&self) -> bool {
        matches!(self, Self::Open { cause, .. } if !matches!(cause, Cause::Peer | Cause::Manual))
    }
}
