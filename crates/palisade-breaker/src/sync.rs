//! The locks and atomics of the shared state. The loom tests compile that state with loom's types in this place.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
