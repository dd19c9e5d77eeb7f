//! Adds to the cookies that handlers set what keeps them from being read or sent elsewhere (RFC 6265bis).
//!
//! Of each `Set-Cookie` field, whoever set it below the layer:
//!
//! 1. `Secure` is added where it is missing: the cookie is sent over HTTPS alone. Browsers count `localhost` as secure.
//! 2. `HttpOnly` is added where it is missing, but for the cookies that [scripts read](CookieLayer::scripts_read).
//! 3. `SameSite=Lax`, or what [`CookieLayer::same_site`] says, is added where the cookie has none that browsers know. One
//!    that the handler chose stays, `SameSite=None` too, which browsers take together with `Secure` alone.
//! 4. A name that begins with `__Host-` gets `Path=/` where it has no path. `Secure` it has by rule 1. One with a `Domain` or
//!    with another path is left as it is, and browsers refuse it: changed, it would be another cookie than the one meant.
//!
//! Attributes are only ever added, never removed or changed, so that no cookie becomes weaker than its handler made it. Where an
//! attribute is there twice, browsers take the last one, and so does the layer.

mod config;
mod filter;
mod harden;
mod layer;

pub use self::config::CookieConfig;
pub use self::filter::Cookies;
pub use self::layer::{CookieLayer, SameSite};
