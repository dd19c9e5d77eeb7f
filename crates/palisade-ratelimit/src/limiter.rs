use std::fmt;
#[cfg(feature = "wait")]
use std::time::Duration;

use palisade_core::{Handle, Name, time};

use crate::charge::{Paid, PaidTo, Plan};
use crate::decision::{Decision, Outcome};
use crate::error::Error;
use crate::limits::Limits;
use crate::policy::counted::Engine;
use crate::policy::key::Key;
#[cfg(feature = "wait")]
use crate::policy::queue::Queue;
use crate::receipt::Receipt;

/// The policies of a layer without HTTP: for messages of a WebSocket, sign-ins by account, and jobs.
///
/// Shares its counts with the layer that it came from; see [`RateLimitLayer::limiter`](crate::RateLimitLayer::limiter).
///
/// # Example
///
/// ```
/// use palisade_ratelimit::{Key, Limit, MINUTE, Policy, RateLimitLayer};
///
/// # tokio_test::block_on(async {
/// let limiter = RateLimitLayer::builder()
///     .policy(Policy::new("failed-logins").limit(Limit::exact(5, MINUTE)))
///     .build()?
///     .limiter();
///
/// // Charged first and given back on success, so that parallel guesses cannot slip through.
/// let account = Key::text("alice");
/// let charge = limiter.charge("failed-logins", account, 1).await;
/// let receipt = charge.expect("nobody has failed yet");
/// let password_is_right = true;
/// if password_is_right {
///     receipt.refund().await;
/// }
/// assert_eq!(limiter.peek("failed-logins", account).await.remaining, 5);
/// # Ok::<(), palisade_ratelimit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct RateLimiter(pub(crate) Option<Handle<Limits>>);

impl RateLimiter {
    /// Decides about one use of `cost` units by `key`, and charges it if it may pass. Where the charge may have to be given
    /// back, use [`charge`](Self::charge).
    ///
    /// A name that no policy has is refused with [`Outcome::UnknownPolicy`]. No backstop is charged.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it answers, it has charged either nothing or the whole cost.
    pub async fn check<'a>(&self, policy: &str, key: impl Into<Key<'a>>, cost: u32) -> Decision {
        self.decide(policy, key.into(), cost).await.0
    }

    /// Decides in the same way, and answers with a receipt by which the charge can be given back.
    ///
    /// # Errors
    ///
    /// The decision, where it is not to pass; nothing was charged then.
    ///
    /// # Cancel safety
    ///
    /// As [`check`](Self::check): a charge whose receipt was not waited for stands.
    pub async fn charge<'a>(
        &self,
        policy: &str,
        key: impl Into<Key<'a>>,
        cost: u32,
    ) -> Result<Receipt, Decision> {
        let (decision, charged) = self.decide(policy, key.into(), cost).await;
        match (charged, &self.0) {
            (Some(paid), Some(limits)) if decision.is_allowed() => {
                Ok(Receipt::new(limits.clone(), decision, paid))
            }
            _ => Err(decision),
        }
    }

    async fn decide(&self, policy: &str, key: Key<'_>, cost: u32) -> (Decision, Option<Paid>) {
        let Some((limits, number)) = self.policy(policy) else {
            return (unknown(), None);
        };
        let key = key.grouped_by(&limits.client_ip);
        let plan = plan(limits, number, &key, cost);
        let counted = &limits.policies[number];
        if counted.off {
            let to = PaidTo::Nothing;
            return (counted.passed(), Some(Paid { plan, to }));
        }
        if let Some(blocked) = counted.blocked(&plan) {
            counted.counters.refused();
            return (blocked, None);
        }
        #[cfg_attr(not(feature = "wait"), expect(unused_mut, reason = "nothing waits"))]
        let (mut decision, to) = match &counted.engine {
            Engine::Local => match counted.charge_local(&plan) {
                Some(charged) => (
                    Decision::new(counted.name, &charged.assessment),
                    PaidTo::Table { at: charged.at },
                ),
                None => (unknown(), PaidTo::Nothing),
            },
            #[cfg(feature = "governor")]
            Engine::Governor(engine) => {
                let checked = engine.check(counted.name, &key, plan.cost);
                let without = Decision::bare(Outcome::NoKey, counted.name);
                (checked.unwrap_or(without), PaidTo::Nothing)
            }
            #[cfg(feature = "redis")]
            Engine::Redis(policy) => crate::query::check(limits, counted, policy, plan).await,
        };
        #[cfg(feature = "wait")]
        if decision.is_allowed() {
            let reset = u64::try_from(decision.reset_after.as_nanos()).unwrap_or(u64::MAX);
            decision.delay = Duration::from_nanos(counted.delay(&plan, reset));
        }
        match decision.is_allowed() {
            true => counted
                .counters
                .allowed(&plan, decision.remaining, decision.limit),
            false => {
                counted.counters.refused();
                counted.note_refusal(&decision, &plan);
            }
        }
        (decision, Some(Paid { plan, to }))
    }

    /// Decides in the same way, and answers when it may go on: for policies that let requests
    /// [wait](crate::Policy::wait). A use that is refused is answered at once.
    ///
    /// Needs a Tokio runtime with a timer.
    ///
    /// # Cancel safety
    ///
    /// As [`check`](Self::check): a use that is dropped while it waits stays charged, and those behind it wait as long as
    /// before.
    #[cfg(feature = "wait")]
    pub async fn until_ready<'a>(
        &self,
        policy: &str,
        key: impl Into<Key<'a>>,
        cost: u32,
    ) -> Decision {
        let receipt = match self.charge(policy, key, cost).await {
            Ok(receipt) => receipt,
            Err(refused) => return refused,
        };
        let decision = *receipt.decision();
        if decision.delay == Duration::ZERO {
            return decision;
        }
        let until = time::now() + decision.delay;
        let Some((limits, number)) = self.policy(policy) else {
            return decision;
        };
        let counted = &limits.policies[number];
        let Some(_place) = counted.queue.as_ref().and_then(Queue::enter) else {
            receipt.refund().await;
            let delay = u64::try_from(decision.delay.as_nanos()).unwrap_or(u64::MAX);
            return counted.refused_for(Outcome::Limited, delay);
        };
        tokio::time::sleep_until(until).await;
        decision
    }

    /// Says what `key` has left, without a charge: allowed where at least one unit is left. While Redis is down it answers
    /// as [`check`](Self::check) would: by the count of this process where the policy falls back to it.
    pub async fn peek<'a>(&self, policy: &str, key: impl Into<Key<'a>>) -> Decision {
        let Some((limits, number)) = self.policy(policy) else {
            return unknown();
        };
        let key = key.into().grouped_by(&limits.client_ip);
        let plan = plan(limits, number, &key, 1);
        let counted = &limits.policies[number];
        if counted.off {
            return counted.passed();
        }
        if let Some(blocked) = counted.blocked(&plan) {
            return blocked;
        }
        #[cfg(feature = "redis")]
        if let Engine::Redis(policy) = &counted.engine {
            let peeked = crate::query::peek(counted, policy, plan).await;
            return peeked.unwrap_or_else(unknown);
        }
        counted.peek(&plan).unwrap_or_else(unknown)
    }

    /// Forgets what `key` was charged by this policy, as if it had never come.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPolicy`] where no policy has this name.
    pub async fn reset<'a>(&self, policy: &str, key: impl Into<Key<'a>>) -> Result<(), Error> {
        let unknown = || Error::UnknownPolicy(policy.into());
        let (limits, number) = self.policy(policy).ok_or_else(unknown)?;
        let counted = &limits.policies[number];
        let key = key.into().grouped_by(&limits.client_ip);
        let key = key.hashed(&limits.hasher);
        counted.table.reset(&key);
        if let Some(block) = &counted.block {
            block.forget(&key);
        }
        #[cfg(feature = "redis")]
        if let Engine::Redis(redis) = &counted.engine {
            let failed = |error: crate::store::StoreError| Error::Store(error.reason().into());
            return redis.reset(&key).await.map_err(failed);
        }
        Ok(())
    }

    /// Tells the gauges how many keys each policy has in use. Reads every table: call it when metrics are collected.
    #[cfg(feature = "metrics")]
    pub fn record_gauges(&self) {
        let Some(limits) = self.0.as_deref() else {
            return;
        };
        let now = limits.store.nanos(time::now());
        for counted in limits.counts() {
            counted.counters.live_keys(counted.table.keys().live(now));
        }
    }

    /// Gives back the units that this instance holds as [leases](crate::Policy::lease). Call it before the process ends.
    ///
    /// # Cancel safety
    ///
    /// Leases that were not given back by then are lost until the limits refill.
    #[cfg(feature = "redis")]
    pub async fn return_leases(&self) {
        let Some(limits) = self.0.as_deref() else {
            return;
        };
        for counted in &limits.policies {
            if let Engine::Redis(policy) = &counted.engine {
                policy.return_leases(limits.store.nanos(time::now())).await;
            }
        }
    }

    fn policy(&self, name: &str) -> Option<(&Limits, usize)> {
        let limits = self.0.as_deref()?;
        let number = limits
            .policies
            .iter()
            .position(|policy| policy.name.as_str() == name)?;
        Some((limits, number))
    }
}

fn plan(limits: &Limits, policy: usize, key: &Key<'_>, cost: u32) -> Plan {
    let now = limits.store.nanos(time::now());
    Plan {
        policy,
        key: key.hashed(&limits.hasher),
        quota: None,
        cost: cost.into(),
        now,
        date: limits.date(policy, now),
    }
}

#[cold]
fn unknown() -> Decision {
    tracing::error!(target: "palisade_ratelimit", "no rate limit policy has this name; refused");
    Decision::bare(Outcome::UnknownPolicy, Name::from_static("unknown"))
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimiter").field(&self.0).finish()
    }
}
