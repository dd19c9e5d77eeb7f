use std::sync::Arc;

use http::Response;
use palisade_core::time::UnixTime;
use palisade_core::{Handle, LimitDecision, RequestScope};

use crate::decide::Ruling;
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
    ruling: Ruling,
    limits: Handle<Limits>,
}

impl Ticket {
    /// The headers will speak of the closest limit, whether ours or one that another limiter has noted in the scope.
    pub(crate) fn new(
        limits: &Handle<Limits>,
        ruling: &Ruling,
        scope: Option<&RequestScope>,
    ) -> Self {
        let own = Shown::of(&LimitDecision::from(ruling.decision));
        let refund = limits.policies[ruling.plan.policy]
            .refund
            .as_ref()
            .map(|when| {
                Box::new(PendingRefund {
                    when: Arc::clone(when),
                    ruling: *ruling,
                    limits: limits.clone(),
                })
            });
        let shown = match scope {
            Some(scope) if limits.headers != Headers::Off => {
                scope.with_limits(|noted| closest(own, noted))
            }
            _ => own,
        };
        let shown = shown.with_fixed(&limits.policies[ruling.plan.policy].fixed);
        Self {
            shown,
            unix: ruling.unix,
            headers: limits.headers,
            refund,
        }
    }

    #[inline]
    pub(crate) fn settle<B>(&mut self, response: &mut Response<B>) {
        if let Some(refund) = self.refund.take()
            && (refund.when)(response.status())
        {
            refund.limits.refund(&refund.ruling);
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
