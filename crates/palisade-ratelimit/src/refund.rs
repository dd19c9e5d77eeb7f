use std::future::Future;

#[cfg(any(feature = "governor", feature = "redis"))]
use crate::charge::Backstops;
use crate::charge::{Paid, PaidTo};
use crate::limits::Limits;
#[cfg(feature = "redis")]
use crate::policy::counted::Engine;

impl Limits {
    /// Gives back what a request was charged by its policy, to where it was charged. What its address was charged stays:
    /// the request did come. What is left to do for that is the future's, which owns what it needs.
    pub(crate) fn refund(&self, paid: Paid) -> Option<impl Future<Output = ()> + Send + use<>> {
        let Paid { plan, to } = paid;
        let counted = self.policies.get(plan.policy)?;
        match to {
            PaidTo::Nothing => {}
            PaidTo::Table { at } => {
                let rules = counted.rules_of(&plan);
                counted.table.refund(rules.own(), &plan.key, at, plan.cost);
            }
            #[cfg(feature = "redis")]
            PaidTo::Redis { at } => {
                if let Engine::Redis(policy) = &counted.engine {
                    return policy.refund(&plan.key, plan.quota, at, plan.cost);
                }
            }
        }
        #[cfg(feature = "redis")]
        return None;
        #[cfg(not(feature = "redis"))]
        NOTHING_LEFT
    }

    /// The same in the background.
    pub(crate) fn refund_soon(&self, paid: Paid) {
        let refunding = self.refund(paid);
        #[cfg(feature = "redis")]
        if let Some(refunding) = refunding
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(refunding);
        }
        #[cfg(not(feature = "redis"))]
        drop(refunding);
    }

    /// Gives the address back what it was charged for a request that something else refused.
    #[cfg(any(feature = "governor", feature = "redis"))]
    pub(crate) fn refund_backstops(&self, backstops: Backstops) {
        let pairs = [
            (&self.backstop, backstops.backstop),
            (&self.site, backstops.site),
        ];
        for (counted, key) in pairs
            .into_iter()
            .filter_map(|(counted, key)| counted.as_ref().zip(key))
        {
            counted.table.refund(&counted.rules, &key, backstops.at, 1);
        }
    }
}

#[cfg(not(feature = "redis"))]
const NOTHING_LEFT: Option<std::future::Ready<()>> = None;
