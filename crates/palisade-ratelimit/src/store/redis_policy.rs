//! One policy's view of Redis: what to ask, and what is remembered of the answers.

use std::future::Future;
use std::num::NonZeroU32;
use std::time::Duration;

use super::action::Action;
use super::connection::{Answer, StoreError};
use super::deny_cache::{Denied, DenyCache};
use super::lease::{Lease, Leases};
use super::redis::{Outage, Redis};
use super::reply::Reply;
use super::script::ScriptLimits;
use crate::charge::Plan;
use crate::limit::{Fit, Rule, Rules};
use crate::policy::Policy;
use crate::store::digest::{HashedKey, SlotHasher};

/// A lease is given up so much of its time sooner, because no two clocks run alike: twice what the kernel lets NTP slow one
/// down (adjtimex(2): 500 ppm).
const SLOWER: u64 = 1_000;
/// For how many keys a policy holds leases at a time.
const LEASED_KEYS: usize = 10_000;

/// A policy that is counted in Redis.
pub(crate) struct RedisPolicy {
    redis: Redis,
    prefix: Box<str>,
    /// The end of the names of keys, so that another version of the policy, which keeps other states, has other keys.
    shape: Box<str>,
    script_limits: ScriptLimits,
    rules: Rules,
    outage: Outage,
    denied: Option<DenyCache>,
    leases: Option<Leases>,
    lease: u64,
    /// Time of one token, 0 where there are none.
    interval: u64,
}

impl RedisPolicy {
    pub(crate) fn new(
        redis: &Redis,
        policy: &Policy,
        rules: &Rules,
        slot_hasher: SlotHasher,
    ) -> Self {
        // With two buckets it would not be enough to know how full one is.
        let one_bucket = rules.iter().filter_map(Rule::token_interval).count() <= 1;
        let leases = policy.lease > 1 && one_bucket && rules.iter().all(Rule::can_lease);
        Self {
            redis: redis.clone(),
            prefix: format!("{}:{}:", redis.prefix_text(), policy.name()).into(),
            shape: rules.shape().into(),
            script_limits: ScriptLimits::new(rules),
            rules: *rules,
            outage: policy.outage.unwrap_or_default(),
            // A refund may end a refusal at any moment. Remembered, the refusal would lock out an honest client.
            denied: (redis.remembered() > 0 && policy.refund.is_none())
                .then(|| DenyCache::new(slot_hasher, redis.remembered())),
            leases: leases.then(|| Leases::new(slot_hasher, LEASED_KEYS)),
            lease: if leases { policy.lease.into() } else { 1 },
            interval: rules
                .iter()
                .filter_map(Rule::token_interval)
                .min()
                .unwrap_or(0),
        }
    }

    pub(crate) const fn outage(&self) -> Outage {
        self.outage
    }

    /// Whether Redis is taken to be down; starts a probe where one is due.
    pub(crate) fn is_down(&self) -> bool {
        if self.redis.claim_probe()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(self.probe());
        }
        self.redis.is_down()
    }

    /// Charges a key of its own, in a task of its own: no request should wait for what may not come. What answers any
    /// other command may still refuse to run a script or to write.
    fn probe(&self) -> Answer {
        let key = HashedKey {
            high: u64::MAX,
            low: self.redis.probe_number(),
            slot_hash: 0,
            claimed: false,
        };
        self.ask(
            &key,
            None,
            Action::Charge {
                want: 1,
                each: false,
            },
            1,
        )
    }

    /// Whether Redis has been of no use for so long.
    pub(crate) fn is_failing_for(&self, grace: Duration) -> bool {
        self.redis.failing_for() >= grace
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

    /// The number of units to take, where only `cost` is needed.
    pub(crate) fn want(
        &self,
        key: &HashedKey,
        quota: Option<NonZeroU32>,
        cost: u64,
        now: u64,
    ) -> u64 {
        match &self.leases {
            Some(leases) if quota.is_none() && leases.may_ask(key, now, self.asking()) => {
                self.lease.max(cost)
            }
            _ => cost,
        }
    }

    /// For how long nobody else asks for a lease: twice as long as an answer may take.
    fn asking(&self) -> u64 {
        u64::try_from(2 * self.redis.patience().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Asks Redis. The future owns what it needs.
    pub(crate) fn ask(
        &self,
        key: &HashedKey,
        quota: Option<NonZeroU32>,
        action: Action,
        cost: u64,
    ) -> Answer {
        let time = self.redis.time();
        let own = self.own_rules(quota, time);
        let call = self.with_name(key, |name| match &own {
            Some(rules) => ScriptLimits::new(rules).ask(name, action, cost, time),
            None => self.script_limits.ask(name, action, cost, time),
        });
        self.redis.ask(call)
    }

    /// The rules of one call, where they are not those of all. Windows of the calendar are those around the time of the
    /// caller, and of these the script takes the one of its own.
    fn own_rules(&self, quota: Option<NonZeroU32>, time: u64) -> Option<Rules> {
        let scaled = quota.map(|quota| self.rules.scaled(quota));
        if !self.rules.need_date() {
            return scaled;
        }
        let date = self.redis.date(time);
        Some(scaled.as_ref().unwrap_or(&self.rules).dated(date, 0))
    }

    /// The parts of a key's name. What is in braces decides on which node of a cluster it lies; it is the only key of a
    /// call.
    fn with_name<T>(&self, key: &HashedKey, see: impl FnOnce(&[&[u8]]) -> T) -> T {
        see(&[
            self.prefix.as_bytes(),
            b"{",
            &hex(key.high),
            &hex(key.low),
            b"}",
            self.shape.as_bytes(),
        ])
    }

    /// Remembers what an answer to a charge says about the time to come. The query was made when `plan` says, and
    /// answered by `now`.
    pub(crate) fn learn(&self, plan: &Plan, now: u64, reply: &Reply) {
        match (reply.fit, reply.taken) {
            // What costs least is refused: so is everything that costs as much or more.
            (Fit::Wait(wait), _) if plan.cost <= 1 && plan.quota.is_none() => {
                let denied = Denied {
                    until: now.saturating_add(wait),
                    rule: reply.rule as u64,
                    full_at: now.saturating_add(reply.reset),
                };
                if let Some(cache) = &self.denied {
                    cache.note(&plan.key, now, denied);
                }
            }
            (Fit::Fits, Some(taken)) => {
                if let Some(leases) = &self.leases {
                    // Redis decided after it was asked, and its clock may run faster than this one.
                    let sooner = |time: u64| plan.now.saturating_add(time - time / SLOWER);
                    let lease = Lease {
                        units: taken.units,
                        until: sooner(taken.valid),
                        rule: reply.rule as u64,
                        remaining: reply.remaining,
                        full_at: sooner(reply.reset),
                        charged_at: reply.time,
                        bucket_full_at: sooner(taken.bucket),
                    };
                    leases.keep(&plan.key, lease);
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
    pub(crate) async fn reset(&self, key: &HashedKey) -> Result<(), StoreError> {
        self.forget(key);
        let mut command = redis::cmd("DEL");
        self.with_name(key, |name| command.arg(name.concat()));
        self.redis.send(command).await
    }

    /// Gives back what was charged at that time of Redis, if Redis answers. Nothing depends on it.
    ///
    /// Where tokens are leased, what is spent comes back into the lease of this process, if there is one still. In Redis
    /// it would make room for tokens that lie in leases, here or elsewhere, and both together would be more than a burst.
    pub(crate) fn refund(
        &self,
        key: &HashedKey,
        quota: Option<NonZeroU32>,
        charged_at: u64,
        cost: u64,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        if let Some(denied) = &self.denied {
            denied.forget(key);
        }
        if let Some(leases) = &self.leases
            && self.interval > 0
            && quota.is_none()
        {
            leases.put_back(key, cost);
            return None;
        }
        Some(self.refund_in_redis(key, quota, charged_at, cost))
    }

    fn refund_in_redis(
        &self,
        key: &HashedKey,
        quota: Option<NonZeroU32>,
        charged_at: u64,
        cost: u64,
    ) -> impl Future<Output = ()> + Send + use<> {
        let refunding = self.ask(key, quota, Action::Refund { charged_at }, cost);
        async move {
            if let Err(error) = refunding.await {
                tracing::debug!(target: "palisade_ratelimit",
                    reason = error.reason(),
                    "a charge could not be given back"
                );
            }
        }
    }

    /// Gives back all leases.
    pub(crate) async fn return_leases(&self, now: u64) {
        let Some(leases) = &self.leases else { return };
        for (key, units, charged_at) in leases.drain(now, self.interval) {
            self.refund_in_redis(&key, None, charged_at, units).await;
        }
    }
}

/// 16 digits.
fn hex(number: u64) -> [u8; 16] {
    let nibbles = std::array::from_fn::<_, 16, _>(|at| (number >> (60 - 4 * at)) as u8 & 15);
    nibbles.map(|nibble| b"0123456789abcdef"[usize::from(nibble)])
}
