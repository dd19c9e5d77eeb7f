use palisade_core::Problems;
use serde::Deserialize;

#[cfg(feature = "redis")]
use super::text::outage;
use super::text::{Statuses, chain, time};
use crate::limit::{Limit, Rate, burst};
use crate::policy::{Mode, Policy};

/// A policy: one that is shipped, by its name, or limits under a name of your own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PolicyConfig {
    /// The name of a policy that is shipped: `public`, `authenticated`, `admin`, `strict`, `login`, `standard` or `clients`.
    pub preset: Option<String>,
    /// The name of a policy that is no preset.
    pub name: Option<String>,
    /// Its limits, 1 to 8: a request passes all of them.
    pub limits: Vec<LimitConfig>,
    /// The sources of its keys, if not those of the layer.
    pub key: Vec<String>,
    /// Whether it refuses (`on`), watches (`shadow`) or stands aside (`off`).
    pub mode: Mode,
    /// The block of a key after repeated refusals; see [`Policy::block_after`]. Default never.
    pub block_after: Option<BlockConfig>,
    /// The time for which requests over the limit wait for their turn; see `Policy::wait`. Needs the feature `wait`.
    pub wait: Option<WaitConfig>,
    /// With which statuses a response gives its charge back: `304`, or a class such as `2xx`; see
    /// [`Policy::refund_when`]. Default none.
    pub refund: Vec<String>,
    /// The behaviour while Redis is down: `deny`, `allow`, `local` or `local:10m`, with the grace; see
    /// `Policy::on_outage`. Needs the feature `redis`.
    pub outage: Option<String>,
    /// The number of units that are taken from Redis at once; see `Policy::lease`. Needs the feature `redis`.
    pub lease: Option<u32>,
}

/// A block after repeated refusals; all fields are needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BlockConfig {
    /// The number of refusals that lead to it.
    pub refusals: u32,
    /// In which time, such as `10m`.
    pub within: String,
    /// Its length, such as `1h`.
    pub time: String,
}

/// A queue of requests that are over the limit of a token bucket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WaitConfig {
    /// The longest wait, such as `2s`.
    pub longest: String,
    /// The number of requests that may wait in a process; default 1,000.
    #[serde(default = "default_waiting")]
    pub requests: usize,
}

/// Some megabytes of requests that wait.
const fn default_waiting() -> usize {
    1_000
}

/// A limit: `rate`, `per` and `burst` for a token bucket, or a `quota` with either `window` and `kind`, or `calendar` and
/// `zone`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LimitConfig {
    /// The number of requests that a bucket refills.
    pub rate: Option<u32>,
    /// In which time; default `1s`.
    pub per: Option<String>,
    /// The number of requests that it lets through at once; default twice the rate.
    pub burst: Option<u32>,
    /// The number of requests that a window admits.
    pub quota: Option<u32>,
    /// The length of the window, such as `1h`.
    pub window: Option<String>,
    /// The way in which it counts: `sliding`, the default, `fixed` or `exact`.
    pub kind: Option<WindowKind>,
    /// A window of the calendar instead: `hour`, `day`, `week` (from Monday; `week:sunday` from another day) or `month`;
    /// see `Limit::calendar`. Needs the feature `calendar`.
    pub calendar: Option<String>,
    /// The time zone of the calendar, such as `Europe/Berlin`; default `UTC`.
    pub zone: Option<String>,
}

/// The way in which a window counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WindowKind {
    /// [`Limit::sliding`].
    Sliding,
    /// [`Limit::fixed`].
    Fixed,
    /// [`Limit::exact`].
    Exact,
}

impl PolicyConfig {
    pub(super) fn read(&self) -> Result<Policy, Problems> {
        let mut problems = Problems::none();
        let mut policy = match (self.preset.as_deref(), self.name.as_deref()) {
            (Some(preset), None) => shipped(preset).unwrap_or_else(|| {
                problems.push("preset", format!("there is none named {preset:?}"));
                Policy::clients()
            }),
            (None, Some(name)) => Policy::new(name),
            (Some(_), Some(_)) => return Err(Problems::one("name", "a preset has its own name")),
            (None, None) => return Err(Problems::one("name", "is missing")),
        };
        if self.preset.is_some() && !self.limits.is_empty() {
            problems.push("limits", "a preset has its own limits");
        }
        for (position, limit) in self.limits.iter().enumerate() {
            match limit.read() {
                Ok(limit) => policy = policy.limit(limit),
                Err(part) => problems.append(&format!("limits[{position}]."), part),
            }
        }
        if let Some(chain) = chain(&self.key, &mut problems) {
            policy = policy.key(chain);
        }
        if let Some(block) = &self.block_after {
            let within = time(&mut problems, "block_after.within", &block.within);
            let length = time(&mut problems, "block_after.time", &block.time);
            policy = policy.block_after(block.refusals, within, length);
        }
        policy = self.read_wait(policy, &mut problems);
        policy = self.read_refund(policy, &mut problems);
        policy = self.read_store(policy, &mut problems);
        problems.into_result(match self.mode {
            Mode::On => policy,
            Mode::Shadow => policy.shadow(),
            Mode::Off => policy.off(),
        })
    }

    #[cfg(feature = "wait")]
    fn read_wait(&self, policy: Policy, problems: &mut Problems) -> Policy {
        match &self.wait {
            Some(wait) => {
                let longest = time(problems, "wait.longest", &wait.longest);
                policy.wait(longest, wait.requests)
            }
            None => policy,
        }
    }

    #[cfg(not(feature = "wait"))]
    fn read_wait(&self, policy: Policy, problems: &mut Problems) -> Policy {
        if self.wait.is_some() {
            problems.push("wait", "needs the feature wait, which was not built in");
        }
        policy
    }

    fn read_refund(&self, policy: Policy, problems: &mut Problems) -> Policy {
        let mut refunded = Vec::with_capacity(self.refund.len());
        for (position, text) in self.refund.iter().enumerate() {
            match Statuses::parse(text) {
                Some(statuses) => refunded.push(statuses),
                None => problems.push(
                    format!("refund[{position}]"),
                    format!("{text:?} is neither a status such as 304 nor a class such as 2xx"),
                ),
            }
        }
        if refunded.is_empty() {
            return policy;
        }
        policy.refund_when(move |status| refunded.iter().any(|refunded| refunded.contain(status)))
    }

    #[cfg(feature = "redis")]
    fn read_store(&self, mut policy: Policy, problems: &mut Problems) -> Policy {
        if let Some(text) = &self.outage {
            match outage(text) {
                Some(outage) => policy = policy.on_outage(outage),
                None => problems.push(
                    "outage",
                    format!("{text:?} is not deny, allow, local or a time such as local:10m"),
                ),
            }
        }
        match self.lease {
            Some(units) => policy.lease(units),
            None => policy,
        }
    }

    #[cfg(not(feature = "redis"))]
    fn read_store(&self, policy: Policy, problems: &mut Problems) -> Policy {
        for (field, is_set) in [
            ("outage", self.outage.is_some()),
            ("lease", self.lease.is_some()),
        ] {
            if is_set {
                problems.push(field, "needs the feature redis, which was not built in");
            }
        }
        policy
    }
}

fn shipped(name: &str) -> Option<Policy> {
    let all = [
        Policy::public(),
        Policy::authenticated(),
        Policy::admin(),
        Policy::strict(),
        Policy::login(),
        Policy::standard(),
        Policy::clients(),
    ];
    all.into_iter()
        .find(|policy| policy.name().as_str() == name)
}

impl LimitConfig {
    pub(super) fn read(&self) -> Result<Limit, Problems> {
        let mut problems = Problems::none();
        let limit = match (self.rate, self.quota) {
            (Some(rate), None) => {
                let per = time(&mut problems, "per", self.per.as_deref().unwrap_or("1s"));
                let size = self.burst.unwrap_or(rate.saturating_mul(2));
                Limit::token_bucket(Rate::new(rate, per), burst(size))
            }
            (None, Some(quota)) if self.calendar.is_some() => self.read_calendar(quota)?,
            (None, Some(quota)) => {
                let Some(window) = &self.window else {
                    return Err(Problems::one("window", "is missing"));
                };
                let window = time(&mut problems, "window", window);
                match self.kind.unwrap_or(WindowKind::Sliding) {
                    WindowKind::Sliding => Limit::sliding(quota, window),
                    WindowKind::Fixed => Limit::fixed(quota, window),
                    WindowKind::Exact => Limit::exact(quota, window),
                }
            }
            _ => {
                return Err(Problems::one(
                    "rate",
                    "there must be either a rate or a quota",
                ));
            }
        };
        let of_a_window = self.window.is_some() || self.kind.is_some();
        if self.rate.is_some() && of_a_window {
            problems.push("window", "belongs to a quota, not to a rate");
        }
        if self.quota.is_some() && (self.per.is_some() || self.burst.is_some()) {
            problems.push("burst", "belongs to a rate, not to a quota");
        }
        if self.calendar.is_some() && of_a_window {
            problems.push("window", "is the calendar's already");
        }
        if self.calendar.is_some() && self.rate.is_some() {
            problems.push("calendar", "belongs to a quota, not to a rate");
        }
        if self.zone.is_some() && self.calendar.is_none() {
            problems.push("zone", "belongs to a calendar");
        }
        problems.into_result(limit)
    }

    #[cfg(feature = "calendar")]
    fn read_calendar(&self, quota: u32) -> Result<Limit, Problems> {
        let text = self.calendar.as_deref().unwrap_or_default();
        let zone = self.zone.as_deref().unwrap_or("UTC");
        match super::text::calendar(text, zone) {
            Some(calendar) => Ok(Limit::calendar(quota, calendar)),
            None => Err(Problems::one(
                "calendar",
                format!("{text:?} is not hour, day, week, week:sunday or month"),
            )),
        }
    }

    #[cfg(not(feature = "calendar"))]
    fn read_calendar(&self, _: u32) -> Result<Limit, Problems> {
        let reason = "needs the feature calendar, which was not built in";
        Err(Problems::one("calendar", reason))
    }
}
