use std::cmp::Reverse;
use std::collections::BTreeMap;

use palisade_core::{ClientIp, ForwardedHeader, PathSet, Problems};
use serde::Deserialize;

use super::policy::{LimitConfig, PolicyConfig};
use super::text::chain;
use crate::builder::RateLimitBuilder;
use crate::error::Error;
use crate::filter::headers::Headers;
use crate::layer::RateLimitLayer;
use crate::policy::Mode;
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RateLimitConfig {
    /// Whether every policy is `off`, at the most in `shadow` mode, or as it says itself (`on`).
    pub mode: Mode,
    /// The policies; the first decides unless something names another. Default `clients`.
    pub policies: Vec<PolicyConfig>,
    /// The policy of each route; see [`RateLimitBuilder::route`]. Of several that fit, one without wildcards
    /// comes first, then one with a `{parameter}`, and of equal ones the longer.
    pub routes: BTreeMap<String, String>,
    /// The sources of keys, in this order: `principal`, `client-ip`, `authorization` and `header:NAME`; default
    /// `client-ip`.
    pub key: Vec<String>,
    /// The limit by address behind claimed keys; default 200 a second with bursts of 400.
    pub ip_backstop: Option<LimitConfig>,
    /// The limit of a v6 /48; default none.
    pub v6_site_limit: Option<LimitConfig>,
    /// Paths that are not counted; default `/healthz`, `/readyz` and `/metrics`.
    pub exempt_paths: Option<Vec<String>>,
    /// The header fields that are written: `both`, the default, `x-rate-limit`, `rate-limit` or `off`.
    pub headers: Option<String>,
    /// Whether they list every limit; default not. See [`RateLimitBuilder::list_limits`].
    pub list_limits: bool,
    /// For how many keys a policy has room, where counts are kept in memory; default 100,000.
    pub capacity: Option<usize>,
    /// The proxies that are trusted: `hops:1`, or networks with commas between them, such as `10.0.0.0/8, loopback`; see
    /// [`ClientIp`]. Default none.
    pub client_ip: Option<String>,
    /// The header that these proxies write: `x-forwarded-for`, the default, or `forwarded`.
    pub forwarded_header: Option<String>,
    /// By how many leading bits v6 clients are grouped, 1 to 128; default 64.
    pub v6_prefix: Option<u8>,
}

impl RateLimitConfig {
    /// A builder with these settings, to which code may add what files cannot say.
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
        if self.list_limits {
            builder = builder.list_limits();
        }
        if let Some(client_ip) = self.client_ip(&mut problems) {
            builder = builder.client_ip(client_ip);
        }
        if let Some(capacity) = self.capacity {
            builder = builder.store(Memory::with_capacity(capacity));
        }
        builder = match self.mode {
            Mode::On => builder,
            Mode::Shadow => builder.shadow(),
            Mode::Off => builder.off(),
        };
        Ok(problems.into_result(builder)?)
    }

    /// The setting of clients' addresses, if the file has one.
    fn client_ip(&self, problems: &mut Problems) -> Option<ClientIp> {
        let mut client_ip = match self
            .client_ip
            .as_deref()
            .unwrap_or_default()
            .parse::<ClientIp>()
        {
            Ok(client_ip) => client_ip,
            Err(error) => {
                problems.push("client_ip", error.to_string());
                ClientIp::peer()
            }
        };
        match self.forwarded_header.as_deref() {
            None | Some("x-forwarded-for") => {}
            Some("forwarded") => client_ip = client_ip.header(ForwardedHeader::Forwarded),
            Some(_) => problems.push("forwarded_header", "must be x-forwarded-for or forwarded"),
        }
        match self.v6_prefix {
            None => {}
            Some(bits @ 1..=128) => client_ip = client_ip.v6_prefix(bits),
            Some(_) => problems.push("v6_prefix", "must be 1 to 128"),
        }
        let said =
            self.client_ip.is_some() || self.forwarded_header.is_some() || self.v6_prefix.is_some();
        said.then_some(client_ip)
    }
}
