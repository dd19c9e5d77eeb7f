use std::fmt;

use palisade_core::Handle;

use crate::charge::Paid;
use crate::decision::Decision;
use crate::limits::Limits;

/// The receipt of one charge; made by [`RateLimiter::charge`](crate::RateLimiter::charge).
///
/// It gives back exactly that, once, to the store that was charged: in this process, also while Redis is down, or in
/// Redis. Dropped, the charge stands.
#[must_use = "a charge stands unless its receipt is refunded; use `check` where it never is"]
pub struct Receipt {
    limits: Handle<Limits>,
    decision: Decision,
    paid: Paid,
}

impl Receipt {
    pub(crate) const fn new(limits: Handle<Limits>, decision: Decision, paid: Paid) -> Self {
        Self {
            limits,
            decision,
            paid,
        }
    }

    /// The decision: that it may pass, and what was left at the time.
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Gives the charge back.
    ///
    /// What the limit has let go meanwhile is not given back a second time, but for a token bucket that was full since;
    /// see `docs/algorithms.md`. Where a policy with a token bucket takes [leases](crate::Policy::lease), the units go
    /// back into this process's lease of the key, and are lost where there is none. What Redis does not answer in time is
    /// lost too, with a line in the log at level `debug`. A governor limiter takes nothing back.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it answers, it has given back either nothing or the whole cost.
    pub async fn refund(self) {
        if let Some(refunding) = self.limits.refund(self.paid) {
            refunding.await;
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("decision", &self.decision)
            .finish_non_exhaustive()
    }
}
