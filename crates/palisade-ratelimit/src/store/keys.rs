use super::entry::Entry;
use super::shard::Shard;
use super::slot::Slot;
use crate::store::digest::{HashedKey, SlotHasher};

#[cfg(feature = "redis")]
use super::set::LockedSet;

/// A bounded table in shards, each of which grows by itself.
pub(crate) struct Keys(Box<[Shard]>);

/// So many shards that the requests to one of them wait only shortly while it grows.
const MOST_SHARDS: usize = 64;
/// A shard has at least so many slots, so that keys spread evenly.
const LEAST_SLOTS: usize = 512;

impl Keys {
    /// A table of at least `capacity` keys with so many words of state each.
    pub(crate) fn new(
        words: usize,
        slot_hasher: SlotHasher,
        capacity: usize,
        preallocate: bool,
    ) -> Self {
        // Twice what was asked for, so that no two sets of a key are ever full before `capacity` keys are in use.
        let slots = capacity.saturating_mul(2).saturating_add(64);
        let shards = (slots / LEAST_SLOTS)
            .clamp(1, MOST_SHARDS)
            .next_power_of_two();
        let shard = || Shard::new(words, slot_hasher, slots.div_ceil(shards), preallocate);
        Self((0..shards).map(|_| shard()).collect())
    }

    /// A key's slot, almost always: it may be missed where the table grows meanwhile.
    #[inline]
    pub(crate) fn find_fast(&self, key: &HashedKey) -> Option<Slot<'_>> {
        self.shard(key).find(key)
    }

    /// A key's slot.
    pub(crate) fn find(&self, key: &HashedKey) -> Option<Slot<'_>> {
        self.shard(key).entry(key).found()
    }

    /// The places of a key, taken or free.
    pub(crate) fn entry(&self, key: &HashedKey) -> Entry<'_> {
        self.shard(key).entry(key)
    }

    /// The same, for a key that is to get a slot where it has none.
    pub(crate) fn entry_to_claim(&self, key: &HashedKey, now: u64) -> Entry<'_> {
        self.shard(key).entry_to_claim(key, now)
    }

    /// The slot of a key, for which any other may have to make room: for keys of which none is worth more than another.
    #[cfg(feature = "redis")]
    pub(crate) fn claim(&self, key: &HashedKey, now: u64) -> Slot<'_> {
        let entry = self.entry_to_claim(key, now);
        entry.claim(key, now, &|_| false).slot
    }

    #[inline]
    fn shard(&self, key: &HashedKey) -> &Shard {
        // The top bits; a shard places its keys by the lower ones.
        &self.0[(key.slot_hash >> 57) as usize & (self.0.len() - 1)]
    }

    /// Shows every key that is not full.
    #[cfg(feature = "redis")]
    pub(crate) fn each_live(
        &self,
        now: u64,
        mut see: impl FnMut(HashedKey, &LockedSet<'_>, usize),
    ) {
        for shard in &self.0 {
            shard.each(|set| {
                for way in set.live(now) {
                    see(shard.key(&set, way), &set, way);
                }
            });
        }
    }

    /// The number of keys that are not full.
    pub(crate) fn live(&self, now: u64) -> usize {
        self.0.iter().map(|shard| shard.live(now)).sum()
    }

    /// The number of keys that had to make room for another although they were not full.
    pub(crate) fn overflowed(&self) -> u64 {
        self.0.iter().map(Shard::overflowed).sum()
    }

    /// Bytes that the table holds.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(Shard::bytes).sum()
    }
}
