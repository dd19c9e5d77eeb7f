//! The contract of every layer: that of tower's services, state that is shared, and the servers that it fits.

#![allow(missing_docs, reason = "tests")]

mod layers;
mod servers;
mod service;
mod state;
