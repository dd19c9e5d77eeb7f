//! Where counts are kept. A store checks all counts of a request and then charges all of them, or none.

mod memory;
mod table;
#[cfg(test)]
mod tests;

pub use self::memory::Memory;
pub(crate) use self::memory::{Charge, MAX_CHARGES, Table, charge, charge_one};
