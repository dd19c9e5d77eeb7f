//! Requests that wait for their turn instead of being refused.

use std::time::Duration;

use palisade_core::{Handle, Name};

use crate::charge::{Paid, PaidTo, Plan};
use crate::decision::Outcome;
use crate::filter::admission::Admission;
use crate::filter::delay::Delay;
use crate::filter::response_fields::ResponseFields;
use crate::filter::view::RequestView;
use crate::limits::Limits;
use crate::policy::counted::Counted;
use crate::store::Charged;

impl Counted {
    /// For how long a request is to wait whose bucket is full in so many nanoseconds now that it is charged.
    pub(crate) fn delay(&self, plan: &Plan, reset: u64) -> u64 {
        if self.queue.is_none() || self.shadow {
            return 0;
        }
        match plan.quota {
            Some(quota) => self.rules.scaled(quota).delay(reset),
            None => self.rules.delay(reset),
        }
    }
}

impl Limits {
    /// The delay of a request that was charged in this process, where the limit of this name is the closest of several.
    pub(crate) fn delay_here(&self, plan: &Plan, name: Name, charged: &Charged) -> u64 {
        let counted = &self.policies[plan.policy];
        if name == counted.name {
            return counted.delay(plan, charged.assessment.reset);
        }
        let scaled = plan.quota.map(|quota| counted.rules.scaled(quota));
        let rules = scaled.as_ref().unwrap_or(&counted.rules);
        let state = counted.table.peek(rules, &plan.key, plan.now, 0);
        state.map_or(0, |state| counted.delay(plan, state.reset))
    }

    /// Lets a request pass in its turn. Where it would have to wait and there is no place, it is refused, and its charge
    /// given back.
    pub(crate) fn in_turn(
        handle: &Handle<Self>,
        plan: Plan,
        delay: u64,
        to: PaidTo,
        view: &RequestView<'_>,
        pass: impl FnOnce(PaidTo) -> Admission,
    ) -> Admission {
        let counted = &handle.policies[plan.policy];
        let Some(queue) = counted.queue.as_ref().filter(|_| delay > 0) else {
            return pass(to);
        };
        let Some(place) = queue.enter() else {
            handle.refund_soon(Paid { plan, to });
            let decision = counted.refused_for(Outcome::Limited, delay);
            return handle.over(decision, plan, view);
        };
        let fields = match pass(to) {
            Admission::Counted(fields) => fields,
            _ => ResponseFields::default(),
        };
        let delay = Delay::new(Duration::from_nanos(delay), fields, place);
        Admission::Delay(Box::new(delay))
    }
}
