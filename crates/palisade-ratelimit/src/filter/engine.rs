//! Policies that are decided elsewhere: by Redis, or by a limiter of the user's.

#[cfg(feature = "redis")]
use palisade_core::time::Instant;
use palisade_core::{Handle, LimitDecision};

use super::decide::closest;
use crate::charge::{Backstops, PaidTo, Plan};
use crate::decision::Decision;
#[cfg(feature = "governor")]
use crate::decision::Outcome;
use crate::filter::admission::Admission;
use crate::filter::headers::{Items, Shown};
use crate::filter::response_fields::ResponseFields;
use crate::filter::view::RequestView;
use crate::limits::Limits;
use crate::policy::counted::Engine;
#[cfg(feature = "redis")]
use crate::query::{Answered, PendingQuery};

impl Limits {
    /// Asks an engine that is not ours.
    pub(super) fn ask_engine(
        handle: &Handle<Self>,
        plan: Plan,
        backstops: Backstops,
        items: Option<Box<Items>>,
        view: &RequestView<'_>,
    ) -> Admission {
        let counted = &handle.policies[plan.policy];
        match &counted.engine {
            Engine::Local => Admission::Pass,
            #[cfg(feature = "governor")]
            Engine::Governor(engine) => {
                let chain = counted.chain.as_ref().unwrap_or(&handle.chain);
                let asked = chain.visit(view, |key, _| engine.check(counted.name, &key, plan.cost));
                let decision = asked
                    .flatten()
                    .unwrap_or(Decision::bare(Outcome::NoKey, counted.name));
                let mut items = items;
                if let Some(items) = &mut items {
                    items.add_decision(&decision);
                }
                let decided = (decision, PaidTo::Nothing);
                Self::conclude(handle, decided, plan, backstops, items, view)
            }
            #[cfg(feature = "redis")]
            Engine::Redis(policy) => {
                match crate::query::start(handle, policy, plan, backstops, items) {
                    Ok((decided, items)) => {
                        Self::conclude(handle, decided, plan, backstops, items, view)
                    }
                    Err(query) => Admission::Query(query),
                }
            }
        }
    }

    /// Admits or refuses a request by the answer of Redis.
    #[cfg(feature = "redis")]
    pub(crate) fn conclude_query(
        query: PendingQuery,
        view: &RequestView<'_>,
        now: Instant,
    ) -> Admission {
        match query.answer(now) {
            Some(Answered {
                limits,
                decided,
                plan,
                backstops,
                items,
            }) => Self::conclude(&limits, decided, plan, backstops, items, view),
            None => Admission::Pass,
        }
    }

    /// Admits or refuses a request by a decision that was made elsewhere. What the address was charged is given back if
    /// it is refused.
    fn conclude(
        handle: &Handle<Self>,
        (decision, to): (Decision, PaidTo),
        plan: Plan,
        backstops: Backstops,
        items: Option<Box<Items>>,
        view: &RequestView<'_>,
    ) -> Admission {
        if !decision.is_allowed() {
            handle.refund_backstops(backstops);
            return handle.over_listed(decision, plan, items, view);
        }
        #[cfg(feature = "wait")]
        {
            let reset = u64::try_from(decision.reset_after.as_nanos()).unwrap_or(u64::MAX);
            let delay = handle.policies[plan.policy].delay(&plan, reset);
            let pass = |to| Self::pass_decided(handle, decision, to, plan, items, view);
            Self::in_turn(handle, plan, delay, to, view, pass)
        }
        #[cfg(not(feature = "wait"))]
        Self::pass_decided(handle, decision, to, plan, items, view)
    }

    /// Lets a request pass that was charged elsewhere.
    fn pass_decided(
        handle: &Handle<Self>,
        decision: Decision,
        to: PaidTo,
        plan: Plan,
        items: Option<Box<Items>>,
        view: &RequestView<'_>,
    ) -> Admission {
        let counted = &handle.policies[plan.policy];
        counted
            .counters
            .allowed(&plan, decision.remaining, decision.limit);
        if handle.is_silent(counted, view) {
            return Admission::Pass;
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
        Admission::Counted(ResponseFields::new(handle, shown, &plan, to, items))
    }
}
