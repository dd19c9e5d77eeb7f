//! A breaker for each key.

mod bound;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod keys;
mod separate;
