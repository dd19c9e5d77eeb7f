//! Requests to an issuer: for its keys, and for what it says of a token.
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
