use std::fmt;

use palisade_core::{Handle, Name, time};

use crate::counted::Counted;
use crate::decision::{Decision, Outcome};
use crate::error::Error;
use crate::key::Key;
use crate::limits::Limits;
use crate::store::{Charge, charge};

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
        let Some((limits, counted)) = self.policy(policy) else {
            return unknown();
        };
        let now = limits.store.nanos(time::now());
        let charged = Charge {
            table: &counted.table,
            rules: &counted.rules,
            key: key.into().hashed(&limits.hasher),
            cost: cost.into(),
        };
        match charge(&[charged], now) {
            Some((_, charged)) => Decision::new(counted.name, &charged.assessment, now),
            None => unknown(),
        }
    }

    /// Says what `key` has left, without a charge: allowed where at least one unit is left.
    pub async fn peek<'a>(&self, policy: &str, key: impl Into<Key<'a>>) -> Decision {
        let Some((limits, counted)) = self.policy(policy) else {
            return unknown();
        };
        let now = limits.store.nanos(time::now());
        let key = key.into().hashed(&limits.hasher);
        let assess = |cost| counted.table.peek(&counted.rules, &key, now, cost);
        match (assess(0), assess(1)) {
            (Some(state), Some(next)) if next.fits() => Decision::new(counted.name, &state, now),
            (_, Some(refused)) => Decision::new(counted.name, &refused, now),
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
        let (limits, counted) = self.policy(policy).ok_or_else(unknown)?;
        counted.table.reset(&key.into().hashed(&limits.hasher));
        Ok(())
    }

    /// Gives back what an allowed `decision` charged to `key`.
    pub async fn refund<'a>(&self, decision: &Decision, key: impl Into<Key<'a>>, cost: u32) {
        if let Some((limits, counted)) = self
            .policy(decision.policy.as_str())
            .filter(|_| decision.is_allowed())
        {
            let key = key.into().hashed(&limits.hasher);
            counted
                .table
                .refund(&counted.rules, &key, decision.at, cost.into());
        }
    }

    fn policy(&self, name: &str) -> Option<(&Limits, &Counted)> {
        let limits = self.0.as_deref()?;
        let counted = limits
            .policies
            .iter()
            .find(|policy| policy.name.as_str() == name)?;
        Some((limits, counted))
    }
}

#[cold]
fn unknown() -> Decision {
    tracing::error!("no rate limit policy has this name; refused");
    Decision::bare(Outcome::UnknownPolicy, Name::from_static("unknown"))
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimiter").field(&self.0).finish()
    }
}
