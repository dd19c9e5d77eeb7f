//! A configuration of the whole stack, from a file and from variables.

mod environment;
mod mistakes;
mod reloads;
#[cfg(feature = "schema")]
mod schema;
mod secrecy;
mod support;
mod switches;
