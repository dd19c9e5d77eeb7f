use crate::limit::Word;
use crate::store::digest::HashedKey;
use crate::sync::{Mutex, MutexGuard, lock, try_lock};

/// The number of slots of a set: so many that its lock and their times fill one cache line.
pub(super) const WAYS: usize = 7;
/// Slots from here on hold no claimed key, so that claimed keys hold less than half of the table.
const CLAIMED_WAYS: usize = WAYS / 2;
/// With so many free slots a key's first set takes it, so that most keys are found at the first look.
pub(super) const COMFORTABLE: usize = 3;
/// 64-bit words per cache line.
const LINE: usize = 8;
/// Both halves of no key's digest: of an address this is the one of all ones, which nobody has. Zeros are that of `::1`'s
/// network.
const NOBODY: u64 = u64::MAX;

/// Seven slots under one lock.
///
/// A request writes to the first line alone, so that two processors that ask for different keys take one line from each
/// other at most. The lines with the digests are read by all, and written when a slot changes its key.
///
/// | line | |
/// |---|---|
/// | 1 | the lock, and when each slot is full again; where the state is one word it is that time |
/// | 2 | low halves of the digests, and which keys have a quota of their own or are over it |
/// | 3 | high halves |
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Set {
    lock: Mutex<()>,
    full_at: [Word; WAYS],
    low: [Word; LINE],
    high: [Word; LINE],
}

impl Set {
    pub(super) fn new() -> Self {
        let nobody = || [const { Word::new(NOBODY) }; LINE];
        let low = nobody();
        low[WAYS].set(0);
        Self {
            lock: Mutex::default(),
            full_at: Default::default(),
            low,
            high: nobody(),
        }
    }

    /// The slot of the key. Without the lock this is a guess: look again under it.
    #[inline]
    pub(super) fn find(&self, key: &HashedKey) -> Option<usize> {
        // Without a branch for each way. One half would not do: networks of IPv6 have the lower one in common.
        let mut same = 0_u8;
        for way in 0..WAYS {
            let differs = (self.low[way].get() ^ key.low) | (self.high[way].get() ^ key.high);
            same |= u8::from(differs == 0) << way;
        }
        (same != 0).then(|| same.trailing_zeros() as usize)
    }

    /// Takes the lock. `states` are those of this set, none where the state is one word.
    #[inline]
    pub(super) fn lock<'a>(&'a self, states: &'a [Word]) -> LockedSet<'a> {
        LockedSet {
            _lock: lock(&self.lock),
            set: self,
            states,
        }
    }

    /// Takes the lock if nobody holds it.
    pub(super) fn try_lock<'a>(&'a self, states: &'a [Word]) -> Option<LockedSet<'a>> {
        Some(LockedSet {
            _lock: try_lock(&self.lock)?,
            set: self,
            states,
        })
    }

    /// The number of slots that are not full. Without the lock, and so an estimate while others write.
    pub(super) fn live(&self, now: u64) -> usize {
        let full_at = self.full_at.iter();
        full_at.filter(|full_at| full_at.get() > now).count()
    }
}

/// A set whose lock is held.
#[derive(Debug)]
pub(crate) struct LockedSet<'a> {
    set: &'a Set,
    states: &'a [Word],
    _lock: MutexGuard<'a, ()>,
}

impl<'a> LockedSet<'a> {
    #[inline]
    pub(super) fn find(&self, key: &HashedKey) -> Option<usize> {
        self.set.find(key)
    }

    #[inline]
    pub(super) fn holds(&self, key: &HashedKey, way: usize) -> bool {
        self.digest(way) == (key.low, key.high)
    }

    /// The state in a slot; when it was written call [`settle`](Self::settle).
    #[inline]
    pub(crate) fn state(&self, way: usize) -> &'a [Word] {
        let words = self.states.len() / WAYS;
        if words == 0 {
            std::slice::from_ref(&self.set.full_at[way])
        } else {
            &self.states[way * words..][..words]
        }
    }

    #[inline]
    pub(super) fn full_at(&self, way: usize) -> u64 {
        self.set.full_at[way].get()
    }

    /// Notes when a slot is full again.
    #[inline]
    pub(super) fn settle(&self, way: usize, full_at: u64) {
        self.set.full_at[way].set(full_at);
    }

    /// Gives a slot to a key, with a state of zeros.
    pub(super) fn take(&self, way: usize, key: &HashedKey) {
        self.set.low[way].set(key.low);
        self.set.high[way].set(key.high);
        self.clear(way);
    }

    /// A state of zeros.
    pub(crate) fn clear(&self, way: usize) {
        self.state(way).iter().for_each(|word| word.set(0));
        self.settle(way, 0);
        if self.own_debt(way).is_some() {
            self.mark(way, None);
        }
    }

    /// Whether the key in a slot was over a quota of its own when it was charged last; `None` where it has none.
    pub(super) fn own_debt(&self, way: usize) -> Option<bool> {
        let bits = self.set.low[WAYS].get() >> (2 * way);
        (bits & 1 == 1).then_some(bits & 2 == 2)
    }

    /// Notes that.
    pub(super) fn mark(&self, way: usize, own_debt: Option<bool>) {
        let bits = own_debt.map_or(0, |debt| 1 | u64::from(debt) << 1);
        self.set.low[WAYS].update(|all| all & !(3 << (2 * way)) | bits << (2 * way));
    }

    /// The low and the high half of the digest in a slot.
    #[inline]
    pub(super) fn digest(&self, way: usize) -> (u64, u64) {
        (self.set.low[way].get(), self.set.high[way].get())
    }

    /// The slots that are not full.
    pub(super) fn live(&self, now: u64) -> impl Iterator<Item = usize> {
        (0..WAYS).filter(move |way| self.full_at(*way) > now)
    }

    /// The number of slots that are free for the key, and the one that it prefers. Keys that are not claimed leave the
    /// lower ways to those that are.
    pub(super) fn free(&self, key: &HashedKey, now: u64) -> Option<(usize, usize)> {
        let free = ways(key.claimed).filter(|way| self.full_at(*way) <= now);
        free.fold(None, |found: Option<(usize, usize)>, way| {
            Some((1 + found.map_or(0, |(count, _)| count), way))
        })
    }

    pub(super) fn is_lock_of(&self, set: &Set) -> bool {
        std::ptr::eq(self.set, set)
    }

    /// Moves a key into a slot of another set. None of it stays here: a key that came back to this set would be found in
    /// the slot that it had before, with a state of zeros.
    pub(super) fn move_to(&self, other: &LockedSet<'_>, key: &HashedKey, way: usize, to: usize) {
        other.take(to, key);
        for (word, from) in other.state(to).iter().zip(self.state(way)) {
            word.set(from.get());
        }
        other.settle(to, self.full_at(way));
        other.mark(to, self.own_debt(way));
        self.set.low[way].set(NOBODY);
        self.set.high[way].set(NOBODY);
        self.clear(way);
    }
}

/// The ways that a key may take.
pub(super) fn ways(claimed: bool) -> std::ops::Range<usize> {
    0..if claimed { CLAIMED_WAYS } else { WAYS }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(claimed: bool) -> HashedKey {
        HashedKey {
            low: 7,
            high: 0,
            slot_hash: 0,
            claimed,
        }
    }

    proptest! {
        #[test]
        fn a_mark_is_of_one_slot_alone(
            marks in prop::collection::vec((0..WAYS, any::<Option<bool>>()), 0..40),
        ) {
            let set = Set::new();
            let set = set.lock(&[]);
            let mut known = [None; WAYS];
            for (way, own_debt) in marks {
                set.mark(way, own_debt);
                known[way] = own_debt;
                prop_assert_eq!(std::array::from_fn(|way| set.own_debt(way)), known);
            }
        }
    }

    #[test]
    fn free_slots_are_those_that_are_full_again_and_the_last_is_preferred() {
        for taken in 0..=WAYS {
            let set = Set::new();
            let set = set.lock(&[]);
            for way in 0..taken {
                set.settle(way, 10);
            }
            for (claimed, ways) in [(false, WAYS), (true, CLAIMED_WAYS)] {
                let free = ways.checked_sub(taken).filter(|free| *free > 0);
                let expected = free.map(|free| (free, ways - 1));
                assert_eq!(set.free(&key(claimed), 9), expected, "{taken} {claimed}");
                assert_eq!(set.free(&key(claimed), 10), Some((ways, ways - 1)));
            }
        }
    }

    #[test]
    fn a_key_that_has_moved_is_in_one_set() {
        let key = key(false);
        let sets = [Set::new(), Set::new()];
        let [first, second] = sets.each_ref().map(|set| set.lock(&[]));
        first.take(2, &key);
        first.settle(2, 9);
        first.move_to(&second, &key, 2, 5);
        assert_eq!((first.find(&key), second.find(&key)), (None, Some(5)));
        assert_eq!((first.full_at(2), second.full_at(5)), (0, 9));
        second.move_to(&first, &key, 5, 6);
        assert_eq!((first.find(&key), second.find(&key)), (Some(6), None));
    }
}

#[cfg(all(test, target_os = "linux", not(loom)))]
#[test]
fn a_set_is_three_cache_lines() {
    assert_eq!(size_of::<Set>(), 3 * LINE * size_of::<u64>());
    assert_eq!(std::mem::offset_of!(Set, low), LINE * size_of::<u64>());
}
