//! The states of a breaker: what opens and closes it, what a configuration sets, and what its events tell.

#[path = "../common/mod.rs"]
mod common;
mod config;
mod event_order;
mod rates;
mod recovery;
mod tripping;
