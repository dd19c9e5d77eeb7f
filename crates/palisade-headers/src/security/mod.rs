//! Headers that tell a browser what a response may do.
//!
//! Rules:
//!
//! 1. Every response that is made below the layer gets the headers: errors, fallbacks, preflights and refusals of
//!    inner layers too. A panic or a timeout that is caught *above* it is out of reach.
//! 2. A header that the handler set wins, unless [`SecurityHeadersLayer::merge`] says otherwise for its name.
//! 3. A route changes the policy by putting [`HeaderOverrides`] into the extensions of its response.
//! 4. A nonce is made when it is first read. A response whose handler read none forbids inline scripts altogether.

mod answer_errors;
mod config;
mod csp;
mod filter;
mod hsts;
mod layer;
mod nonce;
mod overrides;
mod permissions;
mod policy;
mod prepared;
mod preset;
mod reporting;
mod source;
mod strip;
mod values;
mod words;

pub use self::answer_errors::{AnswerErrors, AnswerErrorsFuture, AnswerErrorsService, PassErrors};
pub use self::config::{HstsConfig, Preset, SecurityHeadersConfig};
pub use self::csp::{Csp, Directive};
pub use self::filter::SecurityHeaders;
pub(crate) use self::hsts::is_over_tls;
pub use self::hsts::{Hsts, HstsWhen, OverTls};
pub use self::layer::SecurityHeadersLayer;
pub use self::nonce::CspNonce;
pub use self::overrides::HeaderOverrides;
pub use self::permissions::{Allowlist, PermissionsPolicy};
pub use self::reporting::ReportingEndpoints;
pub use self::source::{HostSource, Scheme, SchemeSource, Source};
pub use self::strip::FINGERPRINTS;
pub use self::values::{
    ClearSiteData, EmbedderPolicy, FrameOptions, NoStore, OpenerPolicy, ReferrerPolicy,
    ResourcePolicy, XssProtection,
};
pub use self::words::{Sandbox, TrustedTypes};
pub use crate::template::Merge;
