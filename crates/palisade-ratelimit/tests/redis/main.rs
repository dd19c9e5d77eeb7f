//! Limits in Redis, against servers that the tests start for themselves.

mod access;
#[cfg(feature = "calendar")]
mod calendar;
#[path = "../support/clock.rs"]
mod clock;
mod counting;
mod differential;
#[cfg(feature = "metrics")]
#[path = "../support/fake.rs"]
mod fake;
#[cfg(feature = "metrics")]
mod faults;
mod fleet;
mod leases;
#[path = "../support/logged.rs"]
mod logged;
#[cfg(feature = "metrics")]
#[path = "../support/recording.rs"]
mod recording;
mod refunds;
#[path = "../support/redis.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/through.rs"]
mod through;
