use std::time::Duration;

use palisade_core::{LimitDecision, Name};

use crate::limit::{Assessment, Fit};

/// The decision of a limiter, and the state of the limit that is closest to refusing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "nothing is refused unless the outcome is looked at"]
pub struct Decision {
    /// Whether the request may pass, and if not, why.
    pub outcome: Outcome,
    /// The policy whose limit is closest to refusing, or did.
    pub policy: Name,
    /// The sustained rate, or the window's quota, in units of cost.
    pub limit: u64,
    /// Whole units left. Above `limit` while a burst is saved up.
    pub remaining: u64,
    /// The time over which `limit` holds.
    pub window: Duration,
    /// The time until the limit is full again, if nobody uses the key.
    pub reset_after: Duration,
    /// The time until the same request passes, if nobody else uses the key. `None` for what passed, and for what never will.
    pub retry_after: Option<Duration>,
    /// For how long what passes is to wait before it goes on: zero, unless its policy lets requests wait (`Policy::wait`,
    /// feature `wait`).
    pub delay: Duration,
}

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It passes, and was charged.
    Allowed,
    /// It is over a limit; nothing was charged.
    Limited,
    /// Its key was refused so often that it is refused for a while; see
    /// [`Policy::block_after`](crate::Policy::block_after). Nothing was charged.
    Blocked,
    /// It costs more than the limit ever admits at once; nothing was charged.
    CostOverCapacity,
    /// Nothing says whom to charge, and the layer refuses such requests.
    NoKey,
    /// No policy has the name that was asked for.
    UnknownPolicy,
    /// The store does not answer, and the policy refuses what it cannot count.
    StoreDown,
}

impl Outcome {
    /// A stable code for records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Limited => "limited",
            Self::Blocked => "blocked",
            Self::CostOverCapacity => "cost_over_capacity",
            Self::NoKey => "no_key",
            Self::UnknownPolicy => "unknown_policy",
            Self::StoreDown => "store_down",
        }
    }
}

impl Decision {
    /// Whether the request may pass.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self.outcome, Outcome::Allowed)
    }

    /// A decision of the table in this process.
    pub(crate) fn new(policy: Name, assessment: &Assessment) -> Self {
        let (outcome, retry_after) = match assessment.fit {
            Fit::Fits => (Outcome::Allowed, None),
            Fit::Wait(nanos) => (Outcome::Limited, Some(Duration::from_nanos(nanos))),
            Fit::Never => (Outcome::CostOverCapacity, None),
        };
        Self {
            outcome,
            policy,
            limit: assessment.quota.into(),
            remaining: assessment.remaining,
            window: Duration::from_nanos(assessment.window),
            reset_after: Duration::from_nanos(assessment.reset),
            retry_after,
            delay: Duration::ZERO,
        }
    }

    /// A decision without a limit behind it.
    pub(crate) const fn bare(outcome: Outcome, policy: Name) -> Self {
        Self {
            outcome,
            policy,
            limit: 0,
            remaining: 0,
            window: Duration::ZERO,
            reset_after: Duration::ZERO,
            retry_after: None,
            delay: Duration::ZERO,
        }
    }
}

impl From<Decision> for LimitDecision {
    fn from(decision: Decision) -> Self {
        let mut shared = Self::allow(decision.policy);
        shared.allowed = decision.is_allowed();
        shared.limit = decision.limit;
        shared.remaining = decision.remaining;
        shared.window = decision.window;
        shared.reset_after = decision.reset_after;
        shared.retry_after = decision.retry_after;
        shared
    }
}
