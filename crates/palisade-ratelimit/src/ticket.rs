use std::fmt;
use std::sync::Arc;

use http::Response;
use palisade_core::{LimitDecision, RequestScope};

use crate::decision::Charged;
use crate::headers::{Fixed, Headers, Shown};
use crate::limits::Limits;
use crate::plan::Plan;
use crate::policy::Refund;

/// What is left to do for a counted request when its response comes.
pub struct Ticket {
    shown: Shown,
    /// The store's time of the request.
    now: u64,
    refund: Option<Box<PendingRefund>>,
}

struct PendingRefund {
    when: Arc<Refund>,
    plan: Plan,
    /// The store that was charged, and its time then.
    taken: (Charged, u64),
}

impl Ticket {
    /// The headers will speak of the closest limit, whether ours or one that another limiter has noted in the scope.
    #[inline]
    pub(crate) fn new(
        limits: &Limits,
        own: Shown,
        plan: &Plan,
        taken: (Charged, u64),
        scope: Option<&RequestScope>,
    ) -> Self {
        let policy = &limits.policies[plan.policy];
        let refund = policy.refund.as_ref().map(|when| {
            Box::new(PendingRefund {
                when: Arc::clone(when),
                plan: *plan,
                taken,
            })
        });
        let shown = match scope {
            Some(scope) if limits.headers != Headers::Off => {
                scope.with_limits(|noted| closest(own, noted, &policy.fixed))
            }
            _ => own,
        };
        // The response will ask for the wall time of now.
        let _ = limits.unix(plan.now);
        Self {
            shown,
            now: plan.now,
            refund,
        }
    }

    #[inline]
    pub(crate) fn settle<B>(self, limits: &Limits, response: &mut Response<B>) {
        if let Some(refund) = self.refund
            && (refund.when)(response.status())
        {
            let (charged, at) = refund.taken;
            limits.refund(&refund.plan, charged, at);
        }
        if limits.headers != Headers::Off {
            let unix = limits.wall.of(self.now);
            let headers = response.headers_mut();
            limits.headers.write(&self.shown, unix, headers);
        }
    }
}

fn closest(own: Shown, noted: &[LimitDecision], known: &[&'static Fixed]) -> Shown {
    let counted = noted
        .iter()
        .filter(|decision| decision.allowed && decision.limit > 0);
    match counted.min_by_key(|decision| decision.remaining) {
        Some(other) if other.remaining < own.remaining => Shown::of(other, known),
        _ => own,
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}
