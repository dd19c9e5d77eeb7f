//! The answers that clients read, and the metrics that operators see.

mod listed_limits;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "metrics")]
#[path = "../support/recording.rs"]
mod recording;
mod requests;
#[cfg(feature = "redis")]
#[path = "../support/redis.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
#[cfg(all(feature = "axum", feature = "tonic"))]
mod wire;
