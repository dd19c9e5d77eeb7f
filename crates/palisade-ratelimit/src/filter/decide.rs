//! From a chosen policy and a key to a verdict: charges all counts of a request, or none.

use std::net::IpAddr;

#[cfg(feature = "redis")]
use palisade_core::time::Instant;
use palisade_core::time::UnixTime;
use palisade_core::{EventKind, Handle, LimitDecision, Name, SecurityEvent};

use crate::charge::{Beside, PaidTo, Plan};
use crate::decision::{Decision, Outcome};
use crate::filter::headers::{Fixed, Headers, Shown};
use crate::filter::ticket::Ticket;
use crate::filter::verdict::{Ruling, Verdict};
use crate::filter::view::RequestView;
use crate::limit::Assessment;
use crate::limits::Limits;
use crate::policy::counted::{Counted, Engine};
#[cfg(feature = "redis")]
use crate::query::Question;
use crate::store::{Charge, Charged, MAX_CHARGES, charge, charge_one};

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
            policy: &counted.rules,
            rules,
            key: plan.key,
            cost: plan.cost,
        };
        let Some(charged) = charge_one(&one, now) else {
            return limits.over(Decision::bare(Outcome::Limited, counted.name), plan, view);
        };
        counted.counters.overflowed(charged.overflowed);
        Self::settle(handle, plan, counted.name, &charged, view)
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
        let mut beside = limits.beside(plan.key.claimed, is_address, view);
        let local = counted.engine.is_local().then_some(plan);
        let charged = limits.charge_local(local, beside, plan.now);
        match charged {
            Some((name, charged)) if counted.engine.is_local() || !charged.assessment.fits() => {
                Self::settle(handle, plan, name, &charged, view)
            }
            charged => {
                beside.at = charged.map_or(plan.now, |(_, charged)| charged.at);
                Self::ask_engine(handle, plan, beside, view)
            }
        }
    }

    /// Asks an engine that is not ours.
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
                Self::conclude_beside(handle, (decision, PaidTo::Nothing), plan, beside, view)
            }
            #[cfg(feature = "redis")]
            Engine::Redis(policy) => match crate::query::ask(handle, policy, plan, beside) {
                Ok(decided) => Self::conclude_beside(handle, decided, plan, beside, view),
                Err(question) => Verdict::Ask(question),
            },
        }
    }

    /// Charges the counts that are kept in this process: the closest to its limit, if there is any.
    pub(crate) fn charge_local(
        &self,
        plan: Option<Plan>,
        beside: Beside,
        now: u64,
    ) -> Option<(Name, Charged)> {
        let counted = plan.map(|plan| &self.policies[plan.policy]);
        let scaled = plan.and_then(|plan| Some(counted?.rules.scaled(plan.quota?)));
        let main = plan.zip(counted).map(|(plan, counted)| Charge {
            table: &counted.table,
            policy: &counted.rules,
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
        Some((owners[position].name, charged))
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
            .map(|client| client.group_of(SITE_PREFIX))
            .filter(IpAddr::is_ipv6)
            .map(|site| self.hasher.address(site));
        Beside {
            backstop,
            site,
            at: 0,
        }
    }

    /// Turns what the counts said into a verdict.
    #[inline]
    fn settle(
        handle: &Handle<Self>,
        plan: Plan,
        name: Name,
        charged: &Charged,
        view: &RequestView<'_>,
    ) -> Verdict {
        let assessment = &charged.assessment;
        if !assessment.fits() {
            return handle.over(Decision::new(name, assessment), plan, view);
        }
        let to = PaidTo::Table { at: charged.at };
        #[cfg(feature = "wait")]
        if handle.policies[plan.policy].queue.is_some() {
            let delay = handle.delay_here(&plan, name, charged);
            let pass = |to| Self::pass(handle, plan, name, assessment, to, view);
            return Self::in_turn(handle, plan, delay, to, view, pass);
        }
        Self::pass(handle, plan, name, assessment, to, view)
    }

    /// Lets a request pass that was charged in this process.
    #[inline]
    fn pass(
        handle: &Handle<Self>,
        plan: Plan,
        name: Name,
        assessment: &Assessment,
        to: PaidTo,
        view: &RequestView<'_>,
    ) -> Verdict {
        let counted = &handle.policies[plan.policy];
        counted
            .counters
            .allowed(&plan, assessment.remaining, assessment.quota.into());
        if handle.is_silent(counted, view) {
            return Verdict::Pass;
        }
        let own = Shown::of_assessment(name, assessment, &counted.fixed);
        let shown = match view.scope() {
            Some(scope) => {
                let decision = Decision::new(name, assessment);
                scope.push_limit_and_read(decision.into(), |noted| {
                    handle.notice_twice(noted);
                    closest(own, noted, &counted.fixed)
                })
            }
            None => own,
        };
        Verdict::Counted(Ticket::new(handle, shown, &plan, to))
    }

    /// Says once where a policy of the latest decision's name decided about the request before.
    #[inline]
    fn notice_twice(&self, noted: &[LimitDecision]) {
        if let [before @ .., latest] = noted
            && before.iter().any(|other| other.policy == latest.policy)
        {
            self.told.twice(latest.policy);
        }
    }

    /// Whether nothing is left to do for a request that passes, and nobody to tell.
    #[inline]
    fn is_silent(&self, counted: &Counted, view: &RequestView<'_>) -> bool {
        self.headers == Headers::Off && view.scope().is_none() && counted.refund.is_none()
    }

    /// The verdict for what Redis answered.
    #[cfg(feature = "redis")]
    pub(crate) fn conclude(question: Question, view: &RequestView<'_>, now: Instant) -> Verdict {
        match question.answer(now) {
            Some((limits, decided, plan, beside)) => {
                Self::conclude_beside(&limits, decided, plan, beside, view)
            }
            None => Verdict::Pass,
        }
    }

    /// The verdict for a decision that was made elsewhere. What the address was charged is given back if it is refused.
    #[cfg(any(feature = "governor", feature = "redis"))]
    fn conclude_beside(
        handle: &Handle<Self>,
        (decision, to): (Decision, PaidTo),
        plan: Plan,
        beside: Beside,
        view: &RequestView<'_>,
    ) -> Verdict {
        if !decision.is_allowed() {
            handle.refund_beside(beside);
            return handle.over(decision, plan, view);
        }
        #[cfg(feature = "wait")]
        {
            let reset = u64::try_from(decision.reset_after.as_nanos()).unwrap_or(u64::MAX);
            let delay = handle.policies[plan.policy].delay(&plan, reset);
            let pass = |to| Self::pass_beside(handle, decision, to, plan, view);
            Self::in_turn(handle, plan, delay, to, view, pass)
        }
        #[cfg(not(feature = "wait"))]
        Self::pass_beside(handle, decision, to, plan, view)
    }

    /// Lets a request pass that was charged elsewhere.
    #[cfg(any(feature = "governor", feature = "redis"))]
    fn pass_beside(
        handle: &Handle<Self>,
        decision: Decision,
        to: PaidTo,
        plan: Plan,
        view: &RequestView<'_>,
    ) -> Verdict {
        let counted = &handle.policies[plan.policy];
        counted
            .counters
            .allowed(&plan, decision.remaining, decision.limit);
        if handle.is_silent(counted, view) {
            return Verdict::Pass;
        }
        let noted = LimitDecision::from(decision);
        let own = Shown::of(&noted, &counted.fixed);
        let shown = match view.scope() {
            Some(scope) => scope.push_limit_and_read(noted, |noted| {
                handle.notice_twice(noted);
                closest(own, noted, &counted.fixed)
            }),
            None => own,
        };
        Verdict::Counted(Ticket::new(handle, shown, &plan, to))
    }

    /// Counts and tells that a request is over a limit.
    #[cold]
    pub(crate) fn over(&self, decision: Decision, plan: Plan, view: &RequestView<'_>) -> Verdict {
        let ruling = self.ruling(decision, plan);
        let counted = &self.policies[plan.policy];
        counted.counters.refused();
        counted.note_refusal(&decision, &plan);
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
}

/// The limit that the header fields speak of: the closest, whether ours or one that another limiter has noted.
fn closest(own: Shown, noted: &[LimitDecision], known: &[&'static Fixed]) -> Shown {
    let counted = noted
        .iter()
        .filter(|decision| decision.allowed && decision.limit > 0);
    match counted.min_by_key(|decision| decision.remaining) {
        Some(other) if other.remaining < own.remaining => Shown::of(other, known),
        _ => own,
    }
}

/// The network that providers hand to one site, by RFC 6177.
const SITE_PREFIX: u8 = 48;
