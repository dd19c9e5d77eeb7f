//! State in Redis, against servers that the tests start for themselves.

mod api_keys;
mod cluster;
mod refresh;
mod revocation;
#[cfg(feature = "websocket")]
mod session_ends;
#[cfg(feature = "websocket")]
mod sessions;
mod settings;
mod stores;
#[path = "../support/mod.rs"]
mod support;
