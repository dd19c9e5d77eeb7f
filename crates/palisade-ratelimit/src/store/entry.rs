use super::set::{COMFORTABLE, LockedSet, ways};
use super::shard::Shard;
use super::slot::Slot;
use crate::limit::Word;
use crate::store::digest::HashedKey;

/// Says of a state whether its key is over a limit.
pub(crate) type Debt<'a> = &'a dyn Fn(&[Word]) -> bool;

/// The places of a key, taken or free, under their locks.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    Found(Slot<'a>),
    Vacant(Vacant<'a>),
}

/// Both sets of a key that has no slot, locked; its first one first.
#[derive(Debug)]
pub(crate) struct Vacant<'a> {
    pub(super) shard: &'a Shard,
    pub(super) sets: [LockedSet<'a>; 2],
}

/// A slot that a newcomer got.
#[derive(Debug)]
pub(crate) struct Claimed<'a> {
    pub(crate) slot: Slot<'a>,
    /// Whether a key that was not full had to make room for it.
    pub(crate) overflowed: bool,
}

impl<'a> Entry<'a> {
    /// The slot of a key that has one.
    pub(crate) fn found(self) -> Option<Slot<'a>> {
        match self {
            Self::Found(slot) => Some(slot),
            Self::Vacant(_) => None,
        }
    }

    /// The key's state, if it has a slot.
    pub(crate) fn state(&self) -> Option<&'a [Word]> {
        match self {
            Self::Found(slot) => Some(slot.state()),
            Self::Vacant(_) => None,
        }
    }

    /// The key's slot; one that it gets now holds zeros.
    pub(crate) fn claim(self, key: &HashedKey, now: u64, debt: Debt<'_>) -> Claimed<'a> {
        match self {
            Self::Found(slot) => Claimed {
                slot,
                overflowed: false,
            },
            Self::Vacant(vacant) => vacant.claim(key, now, debt),
        }
    }
}

impl Shard {
    /// The key's slot, or both of its sets where it has none.
    pub(super) fn entry(&self, key: &HashedKey) -> Entry<'_> {
        loop {
            if let Some(slot) = self.find(key) {
                return Entry::Found(slot);
            }
            if let Some([first, second]) = self.lock_both(key) {
                // Somebody may have brought the key between the look and the locks.
                return match (first.find(key), second.find(key)) {
                    (Some(way), _) => Entry::Found(Slot { set: first, way }),
                    (None, Some(way)) => Entry::Found(Slot { set: second, way }),
                    (None, None) => Entry::Vacant(Vacant {
                        shard: self,
                        sets: [first, second],
                    }),
                };
            }
        }
    }

    /// The same, after making room where the key's sets have none for it, as long as the shard may grow.
    pub(super) fn entry_to_claim(&self, key: &HashedKey, now: u64) -> Entry<'_> {
        loop {
            let entry = self.entry(key);
            let Entry::Vacant(vacant) = &entry else {
                return entry;
            };
            let Some(doublings) = self.may_grow().filter(|_| vacant.free(key, now).is_none())
            else {
                return entry;
            };
            // Growing takes all locks, in their order. A thread that holds one would wait for itself.
            drop(entry);
            self.grow(doublings, now);
        }
    }
}

impl<'a> Vacant<'a> {
    fn claim(self, key: &HashedKey, now: u64, debt: Debt<'_>) -> Claimed<'a> {
        let free = self.free(key, now);
        let free = free.or_else(|| self.make_room(key, now));
        let (number, way) = free.unwrap_or_else(|| {
            self.shard.count_overflow();
            self.spare(key, debt)
        });
        let [first, second] = self.sets;
        let set = if number == 0 { first } else { second };
        set.take(way, key);
        Claimed {
            slot: Slot { set, way },
            overflowed: free.is_none(),
        }
    }

    /// A free slot in the first set if that has several, or else in the emptier one: which of the two, and where in it.
    fn free(&self, key: &HashedKey, now: u64) -> Option<(usize, usize)> {
        let [first, second] = self.sets.each_ref().map(|set| set.free(key, now));
        let more = first.is_none_or(|(free, _)| {
            free < COMFORTABLE && second.is_some_and(|(other, _)| other > free)
        });
        if more {
            second.map(|(_, way)| (1, way))
        } else {
            first.map(|(_, way)| (0, way))
        }
    }

    /// A slot whose key could be moved to its other set, so that none is lost while there is room elsewhere.
    #[cold]
    fn make_room(&self, key: &HashedKey, now: u64) -> Option<(usize, usize)> {
        let mut slots = self.slots(key);
        slots.find(|(number, way)| self.shard.move_aside(&self.sets[*number], *way, now))
    }

    /// The slot whose key can best be spared: the soonest to be full again, and one that is over its limit only where
    /// all are. With windows every key that came once is full a whole window later, whether it is in debt or not.
    #[cold]
    fn spare(&self, key: &HashedKey, debt: Debt<'_>) -> (usize, usize) {
        let rank = |(number, way): &(usize, usize)| {
            let set = &self.sets[*number];
            let in_debt = set.own_debt(*way).unwrap_or_else(|| debt(set.state(*way)));
            (in_debt, set.full_at(*way))
        };
        self.slots(key).min_by_key(rank).unwrap_or((0, 0))
    }

    /// The slots that the key may take: which of the two sets, and where in it.
    fn slots(&self, key: &HashedKey) -> impl Iterator<Item = (usize, usize)> + use<> {
        let ways = ways(key.claimed);
        (0..2).flat_map(move |number| ways.clone().map(move |way| (number, way)))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
