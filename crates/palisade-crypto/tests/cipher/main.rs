//! Sealed values: their form, their keys, and the documents that they stand in.

mod envelope;
mod format;
mod index;
mod keyrings;
mod keys;
mod keyset;
#[path = "../model/mod.rs"]
mod model;
mod moving;
mod properties;
mod rotation;
mod untyped;
