//! One policy's view of Redis: what to ask, and what is remembered of the answers.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::deny_cache::{Denied, DenyCache};
use super::lease::{Lease, Leases};
use super::redis::{Outage, Redis, Silence};
use super::script::{Action, Call, Reply};
use crate::digest::{HashedKey, Spots};
use crate::limit::{Fit, Rule, Rules, Wire};
use crate::policy::Policy;

/// For how many keys a policy holds leases at a time.
const LEASED_KEYS: usize = 10_000;

/// A policy that is counted in Redis.
pub(crate) struct RedisPolicy {
    redis: Redis,
    prefix: Box<str>,
    limits: Arc<[Wire]>,
    rules: Rules,
    outage: Outage,
    denied: Option<DenyCache>,
    leases: Option<Leases>,
    lease: u64,
    /// Time of one token, 0 where there are none.
    interval: u64,
}

impl RedisPolicy {
    pub(crate) fn new(redis: &Redis, policy: &Policy, rules: &Rules, spots: Spots) -> Self {
        // With two buckets it would not be enough to know how full one is.
        let one_bucket = rules.iter().filter_map(Rule::interval).count() <= 1;
        let leases = policy.lease > 1 && one_bucket && rules.iter().all(Rule::can_lease);
        Self {
            redis: redis.clone(),
            prefix: format!("{}:{}:", redis.prefix_text(), policy.name()).into(),
            limits: rules.iter().map(Rule::wire).collect(),
            rules: *rules,
            outage: policy.outage.unwrap_or_default(),
            denied: (redis.remembered() > 0).then(|| DenyCache::new(spots, redis.remembered())),
            leases: leases.then(|| Leases::new(spots, LEASED_KEYS)),
            lease: if leases { policy.lease.into() } else { 1 },
            interval: rules.iter().filter_map(Rule::interval).min().unwrap_or(0),
        }
    }

    pub(crate) const fn outage(&self) -> Outage {
        self.outage
    }

    pub(crate) const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether Redis is taken to be down; sees to it that somebody looks whether it is back.
    pub(crate) fn is_down(&self) -> bool {
        let down = self.redis.is_down();
        if down {
            self.redis.probe();
        }
        down
    }

    /// Whether Redis has been silent for longer than this.
    pub(crate) fn silent_longer_than(&self, grace: Duration) -> bool {
        self.redis.silent_for() > grace
    }

    pub(crate) const fn denied(&self) -> Option<&DenyCache> {
        self.denied.as_ref()
    }

    pub(crate) const fn leases(&self) -> Option<&Leases> {
        self.leases.as_ref()
    }

    pub(crate) const fn interval(&self) -> u64 {
        self.interval
    }

    /// How much to take, where only `cost` is needed.
    pub(crate) fn want(
        &self,
        key: &HashedKey,
        quota: Option<NonZeroU32>,
        cost: u64,
        now: u64,
    ) -> u64 {
        match &self.leases {
            Some(leases)
                if quota.is_none()
                    && leases.may_ask(key, now, 2 * self.redis.patience().as_nanos() as u64) =>
            {
                self.lease.max(cost)
            }
            _ => cost,
        }
    }

    /// Asks Redis. The future owns what it needs.
    pub(crate) fn ask(
        &self,
        key: &HashedKey,
        quota: Option<NonZeroU32>,
        action: Action,
        cost: u64,
    ) -> impl Future<Output = Result<Reply, Silence>> + Send + 'static {
        let limits = match quota {
            Some(quota) => self.rules.scaled(quota).iter().map(Rule::wire).collect(),
            None => Arc::clone(&self.limits),
        };
        let time = self.redis.time();
        // The key's own bits, which nobody can foresee, are random enough to spread keys out.
        let call = Call {
            time,
            action,
            cost,
            jitter: 1_000 + key.spot % 1_000,
        };
        let (redis, key) = (self.redis.clone(), self.key(key));
        async move { redis.ask(key, limits, call).await }
    }

    /// The name of a key. What is in braces decides on which node of a cluster it lies; it is the only key of a call.
    fn key(&self, key: &HashedKey) -> Vec<u8> {
        format!("{}{{{:016x}{:016x}}}", self.prefix, key.high, key.low).into_bytes()
    }

    /// Remembers what an answer to a charge says about the time to come.
    pub(crate) fn learn(
        &self,
        key: &HashedKey,
        quota: Option<NonZeroU32>,
        cost: u64,
        now: u64,
        reply: &Reply,
    ) {
        let later = |micros: u64| now.saturating_add(micros.saturating_mul(1_000));
        match reply.fit {
            // What costs least is refused: so is everything that costs as much or more.
            Fit::Wait(wait) if cost <= 1 && quota.is_none() => {
                let until = now.saturating_add(wait);
                let denied = Denied {
                    until,
                    rule: reply.rule as u64,
                    full_at: later(reply.reset),
                };
                if let Some(cache) = &self.denied {
                    cache.note(key, now, denied);
                }
            }
            Fit::Fits if reply.charged > cost => {
                if let Some(leases) = &self.leases {
                    let lease = Lease {
                        units: reply.charged - cost,
                        until: later(reply.valid),
                        rule: reply.rule as u64,
                        remaining: reply.remaining,
                        full_at: later(reply.reset),
                        charged_at: reply.time,
                        bucket_full_at: later(reply.bucket),
                    };
                    leases.keep(key, lease);
                }
            }
            _ => {}
        }
    }

    /// Forgets what is known here of a key.
    fn forget(&self, key: &HashedKey) {
        if let Some(denied) = &self.denied {
            denied.forget(key);
        }
        if let Some(leases) = &self.leases {
            leases.forget(key);
        }
    }

    /// Forgets a key, here and in Redis.
    pub(crate) async fn reset(&self, key: &HashedKey) -> Result<(), Silence> {
        self.forget(key);
        let mut command = redis::cmd("DEL");
        command.arg(self.key(key));
        self.redis.send(command).await.map(drop)
    }

    /// Gives back what was charged at that time of Redis, if Redis answers. Nothing depends on it.
    pub(crate) fn refund(
        &self,
        key: &HashedKey,
        quota: Option<NonZeroU32>,
        charged_at: u64,
        cost: u64,
    ) -> impl Future<Output = ()> + Send + 'static {
        if let Some(denied) = &self.denied {
            denied.forget(key);
        }
        let refunding = self.ask(key, quota, Action::Refund { charged_at }, cost);
        async move {
            if let Err(silence) = refunding.await {
                tracing::debug!(target: "palisade_ratelimit",
                    reason = silence.reason(),
                    "a charge could not be given back"
                );
            }
        }
    }

    /// Gives back all leases.
    pub(crate) async fn return_leases(&self, now: u64) {
        let Some(leases) = &self.leases else { return };
        for (key, units, charged_at) in leases.drain(now, self.interval) {
            self.refund(&key, None, charged_at, units).await;
        }
    }
}
