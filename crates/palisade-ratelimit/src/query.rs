//! Decisions of policies that are counted in Redis: by what is known here, or by a query.

use std::task::{Context, Poll, ready};

use palisade_core::time::Instant;
use palisade_core::{Handle, Name, time};

use crate::charge::{Backstops, PaidTo, Plan};
use crate::decision::{Decision, Outcome};
use crate::limit::{Assessment, Fit};
use crate::limits::Limits;
use crate::policy::counted::{Counted, Engine};
use crate::store::{Action, Answer, Outage, RedisPolicy, Reply, StoreError, charge_one};

/// A decision, and where its charge lies.
type Decided = (Decision, PaidTo);

/// A query to Redis about one request, and the state that it goes on with.
pub(crate) struct PendingQuery {
    answer: Answer,
    answered: Option<Result<Reply, StoreError>>,
    plan: Plan,
    backstops: Backstops,
    limits: Handle<Limits>,
}

/// The decision where what is known here is enough, or else the query.
pub(crate) fn start(
    handle: &Handle<Limits>,
    policy: &RedisPolicy,
    plan: Plan,
    backstops: Backstops,
) -> Result<Decided, Box<PendingQuery>> {
    let counted = &handle.policies[plan.policy];
    if let Some(decided) = known(counted, policy, plan) {
        return Ok(decided);
    }
    let want = policy.want(&plan.key, plan.quota, plan.cost, plan.now);
    let answer = policy.ask(&plan.key, plan.quota, Action::Charge { want }, plan.cost);
    Err(Box::new(PendingQuery {
        answer,
        answered: None,
        plan,
        backstops,
        limits: handle.clone(),
    }))
}

/// Decides without Redis, where that is possible: by a lease, which comes first because where there are leases most
/// requests have one; a refusal that still holds; or an outage.
fn known(counted: &Counted, policy: &RedisPolicy, plan: Plan) -> Option<Decided> {
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
            let full = spent.full_at.saturating_sub(now);
            return of_rule(
                counted,
                &plan,
                spent.rule,
                Fit::Fits,
                spent.remaining,
                full,
                spent.charged_at,
            );
        }
        if let Some(denied) = policy
            .denied()
            .and_then(|cache| cache.find(&key, now))
            .filter(|_| cost > 0)
        {
            let fit = Fit::Wait(denied.until - now);
            return of_rule(
                counted,
                &plan,
                denied.rule,
                fit,
                0,
                denied.full_at.saturating_sub(now),
                now,
            );
        }
    }
    policy
        .is_down()
        .then(|| without_redis(counted, policy, plan))
}

fn of_rule(
    counted: &Counted,
    plan: &Plan,
    rule: u64,
    fit: Fit,
    remaining: u64,
    reset: u64,
    at: u64,
) -> Option<Decided> {
    let rules = counted.rules_of(plan);
    let rule = rules.own().iter().nth(usize::try_from(rule).ok()?)?;
    let assessment = Assessment {
        fit,
        remaining,
        reset,
        quota: rule.quota(),
        window: rule.window(),
    };
    Some(by_redis(counted.name, &assessment, at))
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
fn without_redis(counted: &Counted, policy: &RedisPolicy, plan: Plan) -> Decided {
    let bare = |outcome| (Decision::bare(outcome, counted.name), PaidTo::Nothing);
    let denied = bare(Outcome::StoreDown);
    match policy.outage() {
        Outage::Deny => denied,
        Outage::Allow => bare(Outcome::Allowed),
        Outage::LocalFallback { grace } if policy.is_failing_for(grace) => denied,
        Outage::LocalFallback { .. } => {
            let rules = counted.rules_of(&plan);
            match charge_one(&rules.charge(&plan), plan.now) {
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
) -> Decided {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) => {
            counted.counters.store_error(&error.reason());
            return without_redis(counted, policy, plan);
        }
    };
    policy.learn(&plan, now, &reply);
    match reply.assessment(counted.rules_of(&plan.decided_at(reply.time)).own()) {
        Some(assessment) => by_redis(counted.name, &assessment, reply.time),
        None => {
            let reason = "the answer speaks of a limit that the policy has not";
            counted.counters.store_error(reason);
            without_redis(counted, policy, plan)
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
    if let Some(decided) = known(counted, policy, plan) {
        return decided;
    }
    let want = policy.want(&plan.key, plan.quota, plan.cost, plan.now);
    let answer = policy
        .ask(&plan.key, plan.quota, Action::Charge { want }, plan.cost)
        .await;
    answered(
        counted,
        policy,
        plan,
        answer,
        limits.store.nanos(time::now()),
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

    /// The decision, by the settings that the query was made with; `None` before there is an answer.
    pub(crate) fn answer(self, now: Instant) -> Option<(Handle<Limits>, Decided, Plan, Backstops)> {
        let Self {
            plan,
            backstops,
            limits,
            answered,
            ..
        } = self;
        let counted = &limits.policies[plan.policy];
        let Engine::Redis(policy) = &counted.engine else {
            return None;
        };
        let now = limits.store.nanos(now);
        let decided = self::answered(counted, policy, plan, answered?, now);
        Some((limits, decided, plan, backstops))
    }
}
