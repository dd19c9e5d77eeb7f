#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod stack;

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "config")]
pub mod config;

#[cfg(all(doc, not(doctest)))]
pub mod guides;

pub use palisade_core::{
    ClientAddr, ClientIp, ClientIpError, Code, EventKind, Handle, Name, PathSet, PeerAddr,
    Principal, PrincipalKind, Problems, Rejection, RejectionContext, Renderer, RequestId,
    RequestScope, ResponseBody, ScopeLayer, SecurityEvent, SentUri, Severity, time,
};
pub use stack::{Protected, Reload, Stack};

/// Records every request, redacted, in a trail that shows when it was changed.
#[cfg(feature = "audit")]
#[doc(inline)]
pub use palisade_audit as audit;
/// Proves who calls by tokens, API keys, service tokens or sessions, and guards routes by scope and role.
#[cfg(feature = "auth")]
#[doc(inline)]
pub use palisade_auth as auth;
/// Stops calling what fails, retries what may be retried, and answers meanwhile.
#[cfg(feature = "breaker")]
#[doc(inline)]
pub use palisade_breaker as breaker;
#[cfg(feature = "client")]
#[doc(inline)]
pub use palisade_client as client;
#[cfg(feature = "crypto")]
#[doc(inline)]
pub use palisade_crypto as crypto;
/// Sets security headers, answers CORS, refuses cross-origin requests, and gives request ids.
#[cfg(feature = "headers")]
#[doc(inline)]
pub use palisade_headers as headers;
/// Limits how often a client, a principal or a key may call.
#[cfg(feature = "ratelimit")]
#[doc(inline)]
pub use palisade_ratelimit as ratelimit;
#[cfg(feature = "secrets")]
#[doc(inline)]
pub use palisade_secrets as secrets;

/// The snippets of the repository's own README and of the guides about several crates are tested with those of this crate.
#[cfg(all(doctest, feature = "full", feature = "serve", feature = "client"))]
mod snippets {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../docs/tutorial.md")]
    mod tutorial {}
    #[doc = include_str!("../docs/guides/audit-trail.md")]
    mod audit_trail {}
    #[doc = include_str!("../docs/guides/calls-to-other-servers.md")]
    mod calls_to_other_servers {}
    #[doc = include_str!("../docs/guides/deployment.md")]
    mod deployment {}
}
