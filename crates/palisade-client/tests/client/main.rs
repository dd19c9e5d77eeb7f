//! The client against servers on loopback that the tests script byte by byte.

#![allow(missing_docs, reason = "tests")]

mod exchange;
mod guard;
mod limits;
mod server;
mod tls;
