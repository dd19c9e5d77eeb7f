use std::sync::PoisonError;

use super::table::{Shape, Shard};
use crate::digest::{HashedKey, Spots};
use crate::sync::{Mutex, MutexGuard};

/// A bounded table in shards, each under a lock of its own.
pub(crate) struct Keys(Box<[Padded]>);

/// Keeps shards on cache lines of their own; two lines, because processors fetch them in pairs.
#[repr(align(128))]
struct Padded(Mutex<Shard>);

/// So many shards that two threads seldom meet, and few enough to be small.
const MOST_SHARDS: usize = 64;
/// A shard has at least so many slots, so that keys spread evenly.
const LEAST_SLOTS: usize = 512;

impl Keys {
    /// A table of at least `capacity` keys with so many words of state each.
    pub(crate) fn new(words: usize, spots: Spots, capacity: usize, preallocate: bool) -> Self {
        // Twice what was asked for, so that no two sets of a key are ever full before `capacity` keys are in use.
        let slots = capacity.saturating_mul(2).saturating_add(64);
        let shards = (slots / LEAST_SLOTS)
            .clamp(1, MOST_SHARDS)
            .next_power_of_two();
        let shape = Shape::new(words);
        let shard = || {
            Padded(Mutex::new(Shard::new(
                shape,
                spots,
                slots.div_ceil(shards),
                preallocate,
            )))
        };
        Self((0..shards).map(|_| shard()).collect())
    }

    /// The shard in which a key lies, locked.
    #[inline]
    pub(crate) fn shard(&self, key: &HashedKey) -> MutexGuard<'_, Shard> {
        // The top bits; a shard places its keys by the lower ones.
        let number = (key.spot >> 57) as usize & (self.0.len() - 1);
        lock(&self.0[number])
    }

    /// The sum over all shards, each locked in its turn.
    pub(crate) fn sum<T: std::iter::Sum>(&self, read: impl Fn(&Shard) -> T) -> T {
        self.0.iter().map(|shard| read(&lock(shard))).sum()
    }

    /// Every shard, locked in its turn.
    #[cfg(feature = "redis")]
    pub(crate) fn each(&self, mut see: impl FnMut(&mut Shard)) {
        self.0.iter().for_each(|shard| see(&mut lock(shard)));
    }
}

#[inline]
fn lock(shard: &Padded) -> MutexGuard<'_, Shard> {
    shard.0.lock().unwrap_or_else(PoisonError::into_inner)
}
