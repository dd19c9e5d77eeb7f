use std::sync::Arc;

use http::Response;
use palisade_core::time::UnixTime;
use palisade_core::{Handle, LimitDecision, RequestScope};

use crate::decide::Plan;
use crate::decision::Charged;
use crate::headers::{Headers, Shown};
use crate::limits::Limits;
use crate::policy::Refund;

/// What is left to do for a counted request when its response comes.
pub(crate) struct Ticket {
    shown: Shown,
    unix: UnixTime,
    headers: Headers,
    refund: Option<Box<PendingRefund>>,
}

struct PendingRefund {
    when: Arc<Refund>,
    plan: Plan,
    /// The store that was charged, and its time then.
    taken: (Charged, u64),
    limits: Handle<Limits>,
}

impl Ticket {
    /// The headers will speak of the closest limit, whether ours or one that another limiter has noted in the scope.
    #[inline]
    pub(crate) fn new(
        limits: &Handle<Limits>,
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
                limits: limits.clone(),
            })
        });
        let shown = match scope {
            Some(scope) if limits.headers != Headers::Off => {
                scope.with_limits(|noted| closest(own, noted))
            }
            _ => own,
        };
        Self {
            shown: shown.with_fixed(&policy.fixed),
            unix: limits.unix(plan.now),
            headers: limits.headers,
            refund,
        }
    }

    #[inline]
    pub(crate) fn settle<B>(&mut self, response: &mut Response<B>) {
        if let Some(refund) = self.refund.take()
            && (refund.when)(response.status())
        {
            let (charged, at) = refund.taken;
            refund.limits.refund(&refund.plan, charged, at);
        }
        self.headers
            .write(&self.shown, self.unix, response.headers_mut());
    }
}

fn closest(own: Shown, noted: &[LimitDecision]) -> Shown {
    let counted = noted
        .iter()
        .filter(|decision| decision.allowed && decision.limit > 0);
    counted.fold(own, |closest, other| {
        if other.remaining < closest.remaining {
            Shown::of(other)
        } else {
            closest
        }
    })
}
