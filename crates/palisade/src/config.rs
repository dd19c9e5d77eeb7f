//! One configuration for the whole stack: a file in TOML, and variables that override it.
//!
//! [`Config::load`] reads a file and the environment of the process, and [`Stack::from_config`](crate::Stack::from_config)
//! makes a stack of what they say, which code may go on with. What no file can hold, such as closures, stores and
//! credentials that are kept elsewhere, an [`Assembly`] adds to each stack, also when the file is read again.
//!
//! A section that is there switches its layer on, unless its `mode` is `off`; a section that is missing leaves it off. Where
//! a layer has a shadow mode, `mode = "shadow"` selects it. The [guide][guide] lists every key.
//!
//! # Precedence
//!
//! A variable that is set overrides the file, and the file overrides the default. A variable that is set to nothing counts as
//! not set, but for the lists of CORS, where it is a mistake.
//!
//! | variable | overrides |
//! |---|---|
//! | `TRUSTED_PROXIES` | `scope.trusted_proxies` |
//! | `CORS_ORIGINS`, `CORS_METHODS`, `CORS_HEADERS` | `cors.origins`, `cors.methods`, `cors.headers` |
//! | `RATE_LIMIT_REQUESTS_PER_SECOND` or `RATE_LIMIT_PER_SECOND`, `RATE_LIMIT_BURST` | rate and burst of the first policy of `limits.clients`, or of the limits that [`Loader::variables_limit`] names |
//! | `CIRCUIT_BREAKER_THRESHOLD`, `CIRCUIT_BREAKER_TIMEOUT_SEC` | `failure_threshold` and `open_for` of every breaker |
//! | `ENCRYPTION_KEY` | nothing: it is the key of `field_encryption` where the file names none |
//!
//! # Errors
//!
//! A [`ConfigError`] holds every mistake at once, each with the line of the file or the name of the variable, the key, and
//! the reason. It never repeats a value of the file or of a variable: one that stands in the wrong place may be a secret.
//!
//! # Example
//!
//! ```
//! # #[cfg(all(feature = "ratelimit", feature = "headers"))] {
//! use palisade::Stack;
//! use palisade::config::Config;
//!
//! let text = r#"
//!     [request_id]
//!
//!     [limits.clients]
//!     mode = "shadow"
//!     policies = [{ name = "api", limits = [{ rate = 50, per = "1s", burst = 100 }] }]
//! "#;
//! let config = Config::loader().text("palisade.toml", text).load()?;
//! let stack = Stack::from_config(&config)?;
//! # let _ = stack;
//!
//! let wrong = Config::loader().text("palisade.toml", text.replace("burst", "brust")).load();
//! assert_eq!(
//!     wrong.unwrap_err().to_string(),
//!     "palisade.toml:6: limits.clients.policies[0].limits[0].brust: is no setting; did you mean burst?"
//! );
//! # }
//! # Ok::<(), palisade::config::ConfigError>(())
//! ```
//!
//! [guide]: https://github.com/palisade-rs/palisade/blob/main/docs/guides/configuration.md

mod assembly;
mod changes;
mod environment;
mod error;
mod explain;
mod file;
mod loader;
mod model;
#[cfg(feature = "schema")]
mod schema;
mod sections;
#[cfg(feature = "audit")]
mod trail;
mod trial;
mod variables;

pub use self::assembly::Assembly;
pub use self::changes::Change;
pub use self::error::{ConfigError, Mistake};
pub use self::loader::Loader;
pub use self::model::Config;
#[cfg(feature = "schema")]
pub use self::schema::json_schema;
pub use self::sections::*;
