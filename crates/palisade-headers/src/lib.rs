#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod cookies;
pub mod cors;
mod count;
pub mod cross_origin;
mod error;
pub mod https_redirect;
mod mode;
mod origin;
pub mod request_id;
pub mod security;
mod template;

pub use cookies::{CookieLayer, Cookies};
pub use cors::{Cors, CorsBuilder, CorsLayer, OriginLookup, OriginLookupLayer};
pub use cross_origin::{CrossOriginGuard, CrossOriginGuardLayer};
pub use error::HeadersError;
pub use https_redirect::{HttpsRedirect, HttpsRedirectLayer};
pub use mode::Mode;
pub use request_id::{
    IdFormat, PropagateRequestId, PropagateRequestIdLayer, RequestIdLayer, RequestIdService,
};
pub use security::{CspNonce, HeaderOverrides, Merge, SecurityHeaders, SecurityHeadersLayer};

/// The target of every event that this crate emits through `tracing`.
const TARGET: &str = "palisade_headers";

/// The guides of this repository, so that their code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/which-preset.md")]
mod which_preset {}
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/from-tower-http-and-tower-helmet.md")]
mod from_tower_http_and_tower_helmet {}
