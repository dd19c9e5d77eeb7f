//! The provider for Vault and OpenBao against a server in this process.

#![cfg(feature = "vault")]
#![allow(missing_docs, reason = "tests")]

mod kv;
mod leases;
mod login;
mod stand_in;
mod start;
mod wire;
