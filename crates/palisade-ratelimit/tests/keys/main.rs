//! The keys and policies of requests: addresses, claims, routes, and keys that are blocked.

mod addresses;
mod blocks;
mod choice;
#[cfg(feature = "redis")]
#[path = "../support/clock.rs"]
mod clock;
mod forms;
mod peers;
#[cfg(feature = "axum")]
mod routes;
#[cfg(feature = "redis")]
#[path = "../support/redis.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
