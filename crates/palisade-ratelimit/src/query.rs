//! Decisions of policies that are counted in Redis: by what is known here, or by a query.

use std::task::{Context, Poll, ready};

use palisade_core::time::Instant;
use palisade_core::{Handle, Name, time};

use crate::charge::{Backstops, PaidTo, Plan};
use crate::decision::{Decision, Outcome};
use crate::filter::headers::Items;
use crate::limit::{Assessment, Fit};
use crate::limits::Limits;
use crate::policy::counted::{Counted, Engine};
use crate::store::{Action, Answer, Outage, RedisPolicy, Reply, StoreError, charge_one_and_see};

/// A decision, and where its charge lies.
pub(crate) type Decided = (Decision, PaidTo);

/// A query to Redis about one request, and the state that it goes on with.
pub(crate) struct PendingQuery {
    answer: Answer,
    answered: Option<Result<Reply, StoreError>>,
    plan: Plan,
    backstops: Backstops,
    items: Option<Box<Items>>,
    limits: Handle<Limits>,
}

/// A decision about a request, with all that it goes on with.
pub(crate) struct Answered {
    /// The settings that the query was made with.
    pub(crate) limits: Handle<Limits>,
    pub(crate) decided: Decided,
    pub(crate) plan: Plan,
    pub(crate) backstops: Backstops,
    pub(crate) items: Option<Box<Items>>,
}

/// The state of the limit that is closest to refusing, as it is known here.
struct Known {
    rule: u64,
    fit: Fit,
    remaining: u64,
    full_at: u64,
    /// The time of the charge, by Redis.
    at: u64,
}

/// The decision where what is known here is enough, or else the query.
pub(crate) fn start(
    handle: &Handle<Limits>,
    policy: &RedisPolicy,
    plan: Plan,
    backstops: Backstops,
    mut items: Option<Box<Items>>,
) -> Result<(Decided, Option<Box<Items>>), Box<PendingQuery>> {
    let counted = &handle.policies[plan.policy];
    if let Some(decided) = known(counted, policy, plan, items.as_deref_mut()) {
        return Ok((decided, items));
    }
    let want = policy.want(&plan.key, plan.quota, plan.cost, plan.now);
    let each = items.is_some();
    let answer = policy.ask(
        &plan.key,
        plan.quota,
        Action::Charge { want, each },
        plan.cost,
    );
    Err(Box::new(PendingQuery {
        answer,
        answered: None,
        plan,
        backstops,
        items,
        limits: handle.clone(),
    }))
}

/// Decides without Redis, where that is possible: by a lease, which comes first because where there are leases most
/// requests have one; a refusal that still holds; or an outage.
fn known(
    counted: &Counted,
    policy: &RedisPolicy,
    plan: Plan,
    items: Option<&mut Items>,
) -> Option<Decided> {
    let Plan {
        key,
        quota,
        cost,
        now,
        ..
    } = plan;
    if quota.is_none() {
        if let Some(spent) = policy
            .leases()
            .and_then(|leases| leases.spend(&key, now, cost, policy.interval()))
        {
            let known = Known {
                rule: spent.rule,
                fit: Fit::Fits,
                remaining: spent.remaining,
                full_at: spent.full_at,
                at: spent.charged_at,
            };
            return of_rule(counted, &plan, &known, items);
        }
        if let Some(denied) = policy
            .denied()
            .and_then(|cache| cache.find(&key, now))
            .filter(|_| cost > 0)
        {
            let known = Known {
                rule: denied.rule,
                fit: Fit::Wait(denied.until - now),
                remaining: 0,
                full_at: denied.full_at,
                at: now,
            };
            return of_rule(counted, &plan, &known, items);
        }
    }
    policy
        .is_down()
        .then(|| without_redis(counted, policy, plan, items))
}

fn of_rule(
    counted: &Counted,
    plan: &Plan,
    known: &Known,
    items: Option<&mut Items>,
) -> Option<Decided> {
    let rules = counted.rules_of(plan);
    let number = usize::try_from(known.rule).ok()?;
    let rule = rules.own().iter().nth(number)?;
    let assessment = Assessment {
        fit: known.fit,
        remaining: known.remaining,
        reset: known.full_at.saturating_sub(plan.now),
        quota: rule.quota(),
        window: rule.window(),
    };
    if let Some(items) = items {
        items.add_one(counted.name, rules.own(), number, &assessment);
    }
    Some(by_redis(counted.name, &assessment, known.at))
}

/// A decision of Redis, which charged it at that time of its own if it fits.
fn by_redis(name: Name, assessment: &Assessment, at: u64) -> Decided {
    let to = match assessment.fits() {
        true => PaidTo::Redis { at },
        false => PaidTo::Nothing,
    };
    (Decision::new(name, assessment), to)
}

/// Decides by what the policy says about an outage.
fn without_redis(
    counted: &Counted,
    policy: &RedisPolicy,
    plan: Plan,
    items: Option<&mut Items>,
) -> Decided {
    let bare = |outcome| (Decision::bare(outcome, counted.name), PaidTo::Nothing);
    let denied = bare(Outcome::StoreDown);
    match policy.outage() {
        Outage::Deny => denied,
        Outage::Allow => bare(Outcome::Allowed),
        Outage::LocalFallback { grace } if policy.is_failing_for(grace) => denied,
        Outage::LocalFallback { .. } => {
            let rules = counted.rules_of(&plan);
            let charged = charge_one_and_see(&rules.charge(&plan), plan.now, |state| {
                if let Some(items) = items {
                    items.add_states(counted.name, rules.own(), state, plan.now);
                }
            });
            match charged {
                Some(charged) => {
                    let to = match charged.assessment.fits() {
                        true => PaidTo::Table { at: charged.at },
                        false => PaidTo::Nothing,
                    };
                    (Decision::new(counted.name, &charged.assessment), to)
                }
                None => denied,
            }
        }
    }
}

/// Decides by a reply, or by its absence.
fn answered(
    counted: &Counted,
    policy: &RedisPolicy,
    plan: Plan,
    answer: Result<Reply, StoreError>,
    now: u64,
    items: Option<&mut Items>,
) -> Decided {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) => {
            counted.counters.store_error(&error.reason());
            return without_redis(counted, policy, plan, items);
        }
    };
    policy.learn(&plan, now, &reply);
    let plan_there = plan.decided_at(reply.time);
    let rules = counted.rules_of(&plan_there);
    match reply.assessment(rules.own()) {
        Some(assessment) => {
            match (items, &reply.each) {
                (Some(items), Some(each)) => items.add_each(counted.name, rules.own(), each),
                (Some(items), None) => {
                    items.add_one(counted.name, rules.own(), reply.rule, &assessment);
                }
                (None, _) => {}
            }
            by_redis(counted.name, &assessment, reply.time)
        }
        None => {
            let reason = "the answer speaks of a limit that the policy has not";
            counted.counters.store_error(reason);
            without_redis(counted, policy, plan, items)
        }
    }
}

/// The same without HTTP.
pub(crate) async fn check(
    limits: &Limits,
    counted: &Counted,
    policy: &RedisPolicy,
    plan: Plan,
) -> Decided {
    if let Some(decided) = known(counted, policy, plan, None) {
        return decided;
    }
    let want = policy.want(&plan.key, plan.quota, plan.cost, plan.now);
    let each = false;
    let action = Action::Charge { want, each };
    let answer = policy.ask(&plan.key, plan.quota, action, plan.cost).await;
    answered(
        counted,
        policy,
        plan,
        answer,
        limits.store.nanos(time::now()),
        None,
    )
}

/// Tells what is left, without a charge; during an outage by what the policy says about it.
pub(crate) async fn peek(counted: &Counted, policy: &RedisPolicy, plan: Plan) -> Option<Decision> {
    if !policy.is_down() {
        let answer = policy
            .ask(&plan.key, plan.quota, Action::Peek, plan.cost)
            .await;
        let assessment = answer.ok().and_then(|reply| {
            reply.assessment(counted.rules_of(&plan.decided_at(reply.time)).own())
        });
        if let Some(assessment) = assessment {
            return Some(Decision::new(counted.name, &assessment));
        }
    }
    let bare = |outcome| Some(Decision::bare(outcome, counted.name));
    match policy.outage() {
        Outage::Allow => bare(Outcome::Allowed),
        Outage::LocalFallback { grace } if !policy.is_failing_for(grace) => counted.peek(&plan),
        Outage::Deny | Outage::LocalFallback { .. } => bare(Outcome::StoreDown),
    }
}

impl PendingQuery {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.answered = Some(ready!(self.answer.as_mut().poll(cx)));
        Poll::Ready(())
    }

    /// The decision; `None` before there is an answer.
    pub(crate) fn answer(self, now: Instant) -> Option<Answered> {
        let Self {
            plan,
            backstops,
            mut items,
            limits,
            answered,
            ..
        } = self;
        let counted = &limits.policies[plan.policy];
        let Engine::Redis(policy) = &counted.engine else {
            return None;
        };
        let now = limits.store.nanos(now);
        let seen = items.as_deref_mut();
        let decided = self::answered(counted, policy, plan, answered?, now, seen);
        Some(Answered {
            limits,
            decided,
            plan,
            backstops,
            items,
        })
    }
}
