//! Sends clients that come over plain HTTP to HTTPS.
//!
//! Rules, of which the first that holds decides:
//!
//! 1. A request that is known to have come over TLS passes: its scheme is `https` (HTTP/2), it carries
//!    [`OverTls`](crate::security::OverTls), or a [trusted proxy](HttpsRedirectLayer::trust_proxies) wrote `X-Forwarded-Proto: https`.
//!    Nobody else's `X-Forwarded-Proto` counts.
//! 2. The paths of probes pass, `/healthz`, `/readyz` and `/metrics`, because load balancers probe over plain HTTP and take
//!    a redirect for a failure, and so does `/.well-known/acme-challenge/` with one name below it, by which a certificate is
//!    asked for before there is one (RFC 8555, section 8.3).
//! 3. A request from this machine to this machine passes: the peer's address is a loopback address, and the host is
//!    `localhost`, a name below it, or a loopback address. That is development; browsers count it as secure.
//! 4. A request without one valid host, or for a host that is not [listed](HttpsRedirectLayer::hosts), is refused with 400.
//! 5. Everything else is sent to the same host, path and query over HTTPS: `GET` and `HEAD` with 301, others with 308, which keeps
//!    method and body (RFC 9110, sections 15.4.2 and 15.4.9).
//!
//! # Security
//!
//! The first request was readable on its way, with its cookies and its body: what stops the next one is
//! `Strict-Transport-Security`, which the presets of [`SecurityHeadersLayer`](crate::SecurityHeadersLayer) send.
//! Cookies need `Secure`, which [`CookieLayer`](crate::CookieLayer) adds.
//!
//! A proxy that ends TLS and is not trusted here, or writes no `X-Forwarded-Proto`, makes a redirect without an end.

mod config;
mod filter;
mod layer;

pub use self::config::HttpsRedirectConfig;
pub use self::filter::HttpsRedirect;
pub use self::layer::HttpsRedirectLayer;
