use std::time::Duration;

use palisade_core::{Name, Problems};

use crate::{Reason, State};

/// A call that a breaker refused.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("breaker {name} refused the call: {reason}")]
#[non_exhaustive]
pub struct Rejected {
    /// The breaker.
    pub name: Name,
    /// The time until a call may pass; `None` when nobody knows, as after [`force_open`](crate::BreakerHandle::force_open).
    pub retry_after: Option<Duration>,
    /// The state that it was refused in.
    pub state: State,
    /// The reason.
    pub reason: Reason,
}

/// The error of a guarded service.
///
/// Where something else wants a boxed error and `E` is one already, [`into_box`](Self::into_box) is the way, as
/// `Box<dyn Error>` is itself no `Error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BreakerError<E> {
    /// The breaker refused; the service was not called.
    #[error("the call was not made")]
    Open(#[source] Rejected),
    /// The service's own error.
    #[error("the guarded call failed")]
    Inner(#[source] E),
}

impl<E> BreakerError<E> {
    /// The refusal, if it is one.
    #[must_use]
    pub const fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Open(rejected) => Some(rejected),
            Self::Inner(_) => None,
        }
    }

    /// The service's own error, if it is one.
    #[must_use]
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Open(_) => None,
            Self::Inner(error) => Some(error),
        }
    }

    /// The refusal or the service's own error, boxed.
    #[must_use]
    pub fn into_box(self) -> Box<dyn std::error::Error + Send + Sync>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match self {
            Self::Open(rejected) => rejected.into(),
            Self::Inner(error) => error.into(),
        }
    }
}

/// An error in the configuration of a breaker or a retry.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BreakerConfigError {
    /// Invalid settings or variables, each with its name.
    #[error("breaker configuration: {0}")]
    Invalid(Problems),
    /// Invalid settings of a retry, each with its name.
    #[error("retry configuration: {0}")]
    InvalidRetry(Problems),
}

impl BreakerConfigError {
    /// Every problem, in the order in which it was found.
    #[must_use]
    pub const fn problems(&self) -> &Problems {
        match self {
            Self::Invalid(problems) | Self::InvalidRetry(problems) => problems,
        }
    }
}

palisade_core::debug_as_display!(Rejected, BreakerConfigError);
