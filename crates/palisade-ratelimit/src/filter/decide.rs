//! Charges a request to its policy and to the limits of its address: to all of them, or to none.

use std::net::IpAddr;

use palisade_core::time::UnixTime;
use palisade_core::{EventKind, Handle, LimitDecision, Name, SecurityEvent};

use crate::charge::{Backstops, PaidTo, Plan};
use crate::decision::{Decision, Outcome};
use crate::filter::admission::{Admission, Refusal};
use crate::filter::headers::{Fixed, Headers, Items, Shown};
use crate::filter::response_fields::ResponseFields;
use crate::filter::view::RequestView;
use crate::limit::Assessment;
use crate::limits::Limits;
use crate::policy::counted::Counted;
use crate::store::{Charged, MAX_CHARGES, charge, charge_and_see};

impl Limits {
    /// Decides about a request whose policy and key are known.
    #[inline]
    pub(crate) fn decide(
        handle: &Handle<Self>,
        plan: &Plan,
        is_address: bool,
        view: &RequestView<'_>,
    ) -> Admission {
        let limits = &**handle;
        let counted = &limits.policies[plan.policy];
        let several = plan.key.claimed || limits.site.is_some();
        if several || limits.lists || !counted.engine.is_local() {
            return Self::decide_with_backstops(handle, plan, is_address, view);
        }
        let Some(charged) = counted.charge_local(plan) else {
            return limits.over(Decision::bare(Outcome::Limited, counted.name), *plan, view);
        };
        counted.counters.overflowed(charged.overflowed);
        Self::settle(handle, plan, counted.name, &charged, None, view)
    }

    /// The same where several counts, or another engine, have a say.
    #[inline(never)]
    fn decide_with_backstops(
        handle: &Handle<Self>,
        plan: &Plan,
        is_address: bool,
        view: &RequestView<'_>,
    ) -> Admission {
        let limits = &**handle;
        let counted = &limits.policies[plan.policy];
        let backstops = limits.backstops(plan.key.claimed, is_address, view);
        let local = counted.engine.is_local().then_some(*plan);
        let mut items = limits.lists.then(Box::<Items>::default);
        let charged = limits.charge_local(local, backstops, plan.now, items.as_deref_mut());
        match charged {
            Some((name, charged)) if counted.engine.is_local() || !charged.assessment.fits() => {
                Self::settle(handle, plan, name, &charged, items, view)
            }
            #[cfg(not(any(feature = "governor", feature = "redis")))]
            _ => Admission::Pass,
            #[cfg(any(feature = "governor", feature = "redis"))]
            charged => {
                let mut backstops = backstops;
                backstops.at = charged.map_or(plan.now, |(_, charged)| charged.at);
                Self::ask_engine(handle, *plan, backstops, items, view)
            }
        }
    }

    /// Charges the counts that are kept in this process: the closest to its limit, if there is any.
    pub(crate) fn charge_local(
        &self,
        plan: Option<Plan>,
        backstops: Backstops,
        now: u64,
        items: Option<&mut Items>,
    ) -> Option<(Name, Charged)> {
        let counted = plan.map(|plan| &self.policies[plan.policy]);
        let rules = plan.zip(counted);
        let rules = rules.map(|(plan, counted)| (counted.rules_of(&plan), plan));
        let main = rules.as_ref().map(|(rules, plan)| rules.charge(plan));
        let backstop = self.backstop.as_ref().zip(backstops.backstop);
        let site = self.site.as_ref().zip(backstops.site);
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
        let charges = &charges[..count];
        let (position, charged) = match items {
            None => charge(charges, now)?,
            Some(items) => charge_and_see(charges, now, |position, state| {
                items.add_states(owners[position].name, charges[position].rules, state, now);
            })?,
        };
        owners[position].counters.overflowed(charged.overflowed);
        Some((owners[position].name, charged))
    }

    /// The counts by address that a request is charged to as well.
    fn backstops(&self, claimed: bool, is_address: bool, view: &RequestView<'_>) -> Backstops {
        let address_counts = is_address || claimed;
        if !address_counts || self.backstop.is_none() && self.site.is_none() {
            return Backstops::default();
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
        Backstops {
            backstop,
            site,
            #[cfg(any(feature = "governor", feature = "redis"))]
            at: 0,
        }
    }

    /// Admits or refuses a request by the assessment of its counts.
    #[inline]
    fn settle(
        handle: &Handle<Self>,
        plan: &Plan,
        name: Name,
        charged: &Charged,
        items: Option<Box<Items>>,
        view: &RequestView<'_>,
    ) -> Admission {
        let assessment = &charged.assessment;
        if !assessment.fits() {
            return handle.over_listed(Decision::new(name, assessment), *plan, items, view);
        }
        let to = PaidTo::Table { at: charged.at };
        #[cfg(feature = "wait")]
        if handle.policies[plan.policy].queue.is_some() {
            let delay = handle.delay_here(plan, name, charged);
            let pass = |to| Self::pass(handle, plan, name, assessment, to, items, view);
            return Self::in_turn(handle, *plan, delay, to, view, pass);
        }
        Self::pass(handle, plan, name, assessment, to, items, view)
    }

    /// Lets a request pass that was charged in this process.
    #[inline]
    fn pass(
        handle: &Handle<Self>,
        plan: &Plan,
        name: Name,
        assessment: &Assessment,
        to: PaidTo,
        items: Option<Box<Items>>,
        view: &RequestView<'_>,
    ) -> Admission {
        let counted = &handle.policies[plan.policy];
        counted
            .counters
            .allowed(plan, assessment.remaining, assessment.quota.into());
        if handle.is_silent(counted, view) {
            return Admission::Pass;
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
        Admission::Counted(ResponseFields::new(handle, shown, plan, to, items))
    }

    /// Says once where a policy of the latest decision's name decided about the request before.
    #[inline]
    pub(super) fn notice_twice(&self, noted: &[LimitDecision]) {
        if let [before @ .., latest] = noted
            && before.iter().any(|other| other.policy == latest.policy)
        {
            self.logged.twice(latest.policy);
        }
    }

    /// Whether nothing is left to do for a request that passes, and nobody to tell.
    #[inline]
    pub(super) fn is_silent(&self, counted: &Counted, view: &RequestView<'_>) -> bool {
        self.headers == Headers::Off && view.scope().is_none() && counted.refund.is_none()
    }

    /// Counts and tells that a request is over a limit.
    #[cold]
    pub(crate) fn over(&self, decision: Decision, plan: Plan, view: &RequestView<'_>) -> Admission {
        self.over_listed(decision, plan, None, view)
    }

    /// The same with the states of all limits.
    #[cold]
    pub(crate) fn over_listed(
        &self,
        decision: Decision,
        plan: Plan,
        items: Option<Box<Items>>,
        view: &RequestView<'_>,
    ) -> Admission {
        let refusal = self.refusal(decision, plan, items);
        let counted = &self.policies[plan.policy];
        counted.counters.refused();
        counted.note_refusal(&decision, &plan);
        tracing::debug!(target: "palisade_ratelimit",
            policy = %decision.policy,
            key = %plan.key.short(),
            outcome = decision.outcome.as_str(),
            retry_after = ?decision.retry_after,
            shadow = refusal.shadow,
            "over the limit"
        );
        if let Some(scope) = view.scope() {
            scope.push_limit(LimitDecision::from(decision));
            let reason = if refusal.shadow {
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
        Admission::Refused(Box::new(refusal))
    }

    /// Wall time for the headers, if there are any.
    #[inline]
    pub(crate) fn unix(&self, now: u64) -> UnixTime {
        match self.headers {
            Headers::Off => UnixTime::default(),
            _ => self.wall.at(now),
        }
    }

    fn refusal(&self, decision: Decision, plan: Plan, items: Option<Box<Items>>) -> Refusal {
        Refusal {
            decision,
            unix: self.unix(plan.now),
            shadow: self.policies[plan.policy].shadow,
            plan,
            items,
        }
    }
}

/// The limit that the header fields speak of: the closest, whether ours or one that another limiter has noted.
pub(super) fn closest(own: Shown, noted: &[LimitDecision], known: &[&'static Fixed]) -> Shown {
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
