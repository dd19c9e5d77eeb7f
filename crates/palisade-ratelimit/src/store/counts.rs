use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::keys::Keys;
use super::table::{Shard, Slot};
use crate::digest::{HashedKey, Spots};
use crate::limit::{Assessment, MAX_WORDS, Rules};
use crate::sync::MutexGuard;

/// The keys of one policy.
pub(crate) struct Table {
    /// In which order locks are taken.
    id: usize,
    rules: Rules,
    keys: Keys,
}

impl Table {
    pub(crate) fn new(rules: &Rules, spots: Spots, capacity: usize, preallocate: bool) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            rules: *rules,
            keys: Keys::new(rules.words(), spots, capacity, preallocate),
        }
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn sum<T: std::iter::Sum>(&self, read: impl Fn(&Shard) -> T) -> T {
        self.keys.sum(read)
    }

    pub(crate) fn live(&self, now: u64) -> usize {
        self.sum(|shard| shard.live(now))
    }

    /// What would happen now, without a charge.
    pub(crate) fn peek(
        &self,
        rules: &Rules,
        key: &HashedKey,
        now: u64,
        cost: u64,
    ) -> Option<Assessment> {
        Held::lock(self, key).assess(rules, now, cost)
    }

    /// Forgets a key, as if it had never been seen.
    pub(crate) fn reset(&self, key: &HashedKey) {
        let mut held = Held::lock(self, key);
        if let Some(slot) = held.slot {
            held.shard.state_mut(slot).fill(0);
            held.shard.settle(slot, 0);
        }
    }

    /// Gives back what was charged at that time, if the key is still known.
    pub(crate) fn refund(&self, rules: &Rules, key: &HashedKey, charged_at: u64, cost: u64) {
        let mut held = Held::lock(self, key);
        if let Some(slot) = held.slot {
            rules.refund(held.shard.state_mut(slot), charged_at, cost);
            let full_at = rules.full_at(held.shard.state(slot));
            held.shard.settle(slot, full_at);
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// One of the counts that a request is charged to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charge<'a> {
    pub(crate) table: &'a Table,
    pub(crate) rules: &'a Rules,
    pub(crate) key: HashedKey,
    pub(crate) cost: u64,
}

/// How many counts one request can be charged to: the policy, the backstop of the address, and that of its site.
pub(crate) const MAX_CHARGES: usize = 3;

/// Charges all counts, or none: the word of the one closest to its limit, and its position.
pub(crate) fn charge(charges: &[Charge<'_>], now: u64) -> Option<(usize, Charged)> {
    match charges {
        [only] => Some((0, charge_one(only, now)?)),
        several => charge_all(several, now),
    }
}

/// Charges one count, if the cost fits.
#[inline]
pub(crate) fn charge_one(charge: &Charge<'_>, now: u64) -> Option<Charged> {
    let mut held = Held::lock(charge.table, &charge.key);
    let assessment = held.assess(charge.rules, now, charge.cost)?;
    let overflowed = assessment.fits() && held.commit(charge, now);
    Some(Charged {
        assessment,
        overflowed,
    })
}

/// Holds every lock from the first check to the last charge. Locks are taken in one order, so that no two requests can
/// wait for each other; no two charges of a request are to one table.
fn charge_all(charges: &[Charge<'_>], now: u64) -> Option<(usize, Charged)> {
    let charges = charges.get(..charges.len().min(MAX_CHARGES))?;
    let mut order = [0, 1, 2];
    let order = &mut order[..charges.len()];
    order.sort_unstable_by_key(|position| charges[*position].table.id);
    let mut held: [Option<Held<'_>>; MAX_CHARGES] = [None, None, None];
    for position in order {
        let charge = &charges[*position];
        held[*position] = Some(Held::lock(charge.table, &charge.key));
    }
    let mut closest: Option<(usize, Assessment)> = None;
    for (position, charge) in charges.iter().enumerate() {
        let assessed = held[position]
            .as_ref()?
            .assess(charge.rules, now, charge.cost)?;
        if closest.is_none_or(|(_, so_far)| assessed.closeness(&so_far).is_gt()) {
            closest = Some((position, assessed));
        }
    }
    let (position, assessment) = closest?;
    let mut overflowed = false;
    if assessment.fits() {
        for (held, charge) in held.iter_mut().flatten().zip(charges) {
            overflowed |= held.commit(charge, now);
        }
    }
    Some((
        position,
        Charged {
            assessment,
            overflowed,
        },
    ))
}

/// What the counts say, once they are charged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charged {
    pub(crate) assessment: Assessment,
    /// Whether a key that was not full had to make room.
    pub(crate) overflowed: bool,
}

/// A key's shard under its lock, and where the key is, if it is there.
struct Held<'a> {
    shard: MutexGuard<'a, Shard>,
    slot: Option<Slot>,
}

static ZEROS: [u64; MAX_WORDS] = [0; MAX_WORDS];

impl<'a> Held<'a> {
    #[inline]
    fn lock(table: &'a Table, key: &HashedKey) -> Self {
        let shard = table.keys.shard(key);
        let slot = shard.find(key);
        Self { shard, slot }
    }

    #[inline]
    fn assess(&self, rules: &Rules, now: u64, cost: u64) -> Option<Assessment> {
        let state = match self.slot {
            Some(slot) => self.shard.state(slot),
            None => &ZEROS[..rules.words()],
        };
        rules.assess(state, now, cost)
    }

    /// Only what is charged takes a slot: a refused newcomer leaves no trace. Answers whether another key that was not
    /// full had to make room.
    #[inline]
    fn commit(&mut self, charge: &Charge<'_>, now: u64) -> bool {
        if charge.cost == 0 {
            return false;
        }
        let before = self.shard.overflowed();
        let slot = match self.slot {
            Some(slot) => slot,
            None => self.claim(charge, now),
        };
        let state = self.shard.state_mut(slot);
        charge.rules.commit(state, now, charge.cost);
        // A state of one word is that time itself.
        if charge.rules.words() > 1 {
            let full_at = charge.rules.full_at(state);
            self.shard.settle(slot, full_at);
        }
        self.shard.overflowed() != before
    }

    #[inline(never)]
    fn claim(&mut self, charge: &Charge<'_>, now: u64) -> Slot {
        let rules = &charge.table.rules;
        let debt = |state: &[u64]| rules.assess(state, now, 1).is_some_and(|next| !next.fits());
        self.shard.claim(&charge.key, now, &debt)
    }
}
