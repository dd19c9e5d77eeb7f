//! Helpers of the tests that cross crates: a hostile service, and real servers to put layers into.

pub mod hostile;
pub mod proxy;
pub mod redis;
pub mod rpc;
pub mod servers;
