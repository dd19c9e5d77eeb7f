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
/// A set lies in one piece, the digests first, so that looking for a key reads one or two cache lines:
///
/// | words | |
/// |---|---|
/// | 8 | low halves of the digests |
/// | 8 | high halves |
/// | 8 | when each slot is full again; left out where the state is one word, which is that time |
/// | 8 x state | the states |
#[derive(Debug)]
pub(crate) struct Shard {
    words: Vec<u64>,
    /// Where the first set begins, so that sets lie on cache lines.
    start: usize,
    sets: usize,
    most_sets: NonZeroUsize,
    shape: Shape,
    spots: Spots,
    overflowed: u64,
}

/// Says of a state whether its key is over a limit.
pub(crate) type Debt<'a> = &'a dyn Fn(&[u64]) -> bool;

/// How a set is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    state: usize,
}

impl Shape {
    pub(crate) const fn new(state_words: usize) -> Self {
        Self { state: state_words }
    }

    /// Whether the time of being full again is kept beside the state.
    const fn keeps_full_at(self) -> bool {
        self.state > 1
    }

    const fn full_at(self) -> usize {
        2 * WAYS
    }

    const fn states(self) -> usize {
        if self.keeps_full_at() {
            3 * WAYS
        } else {
            2 * WAYS
        }
    }

    const fn set_words(self) -> usize {
        self.states() + WAYS * self.state
    }
}

/// Where a key's state lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    set: usize,
    way: usize,
}

/// Words per cache line.
const LINE: usize = 8;
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
        let (words, start) = allocate(sets * shape.set_words());
        Self {
            words,
            start,
            sets,
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
        self.find_in(first, key)
            .or_else(|| self.find_in(second, key))
    }

    #[inline]
    fn find_in(&self, set: usize, key: &HashedKey) -> Option<Slot> {
        let (lows, rest) = self.words.get(set..)?.split_first_chunk::<WAYS>()?;
        let (highs, _) = rest.split_first_chunk::<WAYS>()?;
        // Without a branch for each way, so that the eight comparisons are one instruction or two.
        let mut same = 0_u8;
        for way in 0..WAYS {
            same |= u8::from(lows[way] == key.low && highs[way] == key.high) << way;
        }
        (same != 0).then(|| Slot {
            set,
            way: same.trailing_zeros() as usize,
        })
    }

    /// The state in a slot.
    #[inline]
    pub(crate) fn state(&self, slot: Slot) -> &[u64] {
        let at = slot.set + self.shape.states() + slot.way * self.shape.state;
        &self.words[at..at + self.shape.state]
    }

    /// The state in a slot, to be written; then call [`settle`](Self::settle).
    #[inline]
    pub(crate) fn state_mut(&mut self, slot: Slot) -> &mut [u64] {
        let at = slot.set + self.shape.states() + slot.way * self.shape.state;
        &mut self.words[at..at + self.shape.state]
    }

    /// Notes when a slot is full again.
    #[inline]
    pub(crate) fn settle(&mut self, slot: Slot, full_at: u64) {
        if self.shape.keeps_full_at() {
            self.words[slot.set + self.shape.full_at() + slot.way] = full_at;
        }
    }

    #[inline]
    fn full_at(&self, set: usize, way: usize) -> u64 {
        // With one word of state that word is the time, and lies in the same place.
        self.words[set + self.shape.full_at() + way]
    }

    /// A slot for a key that has none, with a state of zeros.
    ///
    /// Takes a free slot, or grows, or else overwrites the key that can best be spared.
    pub(crate) fn claim(&mut self, key: &HashedKey, now: u64, debt: Debt<'_>) -> Slot {
        let slot = loop {
            if let Some(slot) = self.free_slot(key, now) {
                break slot;
            }
            if self.sets >= self.most_sets.get() {
                self.overflowed += 1;
                break self.spare(key, debt);
            }
            self.grow(now, debt);
        };
        self.take(slot, key);
        slot
    }

    fn take(&mut self, slot: Slot, key: &HashedKey) {
        self.words[slot.set + slot.way] = key.low;
        self.words[slot.set + WAYS + slot.way] = key.high;
        self.settle(slot, 0);
        self.state_mut(slot).fill(0);
    }

    /// A free slot in the emptier of the two sets. Keys that are not claimed leave the lower ways to those that are.
    fn free_slot(&self, key: &HashedKey, now: u64) -> Option<Slot> {
        let mut best: Option<(usize, Slot)> = None;
        for set in self.candidates(key) {
            let mut free = 0;
            let mut last = None;
            for way in ways(key) {
                if self.full_at(set, way) <= now {
                    free += 1;
                    last = Some(Slot { set, way });
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
        let rank = |slot: &Slot| (debt(self.state(*slot)), self.full_at(slot.set, slot.way));
        let slots = self
            .candidates(key)
            .into_iter()
            .flat_map(|set| ways(key).map(move |way| Slot { set, way }));
        slots.min_by_key(rank).unwrap_or(Slot {
            set: self.start,
            way: 0,
        })
    }

    /// Where the two sets of a key begin.
    #[inline]
    fn candidates(&self, key: &HashedKey) -> [usize; 2] {
        let sets = self.sets as u64;
        // The product's upper half is uniform over the sets, for any number of sets.
        let pick = |bits: u64| (((bits & 0xffff_ffff) * sets) >> 32) as usize;
        let first = pick(key.spot);
        let mut second = pick(key.spot >> 24);
        if second == first {
            second = if first + 1 == self.sets { 0 } else { first + 1 };
        }
        let width = self.shape.set_words();
        [self.start + first * width, self.start + second * width]
    }

    /// Doubles the shard, or goes to its most in one step where that is near; keys that are full are left behind.
    ///
    /// Half of the most is no more than the capacity that was asked for. So a shard that holds its share has its most,
    /// and no flood makes it grow further.
    #[cold]
    fn grow(&mut self, now: u64, debt: Debt<'_>) {
        let most = self.most_sets.get();
        let doubled = self.sets.saturating_mul(2);
        let sets = if doubled > most / 2 { most } else { doubled };
        let (words, start) = allocate(sets * self.shape.set_words());
        let grown = Self {
            words,
            start,
            sets,
            ..*self
        };
        let old = std::mem::replace(self, grown);
        for number in 0..old.sets {
            let set = old.start + number * old.shape.set_words();
            for way in (0..WAYS).filter(|way| old.full_at(set, *way) > now) {
                self.adopt(&old, Slot { set, way }, now, debt);
            }
        }
    }

    /// Copies what `old` holds in a slot.
    fn adopt(&mut self, old: &Self, slot: Slot, now: u64, debt: Debt<'_>) {
        let low = old.words[slot.set + slot.way];
        let high = old.words[slot.set + WAYS + slot.way];
        let claimed = slot.way < CLAIMED_WAYS;
        let key = HashedKey {
            low,
            high,
            spot: self.spots.of(low, high),
            claimed,
        };
        let new = self.free_slot(&key, now).unwrap_or_else(|| {
            self.overflowed += 1;
            self.spare(&key, debt)
        });
        self.take(new, &key);
        self.state_mut(new).copy_from_slice(old.state(slot));
        self.settle(new, old.full_at(slot.set, slot.way));
    }

    /// Shows every key that is not full, to be emptied.
    #[cfg(feature = "redis")]
    pub(crate) fn each_live(&mut self, now: u64, mut see: impl FnMut(HashedKey, &mut [u64])) {
        let width = self.shape.set_words();
        let start = self.start;
        for set in (0..self.sets).map(|number| start + number * width) {
            for way in 0..WAYS {
                if self.full_at(set, way) > now {
                    let (low, high) = (self.words[set + way], self.words[set + WAYS + way]);
                    let key = HashedKey {
                        low,
                        high,
                        spot: self.spots.of(low, high),
                        claimed: way < CLAIMED_WAYS,
                    };
                    let slot = Slot { set, way };
                    see(key, self.state_mut(slot));
                    self.settle(slot, 0);
                }
            }
        }
    }

    /// How many keys are not full.
    pub(crate) fn live(&self, now: u64) -> usize {
        let width = self.shape.set_words();
        let sets = (0..self.sets).map(|number| self.start + number * width);
        sets.map(|set| {
            (0..WAYS)
                .filter(|way| self.full_at(set, *way) > now)
                .count()
        })
        .sum()
    }

    /// How often a key that was not full had to make room for another.
    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Bytes that the shard holds.
    pub(crate) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

/// The ways that a key may take, the preferred one last.
fn ways(key: &HashedKey) -> std::ops::Range<usize> {
    0..if key.claimed { CLAIMED_WAYS } else { WAYS }
}

/// Words of zeros, and the first of them that lies at the beginning of a cache line.
fn allocate(words: usize) -> (Vec<u64>, usize) {
    let words = vec![0; words + LINE - 1];
    let start = words.as_ptr().align_offset(LINE * size_of::<u64>());
    // The offset may be unknown in an interpreter; alignment is for speed alone.
    (words, if start < LINE { start } else { 0 })
}
