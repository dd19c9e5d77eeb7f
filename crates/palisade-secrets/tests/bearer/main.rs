//! Requests that carry a secret as their token.

mod attempts;
#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "reqwest")]
mod reqwest_client;
mod waits;
