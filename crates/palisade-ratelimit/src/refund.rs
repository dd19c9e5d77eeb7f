#[cfg(feature = "redis")]
use crate::counted::Engine;
use crate::decision::Charged;
use crate::limits::Limits;
#[cfg(any(feature = "governor", feature = "redis"))]
use crate::plan::Beside;
use crate::plan::Plan;

impl Limits {
    /// Gives back what a request was charged by its policy at that time, to the store that was charged. What its address
    /// was charged stays: the request did come.
    pub(crate) fn refund(&self, plan: &Plan, charged: Charged, charged_at: u64) {
        let Some(counted) = self.policies.get(plan.policy) else {
            return;
        };
        match charged {
            Charged::Nothing => {}
            Charged::Table => {
                let scaled = plan.quota.map(|quota| counted.rules.scaled(quota));
                let rules = scaled.as_ref().unwrap_or(&counted.rules);
                let table = &counted.table;
                table.refund(rules, &plan.key, charged_at, plan.cost);
            }
            #[cfg(feature = "redis")]
            Charged::Redis => {
                if let Engine::Redis(policy) = &counted.engine {
                    let refunding = policy.refund(&plan.key, plan.quota, charged_at, plan.cost);
                    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                        runtime.spawn(refunding);
                    }
                }
            }
        }
    }

    /// Gives the address back what it was charged for a request that something else refused.
    #[cfg(any(feature = "governor", feature = "redis"))]
    pub(crate) fn refund_beside(&self, beside: Beside, charged_at: u64) {
        let pairs = [(&self.backstop, beside.backstop), (&self.site, beside.site)];
        for (counted, key) in pairs
            .into_iter()
            .filter_map(|(counted, key)| counted.as_ref().zip(key))
        {
            counted.table.refund(&counted.rules, &key, charged_at, 1);
        }
    }
}
