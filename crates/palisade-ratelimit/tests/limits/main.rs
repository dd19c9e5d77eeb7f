//! The limits themselves: what they admit, what sets them, and what gives charges back.

#[cfg(feature = "calendar")]
mod calendar;
#[cfg(feature = "serde")]
mod config;
mod details;
mod from_elsewhere;
#[cfg(feature = "governor")]
mod governor;
#[path = "../support/logged.rs"]
mod logged;
mod policies;
mod receipts;
mod replacing;
#[cfg(feature = "redis")]
#[path = "../support/redis.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "wait")]
mod waiting;
