use std::sync::Arc;
use std::time::Duration;

use palisade_core::Name;

use crate::charge::Plan;
use crate::decision::{Decision, Outcome};
use crate::filter::headers::Fixed;
use crate::limit::Rules;
use crate::policy::Refund;
use crate::policy::block::Block;
use crate::policy::counters::Counters;
use crate::policy::key::Chain;
use crate::store::digest::HashedKey;
use crate::store::{Charge, Charged, Table, charge_one};

/// A policy with its count.
pub(crate) struct Counted {
    pub(crate) name: Name,
    pub(crate) rules: Rules,
    /// The largest quota that a request can have of its own.
    pub(crate) room: u32,
    pub(crate) table: Arc<Table>,
    pub(crate) chain: Option<Chain>,
    pub(crate) shadow: bool,
    pub(crate) off: bool,
    pub(crate) refund: Option<Arc<Refund>>,
    pub(crate) engine: Engine,
    pub(crate) counters: Counters,
    /// The keys that are refused for a time, if any can be.
    pub(crate) block: Option<Box<Block>>,
    /// The queue of requests that are over the limit, if they wait.
    #[cfg(feature = "wait")]
    pub(crate) queue: Option<crate::policy::queue::Queue>,
    /// The header fields of its limits that never change.
    pub(crate) fixed: Box<[&'static Fixed]>,
}

/// The engine that decides a policy.
pub(crate) enum Engine {
    /// The policy's own table, in this process.
    Local,
    /// A limiter of the user's.
    #[cfg(feature = "governor")]
    Governor(Arc<dyn crate::store::governor::check::Check>),
    /// Redis, and the table while Redis is down.
    #[cfg(feature = "redis")]
    Redis(Box<crate::store::RedisPolicy>),
}

impl Engine {
    #[inline]
    pub(crate) const fn is_local(&self) -> bool {
        matches!(self, Self::Local)
    }
}

impl Counted {
    /// Charges a request to its count in this process.
    #[inline]
    pub(crate) fn charge_local(&self, plan: &Plan) -> Option<Charged> {
        if plan.quota.is_some() || self.rules.need_date() {
            return self.charge_by_own_rules(plan);
        }
        let charge = Charge {
            cost: plan.cost,
            ..self.charge(plan.key)
        };
        charge_one(&charge, plan.now)
    }

    /// Out of line, because the rules of one request are large.
    #[inline(never)]
    fn charge_by_own_rules(&self, plan: &Plan) -> Option<Charged> {
        charge_one(&self.rules_of(plan).charge(plan), plan.now)
    }

    /// The rules of a request.
    pub(crate) fn rules_of(&self, plan: &Plan) -> RequestRules<'_> {
        let dated = self
            .rules
            .need_date()
            .then(|| self.rules.dated(plan.date, plan.now));
        let scaled = plan
            .quota
            .map(|quota| dated.as_ref().unwrap_or(&self.rules).scaled(quota));
        RequestRules {
            counted: self,
            dated,
            scaled,
        }
    }

    /// The decision about a use of a policy that is off.
    pub(crate) const fn passed(&self) -> Decision {
        Decision::bare(Outcome::Allowed, self.name)
    }

    /// The decision about a request that is refused for so many nanoseconds, whatever the limits say.
    pub(crate) fn refused_for(&self, outcome: Outcome, wait: u64) -> Decision {
        let mut decision = Decision::bare(outcome, self.name);
        decision.reset_after = Duration::from_nanos(wait);
        decision.retry_after = Some(decision.reset_after);
        if let Some(rule) = self.rules.iter().next() {
            decision.limit = rule.quota().into();
            decision.window = Duration::from_nanos(rule.window());
        }
        decision
    }

    /// The decision about a key that is blocked.
    #[inline]
    pub(crate) fn blocked(&self, plan: &Plan) -> Option<Decision> {
        match &self.block {
            None => None,
            Some(block) => self.blocked_by(block, plan),
        }
    }

    #[inline(never)]
    fn blocked_by(&self, block: &Block, plan: &Plan) -> Option<Decision> {
        let left = block.left(&plan.key, plan.now)?;
        Some(self.refused_for(Outcome::Blocked, left))
    }

    /// Notes what was refused by a limit of the policy's own.
    pub(crate) fn note_refusal(&self, decision: &Decision, plan: &Plan) {
        if let Some(block) = &self.block
            && decision.outcome == Outcome::Limited
            && decision.policy == self.name
        {
            block.note(&plan.key, plan.now);
        }
    }

    /// The rest of a key in the table: allowed where the cost fits, which is not charged.
    pub(crate) fn peek(&self, plan: &Plan) -> Option<Decision> {
        let rules = self.rules_of(plan);
        let assess = |cost| self.table.peek(rules.own(), &plan.key, plan.now, cost);
        let next = assess(plan.cost)?;
        let shown = if next.fits() { assess(0)? } else { next };
        Some(Decision::new(self.name, &shown))
    }

    /// One request by this key, by the policy's rules.
    #[inline]
    pub(crate) fn charge(&self, key: HashedKey) -> Charge<'_> {
        Charge {
            table: &self.table,
            policy: &self.rules,
            rules: &self.rules,
            key,
            cost: 1,
        }
    }
}

/// The rules of one request: those of its policy, with a date where they count by the calendar, and with the quota of its
/// key where that has its own.
pub(crate) struct RequestRules<'a> {
    counted: &'a Counted,
    dated: Option<Rules>,
    scaled: Option<Rules>,
}

impl RequestRules<'_> {
    /// The rules of the policy.
    #[inline]
    fn policy(&self) -> &Rules {
        self.dated.as_ref().unwrap_or(&self.counted.rules)
    }

    /// The rules of the key.
    #[inline]
    pub(crate) fn own(&self) -> &Rules {
        self.scaled.as_ref().unwrap_or(self.policy())
    }

    /// The charge of the request to its policy.
    #[inline]
    pub(crate) fn charge(&self, plan: &Plan) -> Charge<'_> {
        Charge {
            table: &self.counted.table,
            policy: self.policy(),
            rules: self.own(),
            key: plan.key,
            cost: plan.cost,
        }
    }
}
