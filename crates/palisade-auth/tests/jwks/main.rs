//! What is asked of an issuer: its keys, and what it says of its tokens.
#![cfg(feature = "jwks")]

mod fetches;
#[cfg(feature = "introspection")]
mod introspection;
mod outages;
mod source;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "client")]
mod url;
