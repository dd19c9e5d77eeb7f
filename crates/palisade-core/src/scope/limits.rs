use std::time::Duration;

use crate::Name;

/// The decision of one limit about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitDecision {
    /// The policy that decided.
    pub policy: Name,
    /// Whether the request may pass.
    pub allowed: bool,
    /// The sustained rate or the window's quota, in requests.
    pub limit: u64,
    /// Whole requests left now.
    pub remaining: u64,
    /// The time over which `limit` holds.
    pub window: Duration,
    /// The time until the limit is full again.
    pub reset_after: Duration,
    /// The time until the same request would pass, if it did not.
    pub retry_after: Option<Duration>,
}

impl LimitDecision {
    /// A decision of `policy` that allows, with nothing known yet about the rest.
    #[must_use]
    pub const fn allow(policy: Name) -> Self {
        Self {
            policy,
            allowed: true,
            limit: 0,
            remaining: 0,
            window: Duration::ZERO,
            reset_after: Duration::ZERO,
            retry_after: None,
        }
    }
}

/// The decisions of limits, the usual single one in place.
#[derive(Default)]
pub(super) enum Limits {
    #[default]
    None,
    One(LimitDecision),
    Several(Vec<LimitDecision>),
}

impl Limits {
    pub(super) fn push(&mut self, decision: LimitDecision) {
        match self {
            Self::None => *self = Self::One(decision),
            Self::One(first) => *self = Self::Several(vec![*first, decision]),
            Self::Several(all) => all.push(decision),
        }
    }

    /// The decision that refused the request, or else the first.
    pub(super) fn decisive(&self) -> Option<LimitDecision> {
        let all = self.as_slice();
        let refused = all.iter().find(|limit| !limit.allowed);
        refused.or(all.first()).copied()
    }

    pub(super) fn as_slice(&self) -> &[LimitDecision] {
        match self {
            Self::None => &[],
            Self::One(only) => std::slice::from_ref(only),
            Self::Several(all) => all,
        }
    }
}
