//! Vectors that others have published, and tokens that other programs make and read.

mod algorithms;
mod cookbook;
mod key_sets;
mod python;
mod rfcs;
#[path = "../support/mod.rs"]
mod support;
mod wycheproof;
