//! Retries.
#![cfg(feature = "retry")]

mod attempts;
mod bodies;
mod budget;
#[path = "../common/mod.rs"]
mod common;
mod refusals;
mod replay;
mod settings;
mod upstream;
mod waits;
