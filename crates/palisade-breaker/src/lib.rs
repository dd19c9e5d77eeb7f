#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod classify;
mod config;
mod error;
mod event;
mod fallback;
mod future;
mod handle;
mod hint;
mod keyed;
mod last_good;
mod layer;
pub mod metric_names;
mod metrics;
mod permit;
mod refuse;
mod release;
#[cfg(feature = "retry")]
mod retry;
#[cfg(feature = "serde")]
mod serde_time;
mod service;
mod setup;
#[cfg(feature = "redis")]
mod share;
mod shared;
mod state;
mod sync;
mod waiting;
mod window;

pub use body::GuardedBody;
#[cfg(feature = "tower-http")]
pub use classify::TowerHttp;
pub use classify::{Classify, ErrorsFail, FromFn, GrpcHealth, HttpHealth, from_fn};
pub use config::{BreakerConfig, Mode, THRESHOLD_VARIABLE, TIMEOUT_VARIABLE};
pub use error::{BreakerConfigError, BreakerError, Rejected};
pub use event::BreakerEvent;
pub use fallback::{Fallback, FallbackFuture, FallbackService};
pub use future::ResponseFuture;
pub use handle::{BreakerHandle, BreakerMetrics, PeerTrust, WindowMetrics};
pub use keyed::{
    ByAuthority, ByHeader, ExtractKey, KeyFn, KeyedBreaker, KeyedBreakerLayer, KeyedHandle, key_fn,
};
pub use last_good::{KeepBody, LastGood};
pub use layer::BreakerLayer;
pub use permit::{Outcome, Permit};
pub use refuse::{FailWhenOpen, Refuse, RespondWhenOpen};
pub use release::{KeepReserved, Release};
#[cfg(feature = "retry")]
pub use retry::{
    CloneBodies, HttpRetry, HttpRetryBoxed, Judge, OneBudget, Replay, ReplayBodies, ReplayBody,
    ReplayError, Retry, RetryAdvice, RetryConfig, RetryEvent, RetryFuture, RetryIf, RetryLayer,
    RetryPolicy, retry_if,
};
pub use service::Breaker;
#[cfg(feature = "redis")]
pub use share::{RedisSharing, SharingTask};
pub use state::{Cause, Reason, State};
pub use window::RateWindow;

/// The guides, so that their snippets are tested.
#[cfg(all(doctest, feature = "reqwest", feature = "retry"))]
mod guides {
    #[doc = include_str!("../../../docs/guides/breaker-retry-timeout.md")]
    mod breaker_retry_timeout {}
    #[doc = include_str!("../../../docs/guides/retry-and-breaker-from-elsewhere.md")]
    mod from_elsewhere {}
}
