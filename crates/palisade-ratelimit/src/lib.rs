#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod charge;
mod config;
mod decision;
mod error;
mod filter;
mod layer;
mod limit;
mod limiter;
mod limits;
mod policy;
#[cfg(feature = "redis")]
mod query;
mod receipt;
mod refund;
#[cfg(feature = "simulate")]
#[doc(hidden)]
pub mod simulate;
mod store;
mod sync;
#[cfg(test)]
mod test_support;

pub use builder::RateLimitBuilder;
#[cfg(feature = "serde")]
pub use config::{BlockConfig, LimitConfig, PolicyConfig, RateLimitConfig, WaitConfig, WindowKind};
pub use decision::{Decision, Outcome};
pub use error::Error;
pub use filter::RateLimit;
pub use filter::headers::Headers;
pub use filter::view::RequestView;
pub use layer::RateLimitLayer;
pub use limit::{
    Burst, DAY, HOUR, Limit, MINUTE, Rate, SECOND, burst, per_day, per_hour, per_minute, per_second,
};
#[cfg(feature = "calendar")]
pub use limit::{Calendar, Weekday};
pub use limiter::RateLimiter;
pub use limits::NoKey;
pub use policy::key::{Key, KeyChain};
pub use policy::select::Selection;
pub use policy::{Mode, Policy};
pub use receipt::Receipt;
#[cfg(feature = "governor")]
pub use store::governor::Remaining;
pub use store::{Memory, Store};
#[cfg(feature = "redis")]
pub use store::{Outage, Redis};

/// The guides of this repository, so that their code is compiled and run.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/algorithms.md")]
    struct Algorithms;
    #[doc = include_str!("../../../docs/guides/choosing-a-limit.md")]
    struct ChoosingALimit;
    #[doc = include_str!("../../../docs/guides/from-tower-governor.md")]
    struct FromTowerGovernor;
    #[cfg(feature = "redis")]
    #[doc = include_str!("../../../docs/guides/limits-in-redis.md")]
    struct LimitsInRedis;
}
