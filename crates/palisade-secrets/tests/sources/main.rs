//! Secrets from their providers: the start, the cache, files, and what is bounded.

mod bounds;
mod cache;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod files;
mod start;
#[cfg(unix)]
mod vanished_mount;
