use std::iter;
use std::sync::OnceLock;

use super::place::{MOST_DOUBLINGS, Place};
use super::set::{COMFORTABLE, LockedSet, Set, WAYS, ways};
use super::slot::Slot;
use crate::limit::Word;
use crate::store::digest::{HashedKey, SlotHasher};
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, lock};

/// One shard of a bounded table of keys.
///
/// A key may lie in either of two sets. A newcomer goes to the first while that has room to spare, or else where more
/// room is: with two choices hardly a set is full before the table is (Azar et al., "Balanced allocations"). Where both
/// are, a key of theirs moves to its other set (Pagh and Rodler, "Cuckoo hashing", one step of it). A slot whose limits
/// have refilled carries no information, and so is free. Nothing is ever taken out; slots are overwritten.
///
/// A shard grows by doubling, as in linear hashing (Litwin, 1980): sets are numbered `column + columns * row`, a key's
/// column never changes, and one more bit of its hash says whether it stays in its row or goes to the new one above it.
/// So nothing that is there moves in memory, and a look-up of a key takes no lock but that of its set.
#[derive(Debug)]
pub(super) struct Shard {
    columns: u32,
    most_doublings: u32,
    state_words: usize,
    slot_hasher: SlotHasher,
    /// The number of times that the rows have been doubled. Written with all sets locked: under the lock of one it stays.
    doublings: AtomicU32,
    /// The first has one row, and each further one as many as all before it.
    segments: Box<[OnceLock<Segment>]>,
    growing: Mutex<()>,
    overflowed: AtomicU64,
}

/// Sets and their states, which have none where they are one word.
#[derive(Debug)]
struct Segment {
    sets: Box<[Set]>,
    states: Box<[Word]>,
    /// The number of states of one set.
    states_of_set: usize,
}

/// There are at least so many columns, so that some number of columns, doubled, comes near any number of sets.
const LEAST_COLUMNS: usize = 8;

impl Shard {
    /// A shard with room for `most_slots`, that starts small unless `preallocate`.
    pub(super) fn new(
        state_words: usize,
        slot_hasher: SlotHasher,
        most_slots: usize,
        preallocate: bool,
    ) -> Self {
        let most_sets = most_slots
            .div_ceil(WAYS)
            .clamp(2, LEAST_COLUMNS << MOST_DOUBLINGS);
        let most_doublings = (most_sets / LEAST_COLUMNS).checked_ilog2().unwrap_or(0);
        let columns = most_sets.div_ceil(1 << most_doublings);
        let shard = Self {
            columns: u32::try_from(columns).unwrap_or(u32::MAX),
            most_doublings,
            state_words,
            slot_hasher,
            doublings: AtomicU32::new(if preallocate { most_doublings } else { 0 }),
            segments: (0..=most_doublings).map(|_| OnceLock::new()).collect(),
            growing: Mutex::default(),
            overflowed: AtomicU64::default(),
        };
        // Loom does not see what a `OnceLock` orders.
        if preallocate || cfg!(loom) {
            shard.sets(most_doublings).for_each(drop);
        }
        shard
    }

    /// The key's slot, locked; `None` when it has none, or when it moved while this was looking.
    #[inline]
    pub(super) fn find(&self, key: &HashedKey) -> Option<Slot<'_>> {
        let doublings = self.doublings.load(Ordering::Acquire);
        let (first, second) = Place::both(key, self.columns);
        let (mut segment, mut at) = self.locate(first, doublings);
        let mut way = segment.sets[at].find(key);
        if way.is_none() {
            (segment, at) = self.locate(second, doublings);
            way = segment.sets[at].find(key);
        }
        let way = way?;
        let set = segment.lock(at);
        let still = set.holds(key, way) && self.doublings.load(Ordering::Relaxed) == doublings;
        still.then_some(Slot { set, way })
    }

    /// Both sets of a key, locked in one order; `None` when the shard grew meanwhile.
    pub(super) fn lock_both(&self, key: &HashedKey) -> Option<[LockedSet<'_>; 2]> {
        let doublings = self.doublings.load(Ordering::Acquire);
        let (first, second) = Place::both(key, self.columns);
        let number = |place: Place| place.number(self.columns, doublings);
        let lock = |place: Place| {
            let (segment, at) = self.locate(place, doublings);
            segment.lock(at)
        };
        let (first, second) = if number(first) < number(second) {
            let first = lock(first);
            (first, lock(second))
        } else {
            let second = lock(second);
            (lock(first), second)
        };
        if self.doublings.load(Ordering::Relaxed) != doublings {
            return None;
        }
        Some([first, second])
    }

    /// The number of times that the rows have been doubled, where they may be once more.
    pub(super) fn may_grow(&self) -> Option<u32> {
        let doublings = self.doublings.load(Ordering::Relaxed);
        (doublings < self.most_doublings).then_some(doublings)
    }

    /// Doubles the rows, unless somebody else did. The keys that are full are left behind.
    ///
    /// A shard that is at its most has twice the room that was asked for, and so it gets there before it holds that.
    #[cold]
    pub(super) fn grow(&self, doublings: u32, now: u64) {
        let _alone = lock(&self.growing);
        if self.doublings.load(Ordering::Relaxed) != doublings {
            return;
        }
        self.segment(doublings + 1);
        let sets: Vec<_> = self
            .sets(doublings + 1)
            .map(|(segment, at)| segment.lock(at))
            .collect();
        let (old, new) = sets.split_at(sets.len() / 2);
        for (number, (set, above)) in old.iter().zip(new).enumerate() {
            for way in set.live(now) {
                let key = self.key(set, way);
                let (first, second) = Place::both(&key, self.columns);
                let is_first = first.column == number as u32 % self.columns;
                let place = if is_first { first } else { second };
                if place.rises(doublings) {
                    set.move_to(above, &key, way, way);
                }
            }
        }
        self.bring_home(&sets, doublings + 1, now);
        self.doublings.store(doublings + 1, Ordering::Release);
    }

    /// Moves keys from their second set to the first, where that has become comfortable.
    fn bring_home(&self, sets: &[LockedSet<'_>], doublings: u32, now: u64) {
        for (number, set) in sets.iter().enumerate() {
            for way in set.live(now) {
                let key = self.key(set, way);
                let (first, _) = Place::both(&key, self.columns);
                let first = first.number(self.columns, doublings);
                if first != number
                    && let Some((free, to)) = sets[first].free(&key, now)
                    && free >= COMFORTABLE
                {
                    set.move_to(&sets[first], &key, way, to);
                }
            }
        }
    }

    /// Moves a key to the other one of its sets, if that has a free slot and its lock is to be had at once: the caller
    /// holds locks already, and who waits for one out of their order may wait for ever.
    pub(super) fn move_aside(&self, set: &LockedSet<'_>, way: usize, now: u64) -> bool {
        let key = self.key(set, way);
        let doublings = self.doublings.load(Ordering::Relaxed);
        let (first, second) = Place::both(&key, self.columns);
        let (mut segment, mut at) = self.locate(first, doublings);
        if set.is_lock_of(&segment.sets[at]) {
            (segment, at) = self.locate(second, doublings);
        }
        let Some(other) = segment.try_lock(at) else {
            return false;
        };
        let free = other.free(&key, now);
        if let Some((_, to)) = free {
            set.move_to(&other, &key, way, to);
        }
        free.is_some()
    }

    /// The key in a slot. A key that is not claimed may be taken for one that is.
    pub(super) fn key(&self, set: &LockedSet<'_>, way: usize) -> HashedKey {
        let (low, high) = set.digest(way);
        HashedKey {
            low,
            high,
            slot_hash: self.slot_hasher.hash(low, high),
            claimed: ways(true).contains(&way),
        }
    }

    /// The segment in which a place lies, and where in it.
    #[inline]
    fn locate(&self, place: Place, doublings: u32) -> (&Segment, usize) {
        let row = place.row(doublings);
        let segment = u32::BITS - row.leading_zeros();
        let first_row = (1_u32 << segment) >> 1;
        let at = place.column + self.columns * (row - first_row);
        (self.segment(segment), at as usize)
    }

    #[inline]
    fn segment(&self, number: u32) -> &Segment {
        self.segments[number as usize].get_or_init(|| {
            let rows = ((1_usize << number) >> 1).max(1);
            Segment::new(rows * self.columns as usize, self.state_words)
        })
    }

    /// Every set, in the order of their numbers.
    fn sets(&self, doublings: u32) -> impl Iterator<Item = (&Segment, usize)> {
        let segments = (0..=doublings).map(|number| self.segment(number));
        segments.flat_map(|segment| iter::repeat(segment).zip(0..segment.sets.len()))
    }

    /// Shows every set, locked in its turn.
    #[cfg(feature = "redis")]
    pub(super) fn each(&self, mut see: impl FnMut(LockedSet<'_>)) {
        let _as_it_is = lock(&self.growing);
        let doublings = self.doublings.load(Ordering::Relaxed);
        self.sets(doublings)
            .for_each(|(segment, at)| see(segment.lock(at)));
    }

    /// The number of keys that are not full.
    pub(super) fn live(&self, now: u64) -> usize {
        let sets = self.sets(self.doublings.load(Ordering::Acquire));
        sets.map(|(segment, at)| segment.sets[at].live(now)).sum()
    }

    /// Counts that a key that was not full had to make room for another.
    pub(super) fn count_overflow(&self) {
        self.overflowed.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of times that it was.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Bytes that the shard holds.
    pub(super) fn bytes(&self) -> usize {
        let segments = self.doublings.load(Ordering::Relaxed) as usize + 1;
        let segments = self.segments.iter().take(segments);
        segments
            .filter_map(OnceLock::get)
            .map(|segment| size_of_val(&*segment.sets) + size_of_val(&*segment.states))
            .sum()
    }
}

impl Segment {
    fn new(sets: usize, state_words: usize) -> Self {
        let states_of_set = if state_words > 1 {
            WAYS * state_words
        } else {
            0
        };
        let states = 0..sets * states_of_set;
        Self {
            sets: (0..sets).map(|_| Set::new()).collect(),
            states: states.map(|_| Word::default()).collect(),
            states_of_set,
        }
    }

    #[inline]
    fn lock(&self, at: usize) -> LockedSet<'_> {
        self.sets[at].lock(self.states(at))
    }

    fn try_lock(&self, at: usize) -> Option<LockedSet<'_>> {
        self.sets[at].try_lock(self.states(at))
    }

    #[inline]
    fn states(&self, at: usize) -> &[Word] {
        &self.states[at * self.states_of_set..][..self.states_of_set]
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
