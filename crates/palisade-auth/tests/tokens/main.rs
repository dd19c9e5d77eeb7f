//! Tokens: what passes, what does not, and what is issued.

mod forged;
mod identity;
mod issue;
mod issuers;
mod keys;
mod peer_defects;
mod providers;
mod revocation;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "testing")]
mod testing;
