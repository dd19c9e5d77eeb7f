//! Retries, on the frame of tower's: [`tower::retry::Retry`] drives, and what is decided is here, with a budget of its own,
//! because tower's rounds what a call is worth.

mod budget;
mod by_key;
mod config;
mod event;
mod judge;
mod layer;
mod policy;
mod replay;
#[cfg(feature = "reqwest")]
mod reqwest;
mod settings;
mod unprocessed;

pub use self::by_key::OneBudget;
pub use self::config::RetryConfig;
pub use self::event::RetryEvent;
pub use self::judge::{HttpRetry, HttpRetryBoxed, Judge, RetryAdvice, RetryIf, retry_if};
pub use self::layer::{Retry, RetryFuture, RetryLayer};
pub use self::policy::RetryPolicy;
pub use self::replay::{CloneBodies, Replay, ReplayBodies, ReplayBody, ReplayError};
