//! From a chosen policy and a key to a verdict: charges all counts of a request, or none.

use std::num::NonZeroU32;

use palisade_core::time::UnixTime;
use palisade_core::{EventKind, Handle, LimitDecision, Name, SecurityEvent};

use crate::counted::{Counted, Engine};
use crate::decision::{Charged, Decision, Outcome};
use crate::digest::HashedKey;
use crate::headers::{Headers, Shown};
use crate::limit::Assessment;
use crate::limits::Limits;
use crate::store::{Charge, MAX_CHARGES, charge, charge_one};
use crate::ticket::Ticket;
use crate::view::RequestView;

/// What is to be done with a request.
pub(crate) enum Verdict {
    /// It passes, and there is nothing left to do when its response comes.
    Pass,
    /// It passes, and its response says what is left.
    Counted(Ticket),
    /// It is over a limit. Kept out of line: what passes should not carry its weight.
    Over(Box<Ruling>),
    /// A store has to be asked first.
    #[cfg(feature = "redis")]
    Ask(Box<crate::ask::Question>),
}

/// A decision about a request that is over a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ruling {
    pub(crate) decision: Decision,
    pub(crate) unix: UnixTime,
    pub(crate) shadow: bool,
    pub(crate) plan: Plan,
}

/// What a request is charged to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// The number of the policy.
    pub(crate) policy: usize,
    pub(crate) key: HashedKey,
    pub(crate) quota: Option<NonZeroU32>,
    pub(crate) cost: u64,
    /// The store's time at which the request came.
    pub(crate) now: u64,
}

/// The counts by address that a request is charged to besides its policy's: the backstop, and the site's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Beside {
    pub(crate) backstop: Option<HashedKey>,
    pub(crate) site: Option<HashedKey>,
}

impl Limits {
    /// Decides about a request whose policy and key are known.
    #[inline]
    pub(crate) fn decide(
        handle: &Handle<Self>,
        plan: Plan,
        is_address: bool,
        view: &RequestView<'_>,
    ) -> Verdict {
        let limits = &**handle;
        let counted = &limits.policies[plan.policy];
        let now = plan.now;
        if plan.key.claimed || limits.site.is_some() || !counted.engine.is_local() {
            return Self::decide_beside(handle, plan, is_address, view);
        }
        let scaled;
        let rules = match plan.quota {
            None => &counted.rules,
            Some(quota) => {
                scaled = counted.rules.scaled(quota);
                &scaled
            }
        };
        let one = Charge {
            table: &counted.table,
            rules,
            key: plan.key,
            cost: plan.cost,
        };
        let Some(charged) = charge_one(&one, now) else {
            return limits.over(Decision::bare(Outcome::Limited, counted.name), plan, view);
        };
        counted.counters.overflowed(charged.overflowed);
        Self::settle(handle, plan, counted.name, &charged.assessment, view)
    }

    /// The same where several counts, or another engine, have a say.
    #[inline(never)]
    fn decide_beside(
        handle: &Handle<Self>,
        plan: Plan,
        is_address: bool,
        view: &RequestView<'_>,
    ) -> Verdict {
        let limits = &**handle;
        let counted = &limits.policies[plan.policy];
        let beside = limits.beside(plan.key.claimed, is_address, view);
        let local = counted.engine.is_local().then_some(plan);
        let charged = limits.charge_local(local, beside, plan.now);
        match charged {
            Some((name, assessment)) if counted.engine.is_local() || !assessment.fits() => {
                Self::settle(handle, plan, name, &assessment, view)
            }
            _ => Self::ask_engine(handle, plan, beside, view),
        }
    }

    /// Asks an engine that is not ours. What the address was charged already is given back if it refuses.
    #[cfg_attr(
        not(any(feature = "governor", feature = "redis")),
        expect(unused_variables, reason = "without features every engine is ours")
    )]
    fn ask_engine(
        handle: &Handle<Self>,
        plan: Plan,
        beside: Beside,
        view: &RequestView<'_>,
    ) -> Verdict {
        let counted = &handle.policies[plan.policy];
        match &counted.engine {
            Engine::Local => Verdict::Pass,
            #[cfg(feature = "governor")]
            Engine::Governor(engine) => {
                let chain = counted.chain.as_ref().unwrap_or(&handle.chain);
                let asked = chain.visit(view, |key, _| engine.check(counted.name, &key, plan.cost));
                let decision = asked
                    .flatten()
                    .unwrap_or(Decision::bare(Outcome::NoKey, counted.name));
                if !decision.is_allowed() {
                    handle.refund_beside(beside, plan.now);
                }
                Self::conclude(handle, decision, plan, view)
            }
            #[cfg(feature = "redis")]
            Engine::Redis(policy) => crate::ask::ask(handle, policy, plan, beside, view),
        }
    }

    /// Charges the counts that are kept in this process: the closest to its limit, if there is any.
    pub(crate) fn charge_local(
        &self,
        plan: Option<Plan>,
        beside: Beside,
        now: u64,
    ) -> Option<(Name, Assessment)> {
        let counted = plan.map(|plan| &self.policies[plan.policy]);
        let scaled = plan.and_then(|plan| Some(counted?.rules.scaled(plan.quota?)));
        let main = plan.zip(counted).map(|(plan, counted)| Charge {
            table: &counted.table,
            rules: scaled.as_ref().unwrap_or(&counted.rules),
            key: plan.key,
            cost: plan.cost,
        });
        let backstop = self.backstop.as_ref().zip(beside.backstop);
        let site = self.site.as_ref().zip(beside.site);
        let entries = [
            main.zip(counted),
            backstop.map(|(counted, key)| (counted.charge(key), counted)),
            site.map(|(counted, key)| (counted.charge(key), counted)),
        ];
        let mut entries = entries.into_iter().flatten();
        let (first, owner) = entries.next()?;
        let mut charges = [first; MAX_CHARGES];
        let mut owners = [owner; MAX_CHARGES];
        let mut count = 1;
        for (entry, owner) in entries {
            charges[count] = entry;
            owners[count] = owner;
            count += 1;
        }
        let (position, charged) = charge(&charges[..count], now)?;
        owners[position].counters.overflowed(charged.overflowed);
        Some((owners[position].name, charged.assessment))
    }

    /// Which counts by address a request is charged to as well.
    fn beside(&self, claimed: bool, is_address: bool, view: &RequestView<'_>) -> Beside {
        let address_counts = is_address || claimed;
        if !address_counts || self.backstop.is_none() && self.site.is_none() {
            return Beside::default();
        }
        let client = view.client();
        let backstop = claimed.then(|| match client {
            Some(client) => self.hasher.address(client.group()),
            None => self.shared_key(),
        });
        let site = client
            .filter(|client| client.ip().is_ipv6())
            .map(|client| self.hasher.address(client.group_of(SITE_PREFIX)));
        Beside { backstop, site }
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

    /// Turns what the counts said into a verdict.
    #[inline]
    fn settle(
        handle: &Handle<Self>,
        plan: Plan,
        name: Name,
        assessment: &Assessment,
        view: &RequestView<'_>,
    ) -> Verdict {
        let counted = &handle.policies[plan.policy];
        if !assessment.fits() {
            return handle.over(Decision::new(name, assessment, plan.now), plan, view);
        }
        counted
            .counters
            .allowed(&plan, assessment.remaining, assessment.quota.into());
        if handle.is_silent(counted, view) {
            return Verdict::Pass;
        }
        if let Some(scope) = view.scope() {
            scope.push_limit(Decision::new(name, assessment, plan.now).into());
        }
        let shown = Shown::of_assessment(name, assessment, &counted.fixed);
        let taken = (Charged::Table, plan.now);
        Verdict::Counted(Ticket::new(handle, shown, &plan, taken, view.scope()))
    }

    /// Whether nothing is left to do for a request that passes, and nobody to tell.
    #[inline]
    fn is_silent(&self, counted: &Counted, view: &RequestView<'_>) -> bool {
        self.headers == Headers::Off && view.scope().is_none() && counted.refund.is_none()
    }

    /// The verdict for a decision that was made elsewhere.
    #[cfg(any(feature = "governor", feature = "redis"))]
    pub(crate) fn conclude(
        handle: &Handle<Self>,
        decision: Decision,
        plan: Plan,
        view: &RequestView<'_>,
    ) -> Verdict {
        if !decision.is_allowed() {
            return handle.over(decision, plan, view);
        }
        let counted = &handle.policies[plan.policy];
        counted
            .counters
            .allowed(&plan, decision.remaining, decision.limit);
        if handle.is_silent(counted, view) {
            return Verdict::Pass;
        }
        let noted = LimitDecision::from(decision);
        if let Some(scope) = view.scope() {
            scope.push_limit(noted);
        }
        let shown = Shown::of(&noted, &counted.fixed);
        let taken = (decision.charged, decision.at);
        Verdict::Counted(Ticket::new(handle, shown, &plan, taken, view.scope()))
    }

    /// Counts and tells that a request is over a limit.
    #[cold]
    pub(crate) fn over(&self, decision: Decision, plan: Plan, view: &RequestView<'_>) -> Verdict {
        let ruling = self.ruling(decision, plan);
        self.policies[plan.policy].counters.refused();
        tracing::debug!(target: "palisade_ratelimit",
            policy = %decision.policy,
            key = %plan.key.short(),
            outcome = decision.outcome.as_str(),
            retry_after = ?decision.retry_after,
            shadow = ruling.shadow,
            "over the limit"
        );
        if let Some(scope) = view.scope() {
            scope.push_limit(LimitDecision::from(decision));
            let reason = if ruling.shadow {
                "shadow"
            } else {
                decision.outcome.as_str()
            };
            scope.record(
                SecurityEvent::new(EventKind::ExcessRateLimit)
                    .policy(decision.policy)
                    .reason(reason),
            );
        }
        Verdict::Over(Box::new(ruling))
    }

    /// Wall time for the headers, if there are any.
    #[inline]
    pub(crate) fn unix(&self, now: u64) -> UnixTime {
        match self.headers {
            Headers::Off => UnixTime::default(),
            _ => self.wall.at(now),
        }
    }

    fn ruling(&self, decision: Decision, plan: Plan) -> Ruling {
        Ruling {
            decision,
            unix: self.unix(plan.now),
            shadow: self.policies[plan.policy].shadow,
            plan,
        }
    }

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
}

/// The network that providers hand to one site, by RFC 6177.
const SITE_PREFIX: u8 = 48;
