//! Policies: their limits, their keys, which requests they are for, and their counts.

pub(crate) mod assembly;
pub(crate) mod block;
pub(crate) mod counted;
pub(crate) mod counters;
pub(crate) mod key;
mod presets;
#[cfg(feature = "wait")]
pub(crate) mod queue;
pub(crate) mod route;
pub(crate) mod select;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use palisade_core::{Name, Problems};

use crate::limit::{Limit, MAX_RULES, Rules};
use crate::policy::key::KeyChain;

/// A named set of limits that count together: a request passes all of them, or is charged to none.
///
/// # Example
///
/// ```
/// use palisade_ratelimit::{DAY, Limit, Policy, burst, per_second};
///
/// let user = Policy::new("user")
///     .limit(Limit::token_bucket(per_second(10), burst(20)))
///     .limit(Limit::sliding(5_000, DAY));
/// # let _ = user;
/// ```
#[derive(Clone)]
pub struct Policy {
    name: Name,
    limits: Vec<Limit>,
    pub(crate) key: Option<KeyChain>,
    pub(crate) mode: Mode,
    /// The limit of refusals, and the block that follows.
    block: Option<[Limit; 2]>,
    room: Option<NonZeroU32>,
    pub(crate) refund: Option<Arc<Refund>>,
    #[cfg(feature = "governor")]
    pub(crate) governor: Option<Arc<dyn crate::store::governor::check::Check>>,
    #[cfg(feature = "wait")]
    pub(crate) wait: Option<(Duration, usize)>,
    #[cfg(feature = "redis")]
    pub(crate) outage: Option<crate::Outage>,
    #[cfg(feature = "redis")]
    pub(crate) lease: u32,
}

/// Whether a policy refuses, watches or stands aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "lowercase")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LimitMode"))]
#[non_exhaustive]
pub enum Mode {
    /// It counts and refuses.
    #[default]
    On,
    /// It counts, records and marks, and refuses nothing.
    Shadow,
    /// It neither counts nor refuses.
    Off,
}

/// Whether a response with this status gives its charge back.
pub(crate) type Refund = dyn Fn(StatusCode) -> bool + Send + Sync;

impl Policy {
    /// A policy without limits: add at least one, and at most 8.
    ///
    /// The name is 1 to 64 characters of `[A-Za-z0-9_.:-]`. It stands in headers, records and metrics.
    #[must_use]
    pub fn new(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            limits: Vec::new(),
            key: None,
            mode: Mode::On,
            block: None,
            room: None,
            refund: None,
            #[cfg(feature = "governor")]
            governor: None,
            #[cfg(feature = "wait")]
            wait: None,
            #[cfg(feature = "redis")]
            outage: None,
            #[cfg(feature = "redis")]
            lease: 1,
        }
    }

    /// Adds a limit.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    /// Finds the keys of this policy by a chain of its own instead of the layer's.
    #[must_use]
    pub fn key(mut self, chain: KeyChain) -> Self {
        self.key = Some(chain);
        self
    }

    /// Makes room for [quotas of a request's own](crate::Selection::quota) up to `quota`; default what the limits can hold
    /// as they are, which for token buckets and fixed windows is any.
    ///
    /// A [sliding window](Limit::sliding) that holds more than 65,535 needs 88 bytes a key instead of 56, and an
    /// [exact log](Limit::exact) 8 for each request, of which it never holds more than 64. A larger quota than there is
    /// room for is brought down to that, and an error in the log says so once.
    #[must_use]
    pub const fn quotas_up_to(mut self, quota: u32) -> Self {
        self.room = NonZeroU32::new(quota);
        self
    }

    /// Counts, records and marks, but refuses nothing; for trying a limit out.
    ///
    /// A request that would have been refused passes with a [`Decision`](crate::Decision) in its extensions, and is
    /// charged nothing.
    #[must_use]
    pub const fn shadow(mut self) -> Self {
        self.mode = Mode::Shadow;
        self
    }

    /// Neither counts nor refuses; for switching a limit off. Counts are kept, and go on once the policy is on again.
    #[must_use]
    pub const fn off(mut self) -> Self {
        self.mode = Mode::Off;
        self
    }

    /// Refuses everything from a key for a while that was refused `refusals` times `within` this time, counted from its
    /// first refusal; default never.
    ///
    /// The policy's limits let a client on as soon as there is room. One that goes on regardless is shut out for `time`, and
    /// told so by `Retry-After`: further requests do not make it longer. Blocks are kept in this process's
    /// [`Memory`](crate::Memory), also where the policy counts in Redis. What the backstop refuses does not count.
    /// [`reset`](crate::RateLimiter::reset) ends a block.
    ///
    /// `refusals` is at least 1, and each time 1 ms to 366 days.
    ///
    /// # Security
    ///
    /// Whoever can send under somebody else's key can have it shut out. Block by addresses and principals, not by what
    /// clients claim.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_ratelimit::{HOUR, MINUTE, Policy};
    ///
    /// let login = Policy::login().block_after(20, 10 * MINUTE, HOUR);
    /// # let _ = login;
    /// ```
    #[must_use]
    pub const fn block_after(mut self, refusals: u32, within: Duration, time: Duration) -> Self {
        self.block = Some([Limit::fixed(refusals, within), Limit::fixed(1, time)]);
        self
    }

    /// Gives the charge back when the response has such a status, say 304, or for a login anything that is not a
    /// failure.
    ///
    /// A request whose response nobody waits for keeps its charge.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_ratelimit::Policy;
    ///
    /// let failures_only = Policy::login().refund_when(|status| status.is_success());
    /// # let _ = failures_only;
    /// ```
    #[must_use]
    pub fn refund_when(
        mut self,
        refund: impl Fn(StatusCode) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.refund = Some(Arc::new(refund));
        self
    }

    /// Lets requests that are over the limit wait for their turn, `longest` at most, instead of refusing them.
    ///
    /// For policies of a single [token bucket](Limit::token_bucket). Each key's requests go on in the order in which
    /// they were decided, at the bucket's rate, as with nginx's `limit_req` without `nodelay`. A key can have as many
    /// waiting as the bucket refills in `longest`; a process has at most `requests`, so that a flood of keys fills no
    /// memory. Others are refused as ever, and may come again when there is a place. The places to wait in count as
    /// [remaining](crate::Decision::remaining).
    ///
    /// The layer waits in a timer of Tokio's, and needs a runtime that has one; a request that is dropped meanwhile keeps
    /// its charge. [`RateLimiter`](crate::RateLimiter) answers with a [`delay`](crate::Decision::delay), and
    /// [`until_ready`](crate::RateLimiter::until_ready) waits for it. Not for policies with [leases](Self::lease), nor for a
    /// governor limiter. In shadow mode nothing waits.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use palisade_ratelimit::{Limit, Policy, burst, per_second};
    ///
    /// // One at once, then one in 100 ms for up to 20 more.
    /// let even = Policy::new("even")
    ///     .limit(Limit::token_bucket(per_second(10), burst(1)))
    ///     .wait(Duration::from_secs(2), 1_000);
    /// # let _ = even;
    /// ```
    #[cfg(feature = "wait")]
    #[must_use]
    pub const fn wait(mut self, longest: Duration, requests: usize) -> Self {
        self.wait = Some((longest, requests));
        self
    }

    /// Sets what happens while Redis does not answer; default [`Outage::Deny`](crate::Outage::Deny) for
    /// [`login`](Self::login) and [`strict`](Self::strict), and for others counting in this process for an hour.
    #[cfg(feature = "redis")]
    #[must_use]
    pub const fn on_outage(mut self, outage: crate::Outage) -> Self {
        self.outage = Some(outage);
        self
    }

    /// Takes so many units at once from Redis, and spends them here without asking; default 1, which asks every time.
    ///
    /// Never admits more than the limits say: what was taken and is not used runs out as the limits refill. What an
    /// instance holds is not there for others meanwhile, so that at most instances times `units` stay unused. Not for
    /// policies with an [exact log](Limit::exact) or with two token buckets, which ask every time.
    #[cfg(feature = "redis")]
    #[must_use]
    pub const fn lease(mut self, units: u32) -> Self {
        self.lease = if units == 0 { 1 } else { units };
        self
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> Name {
        self.name
    }

    /// The rules by which it counts refusals and blocks, if it does.
    pub(crate) fn compile_block(&self) -> Result<Option<[Rules; 2]>, Problems> {
        let Some(limits) = self.block else {
            return Ok(None);
        };
        let mut problems = Problems::none();
        let [refusals, blocked] = limits.map(|limit| {
            let rule = limit
                .compile()
                .map_err(|part| problems.append("block_after.", part));
            Rules::new(&[rule.ok()?])
        });
        problems.into_result(refusals.zip(blocked).map(|(first, second)| [first, second]))
    }

    /// The rules that decide this policy.
    pub(crate) fn compile(&self) -> Result<Rules, Problems> {
        let mut problems = Problems::none();
        if !is_policy_name(self.name.as_str()) {
            problems.push(
                "name",
                "must be 1 to 64 characters of A-Z, a-z, 0-9, '_', '.', ':' and '-'",
            );
        }
        if self.limits.is_empty() {
            problems.push("limits", "there is none, there must be at least one");
        } else if self.limits.len() > MAX_RULES {
            problems.push(
                "limits",
                format!(
                    "there are {}, there must be at most {MAX_RULES}",
                    self.limits.len()
                ),
            );
        }
        let mut rules = Vec::with_capacity(self.limits.len());
        for (position, limit) in self.limits.iter().enumerate() {
            match limit.compile() {
                Ok(rule) => rules.push(rule),
                Err(part) => problems.append(&format!("limits[{position}]."), part),
            }
        }
        #[cfg(feature = "governor")]
        if self.governor.is_some() && self.limits.len() > 1 {
            problems.push("limits", "a governor limiter decides, no other limit can");
        }
        #[cfg(feature = "wait")]
        self.add_places(&mut rules, &mut problems);
        match Rules::new(&rules) {
            Some(rules) => {
                problems.into_result(self.room.map_or(rules, |quota| rules.with_room(quota)))
            }
            None => Err(problems),
        }
    }
}

#[cfg(feature = "wait")]
impl Policy {
    /// Makes the bucket deeper by what waits.
    fn add_places(&self, rules: &mut [crate::limit::Rule], problems: &mut Problems) {
        let Some((longest, _)) = self.wait else {
            return;
        };
        let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        match rules {
            [only @ crate::limit::Rule::TokenBucket(_)] => match only.queueing(nanos) {
                Some(queueing) => *only = queueing,
                None => problems.push(
                    "wait",
                    format!(
                        "is {longest:?}, must be from the time between two requests to 366 days"
                    ),
                ),
            },
            _ => problems.push("wait", "needs a single limit, which is a token bucket"),
        }
        #[cfg(feature = "governor")]
        if self.governor.is_some() {
            problems.push("wait", "is not for a governor limiter");
        }
        #[cfg(feature = "redis")]
        if self.lease > 1 {
            problems.push("wait", "is not for a policy with leases");
        }
    }
}

/// Whether a name stands in a structured field as a string without escapes, and is safe in a log line and a metric's label.
fn is_policy_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .field("key", &self.key)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
