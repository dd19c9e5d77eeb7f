#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod admit;
#[cfg(feature = "redis")]
mod ask;
mod assembly;
mod block;
mod builder;
mod config;
mod counted;
mod counters;
mod decide;
mod decision;
#[cfg(feature = "wait")]
mod delay;
mod digest;
mod error;
mod filter;
#[cfg(feature = "governor")]
mod governor;
mod headers;
mod key;
mod layer;
mod limit;
mod limiter;
mod limits;
mod plan;
mod policy;
#[cfg(feature = "wait")]
mod queue;
mod receipt;
mod refund;
mod refusal;
mod route;
mod select;
mod store;
mod sync;
#[cfg(test)]
mod test_support;
mod ticket;
#[cfg(feature = "wait")]
mod turn;
mod verdict;
mod view;

pub use builder::RateLimitBuilder;
#[cfg(feature = "serde")]
pub use config::{BlockConfig, LimitConfig, PolicyConfig, RateLimitConfig, WindowKind};
pub use decision::{Decision, Outcome};
pub use error::Error;
pub use filter::RateLimit;
#[cfg(feature = "governor")]
pub use governor::Remaining;
pub use headers::Headers;
pub use key::{Key, KeyChain};
pub use layer::RateLimitLayer;
pub use limit::{
    Burst, DAY, HOUR, Limit, MINUTE, Rate, SECOND, burst, per_day, per_hour, per_minute, per_second,
};
pub use limiter::RateLimiter;
pub use limits::NoKey;
pub use policy::Policy;
pub use receipt::Receipt;
pub use select::Selection;
pub use store::{Memory, Store};
#[cfg(feature = "redis")]
pub use store::{Outage, Redis};
pub use view::RequestView;

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
