//! An existing governor limiter as the engine of a policy, and governor's quotas as our limits.

pub(crate) mod check;

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::{RateLimitingMiddleware, StateSnapshot};
use governor::state::keyed::KeyedStateStore;
use governor::{NotUntil, Quota, RateLimiter};
use palisade_core::Name;

use self::check::Check;
use crate::decision::{Decision, Outcome};
use crate::limit::{DAY, HOUR, Limit, MINUTE, Rate, SECOND, burst};
use crate::policy::Policy;
use crate::policy::key::Key;

impl From<Quota> for Limit {
    /// The token bucket with the same rate and burst, in the largest unit that names the rate in whole numbers.
    fn from(quota: Quota) -> Self {
        let interval = quota.replenish_interval();
        Self::token_bucket(rate_of(interval), burst(quota.burst_size().get()))
    }
}

fn rate_of(interval: Duration) -> Rate {
    let nanos = interval.as_nanos().max(1);
    let unit = [SECOND, MINUTE, HOUR, DAY]
        .into_iter()
        .find(|unit| unit.as_nanos().is_multiple_of(nanos));
    let count = |period: Duration| u32::try_from(period.as_nanos() / nanos).unwrap_or(u32::MAX);
    match unit {
        Some(unit) => Rate::new(count(unit), unit),
        // Not a whole number in any unit: as many as fill a millisecond, the shortest period that a rate may have.
        None => {
            let whole = u32::try_from(1_000_000_u128.div_ceil(nanos)).unwrap_or(u32::MAX);
            Rate::new(whole, interval.saturating_mul(whole))
        }
    }
}

/// A request that passed, as a middleware of governor describes it.
pub trait Remaining {
    /// The number of requests that would still pass now, if the middleware knows.
    fn remaining(&self) -> Option<u32>;
}

impl Remaining for () {
    fn remaining(&self) -> Option<u32> {
        None
    }
}

impl Remaining for StateSnapshot {
    fn remaining(&self) -> Option<u32> {
        Some(self.remaining_burst_capacity())
    }
}

impl Policy {
    /// A policy that an existing limiter of the `governor` crate decides, with our keys, headers and refusals around it.
    ///
    /// `quota` is the one that the limiter was made with, and `key` turns our key into the limiter's; `None` counts as
    /// a request without a key. Header fields say what is left only if the limiter has governor's
    /// `StateInformationMiddleware`. A charge cannot be given back, and no other limit can be in the same policy.
    ///
    /// # Example
    ///
    /// ```
    /// use std::{net::IpAddr, num::NonZeroU32, sync::Arc};
    /// use governor::{Quota, RateLimiter};
    /// use palisade_ratelimit::{Policy, RateLimitLayer};
    ///
    /// let quota = Quota::per_second(NonZeroU32::new(10).unwrap());
    /// let existing = Arc::new(RateLimiter::<IpAddr, _, _>::keyed(quota));
    /// let layer = RateLimitLayer::builder()
    ///     .policy(Policy::governor("api", existing, quota, |key| key.as_ip()))
    ///     .build()?;
    /// # let _ = layer;
    /// # Ok::<(), palisade_ratelimit::Error>(())
    /// ```
    pub fn governor<K, S, C, M>(
        name: impl Into<Name>,
        limiter: Arc<RateLimiter<K, S, C, M>>,
        quota: Quota,
        key: impl Fn(&Key<'_>) -> Option<K> + Send + Sync + 'static,
    ) -> Self
    where
        K: Clone + Hash + Eq + Send + Sync + 'static,
        S: KeyedStateStore<K> + Send + Sync + 'static,
        C: Clock + Send + Sync + 'static,
        C::Instant: Send + Sync,
        M: RateLimitingMiddleware<C::Instant, NegativeOutcome = NotUntil<C::Instant>>
            + Send
            + Sync
            + 'static,
        M::PositiveOutcome: Remaining,
    {
        let mut policy = Self::new(name).limit(quota.into());
        policy.governor = Some(Arc::new(Adapter {
            limiter,
            quota,
            key,
        }));
        policy
    }
}

struct Adapter<L, F> {
    limiter: Arc<L>,
    quota: Quota,
    key: F,
}

impl<K, S, C, M, F> Check for Adapter<RateLimiter<K, S, C, M>, F>
where
    K: Clone + Hash + Eq + Send + Sync + 'static,
    S: KeyedStateStore<K> + Send + Sync + 'static,
    C: Clock + Send + Sync + 'static,
    C::Instant: Send + Sync,
    M: RateLimitingMiddleware<C::Instant, NegativeOutcome = NotUntil<C::Instant>>
        + Send
        + Sync
        + 'static,
    M::PositiveOutcome: Remaining,
    F: Fn(&Key<'_>) -> Option<K> + Send + Sync,
{
    fn check(&self, policy: Name, key: &Key<'_>, cost: u64) -> Option<Decision> {
        let key = (self.key)(key)?;
        let rate = rate_of(self.quota.replenish_interval());
        let mut decision = Decision::bare(Outcome::Allowed, policy);
        decision.limit = rate.count().into();
        decision.window = rate.period();
        let Some(cost) = u32::try_from(cost).ok().map(NonZeroU32::new) else {
            decision.outcome = Outcome::CostOverCapacity;
            return Some(decision);
        };
        let Some(cost) = cost else {
            return Some(decision);
        };
        match self.limiter.check_key_n(&key, cost) {
            Ok(Ok(passed)) => {
                decision.remaining = passed.remaining().map_or(0, Into::into);
                let used = self
                    .quota
                    .burst_size()
                    .get()
                    .saturating_sub(passed.remaining().unwrap_or(0));
                decision.reset_after = self.quota.replenish_interval().saturating_mul(used);
                if passed.remaining().is_none() {
                    // Nothing is known, and so nothing is said.
                    decision.limit = 0;
                }
            }
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(self.limiter.clock().now());
                decision.outcome = Outcome::Limited;
                decision.retry_after = Some(wait);
                decision.reset_after = wait;
            }
            Err(_) => decision.outcome = Outcome::CostOverCapacity,
        }
        Some(decision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(quota: Quota) -> Limit {
        quota.into()
    }

    #[test]
    fn a_quota_becomes_the_bucket_of_the_same_numbers() {
        let n = |number| NonZeroU32::new(number).unwrap();
        let bucket = |rate, size| Limit::token_bucket(rate, burst(size));
        assert_eq!(
            limit(Quota::per_second(n(10)).allow_burst(n(20))),
            bucket(Rate::new(10, SECOND), 20)
        );
        assert_eq!(
            limit(Quota::per_minute(n(7).saturating_add(0))),
            bucket(Rate::new(1, MINUTE / 7), 7)
        );
        assert_eq!(limit(Quota::per_hour(n(2))), bucket(Rate::new(2, HOUR), 2));
        let daily = Quota::with_period(Duration::from_secs(43_200)).unwrap();
        assert_eq!(limit(daily), bucket(Rate::new(2, DAY), 1));
    }
}
