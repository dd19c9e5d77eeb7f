//! Cross-origin resource sharing, as the Fetch standard defines it (section 3.2).
//!
//! Rules:
//!
//! 1. A preflight is `OPTIONS` with `Origin` and `Access-Control-Request-Method`. The layer answers it; every other
//!    `OPTIONS` reaches the handler.
//! 2. A preflight from an origin that is not allowed is refused with 403 and gets no header of CORS but `Vary`.
//! 3. Any other request reaches the handler, whatever its origin: CORS decides who may *read* an answer. To refuse
//!    requests that have effects, use [`CrossOriginGuardLayer`](crate::CrossOriginGuardLayer).
//! 4. Where the answer depends on the origin, `Vary: Origin` stands on every response, also on those to requests
//!    without one, so that a cache never hands one site's answer to another.
//! 5. A handler that sets `Access-Control-Allow-Origin` itself decides for its response.

mod build;
mod config;
mod environment;
mod filter;
mod layer;
mod names;
mod origin_lookup;
mod policy;
mod presets;

pub use self::build::CorsBuilder;
pub use self::config::CorsConfig;
pub use self::filter::Cors;
pub use self::layer::CorsLayer;
pub use self::origin_lookup::{OriginLookup, OriginLookupLayer};
