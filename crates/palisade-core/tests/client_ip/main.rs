//! The client's address.

mod cases;
mod model;
mod properties;
