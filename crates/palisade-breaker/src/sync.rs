//! What the shared state locks and counts with. The loom tests compile that state with loom's twins in this place.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
