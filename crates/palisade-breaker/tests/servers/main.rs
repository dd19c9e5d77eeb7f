//! Real servers, real clients, and so real time.

mod recovering;
#[cfg(feature = "reqwest")]
mod reqwest_client;
mod reservations;
mod tonic_server;
#[cfg(all(feature = "hyper", feature = "retry"))]
mod unprocessed;
#[cfg(feature = "hyper")]
mod uploads;
#[path = "../common/upstream.rs"]
mod upstream;
