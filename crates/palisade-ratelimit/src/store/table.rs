use std::hint::select_unpredictable;
use std::num::NonZeroUsize;

use crate::digest::{HashedKey, Spots};

/// How many slots share a set.
const WAYS: usize = 8;
/// Slots from here on hold no claimed key, so that claimed keys hold at most half of the table.
const CLAIMED_WAYS: usize = WAYS / 2;

/// One shard of a bounded table of keys.
///
/// A key may lie in either of two sets of eight slots, and a newcomer goes where more room is: with two choices no set
/// overflows before the table is full (Azar et al., "Balanced allocations"). A slot whose limits have refilled carries
/// no information, and so is free. Nothing is ever taken out; slots are overwritten.
///
/// A byte of each key's hash, its tag, lies apart from the slots, eight tags of a set in one word: so a set is searched
/// in one step, and of a large table little more than the slot itself is read. A slot lies in one piece:
///
/// | words | |
/// |---|---|
/// | 2 | the digest, low half and high half |
/// | 1 | when the slot is full again; left out where the state is one word, which is that time |
/// | state | the state |
#[derive(Debug)]
pub(crate) struct Shard {
    /// A word for each set.
    tags: Vec<u64>,
    slots: Vec<u64>,
    most_sets: NonZeroUsize,
    shape: Shape,
    spots: Spots,
    overflowed: u64,
}

/// Says of a state whether its key is over a limit.
pub(crate) type Debt<'a> = &'a dyn Fn(&[u64]) -> bool;

/// How a slot is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    state: usize,
}

/// Where a slot says when it is full again; with one word of state that word is the time, and lies in the same place.
const FULL_AT: usize = 2;

impl Shape {
    pub(crate) const fn new(state_words: usize) -> Self {
        Self { state: state_words }
    }

    /// Whether the time of being full again is kept beside the state.
    const fn keeps_full_at(self) -> bool {
        self.state > 1
    }

    const fn state_at(self) -> usize {
        if self.keeps_full_at() {
            FULL_AT + 1
        } else {
            FULL_AT
        }
    }

    const fn slot_words(self) -> usize {
        self.state_at() + self.state
    }
}

/// Where a key's state lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    set: usize,
    way: usize,
}

impl Slot {
    /// The first way of a set that is marked by the top bit of its byte.
    #[inline]
    const fn first_of(set: usize, marks: u64) -> Option<Self> {
        if marks == 0 {
            return None;
        }
        let way = marks.trailing_zeros() as usize / 8;
        Some(Self { set, way })
    }
}

/// How many sets a shard starts with, unless it is preallocated.
const FIRST_SETS: usize = 4;

impl Shard {
    /// A shard with room for `most_slots`, that starts small unless `preallocate`.
    pub(crate) fn new(shape: Shape, spots: Spots, most_slots: usize, preallocate: bool) -> Self {
        let most_sets = NonZeroUsize::new(most_slots.div_ceil(WAYS)).unwrap_or(NonZeroUsize::MIN);
        let sets = if preallocate {
            most_sets.get()
        } else {
            FIRST_SETS.min(most_sets.get())
        };
        Self {
            tags: vec![0; sets],
            slots: vec![0; sets * WAYS * shape.slot_words()],
            most_sets,
            shape,
            spots,
            overflowed: 0,
        }
    }

    /// The slot that holds the key.
    #[inline]
    pub(crate) fn find(&self, key: &HashedKey) -> Option<Slot> {
        let [first, second] = self.candidates(key);
        let [here, there] = [self.alike(first, key), self.alike(second, key)];
        // In which of the two a key lies nobody can foretell, a branch as little as anybody.
        let (set, alike) = select_unpredictable(here != 0, (first, here), (second, there));
        let slot = Slot::first_of(set, alike)?;
        if self.holds(slot, key) {
            return Some(slot);
        }
        self.find_among(first, here, key)
            .or_else(|| self.find_among(second, there, key))
    }

    /// The ways of a set whose tag is the key's, each as the top bit of its byte.
    #[inline]
    fn alike(&self, set: usize, key: &HashedKey) -> u64 {
        zero_bytes(self.tags[set] ^ (LOW_BITS * tag(key)))
    }

    #[inline]
    fn holds(&self, slot: Slot, key: &HashedKey) -> bool {
        matches!(self.words(slot), [low, high, ..] if (*low, *high) == (key.low, key.high))
    }

    /// The same among the ways of a set whose tags are alike.
    #[cold]
    fn find_among(&self, set: usize, mut alike: u64, key: &HashedKey) -> Option<Slot> {
        while let Some(slot) = Slot::first_of(set, alike) {
            if self.holds(slot, key) {
                return Some(slot);
            }
            alike &= alike - 1;
        }
        None
    }

    #[inline]
    fn words(&self, slot: Slot) -> &[u64] {
        let width = self.shape.slot_words();
        let at = (slot.set * WAYS + slot.way) * width;
        &self.slots[at..at + width]
    }

    #[inline]
    fn words_mut(&mut self, slot: Slot) -> &mut [u64] {
        let width = self.shape.slot_words();
        let at = (slot.set * WAYS + slot.way) * width;
        &mut self.slots[at..at + width]
    }

    /// The state in a slot.
    #[inline]
    pub(crate) fn state(&self, slot: Slot) -> &[u64] {
        &self.words(slot)[self.shape.state_at()..]
    }

    /// The state in a slot, to be written; then call [`settle`](Self::settle).
    #[inline]
    pub(crate) fn state_mut(&mut self, slot: Slot) -> &mut [u64] {
        let at = self.shape.state_at();
        &mut self.words_mut(slot)[at..]
    }

    /// Notes when a slot is full again.
    #[inline]
    pub(crate) fn settle(&mut self, slot: Slot, full_at: u64) {
        if self.shape.keeps_full_at() {
            self.words_mut(slot)[FULL_AT] = full_at;
        }
    }

    #[inline]
    fn full_at(&self, slot: Slot) -> u64 {
        self.words(slot)[FULL_AT]
    }

    fn sets(&self) -> usize {
        self.tags.len()
    }

    /// A slot for a key that has none, with a state of zeros.
    ///
    /// Takes a free slot, or grows, or else overwrites the key that can best be spared.
    pub(crate) fn claim(&mut self, key: &HashedKey, now: u64, debt: Debt<'_>) -> Slot {
        let slot = loop {
            if let Some(slot) = self.free_slot(key, now) {
                break slot;
            }
            if self.sets() >= self.most_sets.get() {
                self.overflowed += 1;
                break self.spare(key, debt);
            }
            self.grow(now, debt);
        };
        self.take(slot, key);
        slot
    }

    fn take(&mut self, slot: Slot, key: &HashedKey) {
        let shift = 8 * slot.way;
        let others = self.tags[slot.set] & !(0xff << shift);
        self.tags[slot.set] = others | tag(key) << shift;
        let words = self.words_mut(slot);
        words.fill(0);
        words[0] = key.low;
        words[1] = key.high;
    }

    /// A free slot in the emptier of the two sets. Keys that are not claimed leave the lower ways to those that are.
    fn free_slot(&self, key: &HashedKey, now: u64) -> Option<Slot> {
        let mut best: Option<(usize, Slot)> = None;
        for set in self.candidates(key) {
            let mut free = 0;
            let mut last = None;
            for slot in ways(key).map(|way| Slot { set, way }) {
                if self.full_at(slot) <= now {
                    free += 1;
                    last = Some(slot);
                }
            }
            if let Some(slot) = last
                && best.is_none_or(|(most, _)| free > most)
            {
                best = Some((free, slot));
            }
        }
        best.map(|(_, slot)| slot)
    }

    /// The slot whose key can best be spared: the soonest to be full again, and one that is over its limit only where
    /// all are. With windows every key that came once is full a whole window later, whether it is in debt or not.
    #[cold]
    fn spare(&self, key: &HashedKey, debt: Debt<'_>) -> Slot {
        let rank = |slot: &Slot| (debt(self.state(*slot)), self.full_at(*slot));
        let slots = self
            .candidates(key)
            .into_iter()
            .flat_map(|set| ways(key).map(move |way| Slot { set, way }));
        slots.min_by_key(rank).unwrap_or(Slot { set: 0, way: 0 })
    }

    /// The two sets of a key.
    #[inline]
    fn candidates(&self, key: &HashedKey) -> [usize; 2] {
        let sets = self.sets() as u64;
        // The product's upper half is uniform over the sets, for any number of sets.
        let pick = |bits: u64| (((bits & 0xffff_ffff) * sets) >> 32) as usize;
        let first = pick(key.spot);
        let mut second = pick(key.spot >> 24);
        if second == first {
            second = if first + 1 == self.sets() {
                0
            } else {
                first + 1
            };
        }
        [first, second]
    }

    /// Doubles the shard, or goes to its most in one step where that is near; keys that are full are left behind.
    ///
    /// Half of the most is no more than the capacity that was asked for. So a shard that holds its share has its most,
    /// and no flood makes it grow further.
    #[cold]
    fn grow(&mut self, now: u64, debt: Debt<'_>) {
        let most = self.most_sets.get();
        let doubled = self.sets().saturating_mul(2);
        let sets = if doubled > most / 2 { most } else { doubled };
        let grown = Self {
            tags: vec![0; sets],
            slots: vec![0; sets * WAYS * self.shape.slot_words()],
            ..*self
        };
        let old = std::mem::replace(self, grown);
        for slot in old.all_slots() {
            if old.full_at(slot) > now {
                self.adopt(&old, slot, now, debt);
            }
        }
    }

    fn all_slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.sets()).flat_map(|set| (0..WAYS).map(move |way| Slot { set, way }))
    }

    /// The key in a slot.
    fn key(&self, slot: Slot) -> HashedKey {
        let words = self.words(slot);
        let (low, high) = (words[0], words[1]);
        HashedKey {
            low,
            high,
            spot: self.spots.of(low, high),
            claimed: slot.way < CLAIMED_WAYS,
        }
    }

    /// Copies what `old` holds in a slot.
    fn adopt(&mut self, old: &Self, slot: Slot, now: u64, debt: Debt<'_>) {
        let key = old.key(slot);
        let new = self.free_slot(&key, now).unwrap_or_else(|| {
            self.overflowed += 1;
            self.spare(&key, debt)
        });
        self.take(new, &key);
        self.words_mut(new).copy_from_slice(old.words(slot));
    }

    /// Shows every key that is not full, to be emptied.
    #[cfg(feature = "redis")]
    pub(crate) fn each_live(&mut self, now: u64, mut see: impl FnMut(HashedKey, &mut [u64])) {
        for slot in self.all_slots() {
            if self.full_at(slot) > now {
                let key = self.key(slot);
                see(key, self.state_mut(slot));
                self.settle(slot, 0);
            }
        }
    }

    /// How many keys are not full.
    pub(crate) fn live(&self, now: u64) -> usize {
        let live = self.all_slots().filter(|slot| self.full_at(*slot) > now);
        live.count()
    }

    /// How often a key that was not full had to make room for another.
    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Bytes that the shard holds.
    pub(crate) fn bytes(&self) -> usize {
        (self.tags.capacity() + self.slots.capacity()) * size_of::<u64>()
    }
}

/// The ways that a key may take, the preferred one last.
fn ways(key: &HashedKey) -> std::ops::Range<usize> {
    0..if key.claimed { CLAIMED_WAYS } else { WAYS }
}

/// A byte of the hash that has hardly a say in where the key lies.
#[inline]
const fn tag(key: &HashedKey) -> u64 {
    key.spot & 0xff
}

/// A one in each byte.
const LOW_BITS: u64 = u64::MAX / 0xff;

/// The top bit of each byte that is zero, and perhaps of one above it (Warren, "Hacker's Delight", 6-1).
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS) & !word & LOW_BITS << 7
}
