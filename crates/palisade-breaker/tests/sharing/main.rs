//! Sharing through a real Redis, which each test starts for itself. Real time, because Redis has no other.
#![cfg(feature = "redis")]

mod keys;
mod news;
mod nonsense;
#[path = "../common/redis.rs"]
mod redis_server;
