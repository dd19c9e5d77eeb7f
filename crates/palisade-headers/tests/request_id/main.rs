//! The ids of requests.

mod accepted;
mod own;
