//! A breaker for each key of the requests, and a bound on them.

mod bound;
mod key;
mod layer;
mod store;

#[cfg(feature = "retry")]
pub(crate) use self::bound::bounded;
pub use self::key::{ByAuthority, ByHeader, ExtractKey, KeyFn, key_fn};
pub use self::layer::{KeyedBreaker, KeyedBreakerLayer, KeyedHandle};
