#[cfg(any(feature = "breaker", feature = "ratelimit"))]
use std::collections::BTreeMap;
use std::fmt;

#[cfg(feature = "breaker")]
use palisade_breaker::BreakerConfig;
#[cfg(all(feature = "breaker", feature = "retry"))]
use palisade_breaker::RetryConfig;
#[cfg(feature = "headers")]
use palisade_headers::{
    cookies::CookieConfig, cors::CorsConfig, cross_origin::CrossOriginGuardConfig,
    https_redirect::HttpsRedirectConfig, request_id::RequestIdConfig,
    security::SecurityHeadersConfig,
};
#[cfg(feature = "ratelimit")]
use palisade_ratelimit::RateLimitConfig;
use serde::Deserialize;

use super::file::Node;
#[cfg(feature = "audit")]
use super::sections::AuditConfig;
#[cfg(feature = "auth")]
use super::sections::AuthConfig;
#[cfg(feature = "crypto")]
use super::sections::FieldEncryptionConfig;
use super::sections::ScopeConfig;
#[cfg(any(feature = "audit", feature = "auth", feature = "crypto"))]
use super::variables::Variables;

/// The configuration of palisade: the layers of a stack, and the breakers and retries of the clients behind it.
///
/// A section that is missing leaves its layer off.
#[derive(Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The proxies that are trusted to say who a client is, once for all layers.
    pub scope: Option<ScopeConfig>,
    /// The ids of requests.
    #[cfg(feature = "headers")]
    pub request_id: Option<RequestIdConfig>,
    /// The security headers of every response.
    #[cfg(feature = "headers")]
    pub security_headers: Option<SecurityHeadersConfig>,
    /// The hardening of cookies that are set inside.
    #[cfg(feature = "headers")]
    pub cookies: Option<CookieConfig>,
    /// The redirect of plain HTTP to HTTPS.
    #[cfg(feature = "headers")]
    pub https_redirect: Option<HttpsRedirectConfig>,
    /// The origins whose pages may read responses. `CORS_ORIGINS`, `CORS_METHODS` and `CORS_HEADERS` override it.
    #[cfg(feature = "headers")]
    pub cors: Option<CorsConfig>,
    /// The guard against requests that pages of other origins make.
    #[cfg(feature = "headers")]
    pub cross_origin_guard: Option<CrossOriginGuardConfig>,
    /// The rate limits, by name: `clients` stands before authentication, `principals` behind it; others are for code.
    #[cfg(feature = "ratelimit")]
    pub limits: BTreeMap<String, RateLimitConfig>,
    /// The authentication of callers.
    #[cfg(feature = "auth")]
    pub auth: Option<AuthConfig>,
    /// The trail, and what is recorded in it.
    #[cfg(feature = "audit")]
    pub audit: Option<AuditConfig>,
    /// The sealing of fields of responses.
    #[cfg(feature = "crypto")]
    pub field_encryption: Option<FieldEncryptionConfig>,
    /// The breakers of calls to other services, by name. `CIRCUIT_BREAKER_THRESHOLD` and `CIRCUIT_BREAKER_TIMEOUT_SEC`
    /// override every one.
    #[cfg(feature = "breaker")]
    pub breakers: BTreeMap<String, BreakerConfig>,
    /// The retries of calls to other services, by name.
    #[cfg(all(feature = "breaker", feature = "retry"))]
    pub retries: BTreeMap<String, RetryConfig>,
    #[serde(skip)]
    pub(super) origin: Origin,
}

/// The source of a configuration, by which mistakes and changes are named.
#[derive(Clone, Default)]
pub(super) struct Origin {
    pub(super) file: Option<String>,
    pub(super) root: Node,
    #[cfg(any(feature = "audit", feature = "auth", feature = "crypto"))]
    pub(super) variables: Variables,
}

/// Every section, and the feature that it needs.
pub(super) const SECTIONS: [(&str, &str, bool); 13] = [
    ("scope", "config", true),
    ("request_id", "headers", cfg!(feature = "headers")),
    ("security_headers", "headers", cfg!(feature = "headers")),
    ("cookies", "headers", cfg!(feature = "headers")),
    ("https_redirect", "headers", cfg!(feature = "headers")),
    ("cors", "headers", cfg!(feature = "headers")),
    ("cross_origin_guard", "headers", cfg!(feature = "headers")),
    ("limits", "ratelimit", cfg!(feature = "ratelimit")),
    ("auth", "auth", cfg!(feature = "auth")),
    ("audit", "audit", cfg!(feature = "audit")),
    ("field_encryption", "crypto", cfg!(feature = "crypto")),
    ("breakers", "breaker", cfg!(feature = "breaker")),
    (
        "retries",
        "retry",
        cfg!(all(feature = "breaker", feature = "retry")),
    ),
];

impl fmt::Debug for Config {
    /// The sections that are there; values may stand where a secret was meant to be named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("file", &self.origin.file)
            .finish_non_exhaustive()
    }
}
