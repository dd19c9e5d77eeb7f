#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod stack;

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "config")]
pub mod config;

pub use palisade_core::{
    ClientAddr, ClientIp, ClientIpError, Code, EventKind, Handle, Name, PathSet, PeerAddr,
    Principal, PrincipalKind, Problems, Rejection, RejectionContext, Renderer, RequestId,
    RequestScope, ResponseBody, ScopeLayer, SecurityEvent, SentUri, Severity, time,
};
pub use stack::{Protected, Reload, Stack};

#[cfg(feature = "audit")]
#[doc(inline)]
pub use palisade_audit as audit;
#[cfg(feature = "auth")]
#[doc(inline)]
pub use palisade_auth as auth;
#[cfg(feature = "breaker")]
#[doc(inline)]
pub use palisade_breaker as breaker;
#[cfg(feature = "client")]
#[doc(inline)]
pub use palisade_client as client;
#[cfg(feature = "crypto")]
#[doc(inline)]
pub use palisade_crypto as crypto;
#[cfg(feature = "headers")]
#[doc(inline)]
pub use palisade_headers as headers;
#[cfg(feature = "ratelimit")]
#[doc(inline)]
pub use palisade_ratelimit as ratelimit;
#[cfg(feature = "secrets")]
#[doc(inline)]
pub use palisade_secrets as secrets;

/// The snippets of the repository's own README are tested with those of this crate.
#[cfg(all(doctest, feature = "full", feature = "axum"))]
#[doc = include_str!("../../../README.md")]
mod readme {}
