use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use palisade_core::{PathSet, Problems};
use serde::Deserialize;

use crate::builder::RateLimitBuilder;
use crate::error::Error;
use crate::headers::Headers;
use crate::key::KeyChain;
use crate::layer::RateLimitLayer;
use crate::limit::{Limit, Rate, burst};
use crate::policy::Policy;
use crate::store::Memory;

/// A layer as a configuration file states it; what a file leaves out is as [`RateLimitBuilder`] has it.
///
/// Durations are a number with a unit: `500ms`, `10s`, `1m`, `1h`, `1d`. Sources of keys are `principal`, `client-ip`,
/// `authorization` and `header:NAME`.
///
/// # Example
///
/// ```
/// use palisade_ratelimit::RateLimitConfig;
///
/// // As TOML, the same names: [[policies]] name = "user", and so on.
/// let config: RateLimitConfig = serde_json::from_str(r#"{
///     "key": ["principal", "header:x-track-id", "client-ip"],
///     "policies": [
///         { "name": "user", "limits": [
///             { "rate": 10, "per": "1s", "burst": 20 },
///             { "quota": 5000, "window": "1d", "kind": "sliding" }
///         ] },
///         { "preset": "login" }
///     ],
///     "routes": { "POST /auth/token": "login" },
///     "capacity": 1000000
/// }"#)?;
/// let layer = config.builder()?.build()?;
/// # let _ = layer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RateLimitConfig {
    /// Whether there is no layer at all.
    pub off: bool,
    /// Whether to count and refuse nothing; see [`RateLimitBuilder::shadow`].
    pub shadow: bool,
    /// The policies; the first decides unless something names another.
    pub policies: Vec<PolicyConfig>,
    /// Which policy decides about which route; see [`RateLimitBuilder::route`]. Of several that fit, one without wildcards
    /// comes first, then one with a `{parameter}`, and of equal ones the longer.
    pub routes: BTreeMap<String, String>,
    /// Where keys come from, in this order.
    pub key: Vec<String>,
    /// The limit by address behind claimed keys.
    pub ip_backstop: Option<LimitConfig>,
    /// The limit of a v6 /48.
    pub v6_site_limit: Option<LimitConfig>,
    /// Paths that are not counted.
    pub exempt_paths: Option<Vec<String>>,
    /// Which header fields are written: `both`, `x-rate-limit`, `rate-limit` or `off`.
    pub headers: Option<String>,
    /// For how many keys a policy has room, where counts are kept in memory.
    pub capacity: Option<usize>,
}

/// A policy: one that is shipped, by its name, or limits under a name of your own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PolicyConfig {
    /// `public`, `authenticated`, `admin`, `strict`, `login`, `standard` or `clients`.
    pub preset: Option<String>,
    /// The name of a policy that is no preset.
    pub name: Option<String>,
    /// Its limits.
    pub limits: Vec<LimitConfig>,
    /// Where its keys come from, if not where the layer's do.
    pub key: Vec<String>,
    /// Whether it refuses nothing.
    pub shadow: bool,
}

/// A limit: `rate`, `per` and `burst` for a token bucket, or `quota`, `window` and `kind`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LimitConfig {
    /// How many requests a bucket refills.
    pub rate: Option<u32>,
    /// In which time; default `1s`.
    pub per: Option<String>,
    /// How many requests it lets through at once; default twice the rate.
    pub burst: Option<u32>,
    /// How many requests a window admits.
    pub quota: Option<u32>,
    /// How long the window is.
    pub window: Option<String>,
    /// How it counts; default sliding.
    pub kind: Option<WindowKind>,
}

/// How a window counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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

impl RateLimitConfig {
    /// A builder with these settings, to which code may add what files cannot say. Check `off` first: a builder is for
    /// a layer that is on.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with every field that cannot be understood. What can, but does not work, is reported by
    /// [`build`](RateLimitBuilder::build).
    pub fn builder(&self) -> Result<RateLimitBuilder, Error> {
        let mut problems = Problems::none();
        let mut builder = RateLimitLayer::builder();
        for (position, policy) in self.policies.iter().enumerate() {
            match policy.read() {
                Ok(policy) => builder = builder.policy(policy),
                Err(part) => problems.append(&format!("policies[{position}]."), part),
            }
        }
        // A map has no order of its own: what is written out comes before what may be anything.
        let mut routes: Vec<_> = self.routes.iter().collect();
        routes.sort_by_key(|(route, _)| {
            (
                route.contains('*'),
                route.contains('{'),
                Reverse(route.len()),
            )
        });
        for (route, policy) in routes {
            builder = builder.route(route, policy.as_str());
        }
        if let Some(chain) = chain(&self.key, &mut problems) {
            builder = builder.key(chain);
        }
        let mut limit = |field: &str, limit: &Option<LimitConfig>| {
            let read = limit
                .as_ref()?
                .read()
                .map_err(|part| problems.append(&format!("{field}."), part));
            read.ok()
        };
        if let Some(limit) = limit("ip_backstop", &self.ip_backstop) {
            builder = builder.ip_backstop(limit);
        }
        if let Some(limit) = limit("v6_site_limit", &self.v6_site_limit) {
            builder = builder.v6_site_limit(limit);
        }
        if let Some(paths) = &self.exempt_paths {
            builder = builder.exempt_paths(PathSet::of(paths));
        }
        match self.headers.as_deref() {
            None | Some("both") => {}
            Some("x-rate-limit") => builder = builder.headers(Headers::XRateLimit),
            Some("rate-limit") => builder = builder.headers(Headers::RateLimit),
            Some("off") => builder = builder.headers(Headers::Off),
            Some(_) => problems.push("headers", "must be both, x-rate-limit, rate-limit or off"),
        }
        if let Some(capacity) = self.capacity {
            builder = builder.store(Memory::with_capacity(capacity));
        }
        if self.shadow {
            builder = builder.shadow();
        }
        Ok(problems.into_result(builder)?)
    }
}

impl PolicyConfig {
    fn read(&self) -> Result<Policy, Problems> {
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
        problems.into_result(if self.shadow { policy.shadow() } else { policy })
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
    fn read(&self) -> Result<Limit, Problems> {
        let mut problems = Problems::none();
        let mut time = |field: &str, text: &str| {
            duration(text).unwrap_or_else(|| {
                problems.push(
                    field,
                    format!("{text:?} is not a time such as 500ms, 10s, 1m, 1h or 1d"),
                );
                Duration::from_secs(1)
            })
        };
        let limit = match (self.rate, self.quota) {
            (Some(rate), None) => {
                let per = time("per", self.per.as_deref().unwrap_or("1s"));
                let size = self.burst.unwrap_or(rate.saturating_mul(2));
                Limit::token_bucket(Rate::new(rate, per), burst(size))
            }
            (None, Some(quota)) => {
                let Some(window) = &self.window else {
                    return Err(Problems::one("window", "is missing"));
                };
                let window = time("window", window);
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
        problems.into_result(limit)
    }
}

fn chain(sources: &[String], problems: &mut Problems) -> Option<KeyChain> {
    let mut chain = KeyChain::new();
    for (position, source) in sources.iter().enumerate() {
        chain = match source.as_str() {
            "principal" => chain.principal(),
            "client-ip" => chain.client_ip(),
            "authorization" => chain.authorization(),
            other => match other.strip_prefix("header:") {
                Some(name) => chain.claimed_header(name),
                None => {
                    let reason = format!(
                        "{other:?} is not principal, client-ip, authorization or header:NAME"
                    );
                    problems.push(format!("key[{position}]"), reason);
                    chain
                }
            },
        };
    }
    (!sources.is_empty()).then_some(chain)
}

fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}
