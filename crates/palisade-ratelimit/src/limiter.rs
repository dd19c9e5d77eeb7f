use std::fmt;

use palisade_core::{Handle, Name, time};

use crate::counted::Engine;
use crate::decision::{Charged, Decision, Outcome};
use crate::error::Error;
use crate::key::Key;
use crate::limits::Limits;
use crate::plan::Plan;
use crate::store::charge_one;

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
/// let decision = limiter.check("failed-logins", account, 1).await;
/// assert!(decision.is_allowed());
/// let password_is_right = true;
/// if password_is_right {
///     limiter.refund(&decision, account, 1).await;
/// }
/// assert_eq!(limiter.peek("failed-logins", account).await.remaining, 5);
/// # Ok::<(), palisade_ratelimit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct RateLimiter(pub(crate) Option<Handle<Limits>>);

impl RateLimiter {
    /// Decides about one use of `cost` units by `key`, and charges it if it may pass.
    ///
    /// A name that no policy has is refused with [`Outcome::UnknownPolicy`]. No backstop is charged.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it answers, it has charged either nothing or the whole cost.
    pub async fn check<'a>(&self, policy: &str, key: impl Into<Key<'a>>, cost: u32) -> Decision {
        let Some((limits, number)) = self.policy(policy) else {
            return unknown();
        };
        let key = key.into();
        let plan = plan(limits, number, &key, cost);
        let counted = &limits.policies[number];
        let decision = match &counted.engine {
            Engine::Local => charge_one(&counted.charge_of(&plan), plan.now)
                .map_or_else(unknown, |charged| {
                    Decision::new(counted.name, &charged.assessment, plan.now)
                }),
            #[cfg(feature = "governor")]
            Engine::Governor(engine) => engine
                .check(counted.name, &key, plan.cost)
                .unwrap_or(Decision::bare(Outcome::NoKey, counted.name)),
            #[cfg(feature = "redis")]
            Engine::Redis(policy) => crate::ask::check(limits, counted, policy, plan).await,
        };
        match decision.is_allowed() {
            true => counted
                .counters
                .allowed(&plan, decision.remaining, decision.limit),
            false => counted.counters.refused(),
        }
        decision
    }

    /// Says what `key` has left, without a charge: allowed where at least one unit is left.
    pub async fn peek<'a>(&self, policy: &str, key: impl Into<Key<'a>>) -> Decision {
        let Some((limits, number)) = self.policy(policy) else {
            return unknown();
        };
        let plan = plan(limits, number, &key.into(), 1);
        let counted = &limits.policies[number];
        #[cfg(feature = "redis")]
        if let Engine::Redis(policy) = &counted.engine {
            return crate::ask::peek(counted, policy, plan).await;
        }
        let assess = |cost| {
            counted
                .table
                .peek(&counted.rules, &plan.key, plan.now, cost)
        };
        match (assess(0), assess(1)) {
            (Some(state), Some(next)) if next.fits() => {
                Decision::new(counted.name, &state, plan.now)
            }
            (_, Some(refused)) => Decision::new(counted.name, &refused, plan.now),
            _ => unknown(),
        }
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
        let key = key.into().hashed(&limits.hasher);
        counted.table.reset(&key);
        #[cfg(feature = "redis")]
        if let Engine::Redis(redis) = &counted.engine {
            let failed = |silence: crate::store::Silence| Error::Store(silence.reason().into());
            return redis.reset(&key).await.map_err(failed);
        }
        Ok(())
    }

    /// Gives back what an allowed `decision` charged to `key`.
    pub async fn refund<'a>(&self, decision: &Decision, key: impl Into<Key<'a>>, cost: u32) {
        let policy = self
            .policy(decision.policy.as_str())
            .filter(|_| decision.is_allowed());
        let Some((limits, number)) = policy else {
            return;
        };
        let key = key.into().hashed(&limits.hasher);
        let counted = &limits.policies[number];
        match decision.charged {
            Charged::Nothing => {}
            Charged::Table => {
                let table = &counted.table;
                table.refund(&counted.rules, &key, decision.at, cost.into());
            }
            #[cfg(feature = "redis")]
            Charged::Redis => {
                if let Engine::Redis(redis) = &counted.engine {
                    redis.refund(&key, None, decision.at, cost.into()).await;
                }
            }
        }
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
