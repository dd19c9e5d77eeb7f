//! Sessions, refresh tokens and WebSockets, with what ends them.

#[cfg(feature = "websocket")]
mod ended;
mod house;
mod issued;
mod refresh;
mod revoked;
mod session;
#[path = "../support/mod.rs"]
mod support;
mod tickets;
mod websocket;
