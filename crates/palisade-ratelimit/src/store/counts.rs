use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::entry::Entry;
use super::keys::Keys;
use super::slot::Slot;
use crate::limit::{Assessment, MAX_WORDS, Rules, Word};
use crate::store::digest::{HashedKey, SlotHasher};

/// The keys of one policy.
pub(crate) struct Table {
    /// In which order locks are taken.
    id: usize,
    /// The rules that the table was made for, and whose states it keeps.
    made_for: Rules,
    /// Whether rules with several numbers have charged it.
    mixed: AtomicBool,
    keys: Keys,
}

impl Table {
    pub(crate) fn new(
        rules: &Rules,
        slot_hasher: SlotHasher,
        capacity: usize,
        preallocate: bool,
    ) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            made_for: *rules,
            mixed: AtomicBool::new(false),
            keys: Keys::new(rules.words(), slot_hasher, capacity, preallocate),
        }
    }

    /// The rules, for the states that this table keeps; `None` where those mean something else to them.
    pub(crate) fn read_by(&self, rules: &Rules) -> Option<Rules> {
        rules.reading(&self.made_for)
    }

    /// Notes that rules with other numbers charge it from now on, or a key with a quota of its own.
    pub(crate) fn mix(&self) {
        if !self.mixed.load(Ordering::Relaxed) {
            self.mixed.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Assesses a cost now, without a charge.
    pub(crate) fn peek(
        &self,
        rules: &Rules,
        key: &HashedKey,
        now: u64,
        cost: u64,
    ) -> Option<Assessment> {
        assess(&self.keys.entry(key), rules, now, cost)
    }

    /// Forgets a key, as if it had never been seen.
    pub(crate) fn reset(&self, key: &HashedKey) {
        if let Some(slot) = self.keys.find(key) {
            slot.clear();
        }
    }

    /// Gives back what was charged at that time, if the key is still known.
    pub(crate) fn refund(&self, rules: &Rules, key: &HashedKey, charged_at: u64, cost: u64) {
        if let Some(slot) = self.keys.find(key) {
            rules.refund(slot.state(), charged_at, cost);
            slot.settle(rules.full_at(slot.state()));
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
    /// The rules of the policy, by which it is seen who else is over a limit.
    pub(crate) policy: &'a Rules,
    /// Those of this key, where it has a quota of its own.
    pub(crate) rules: &'a Rules,
    pub(crate) key: HashedKey,
    pub(crate) cost: u64,
}

/// The most counts that one request can be charged to: the policy, the backstop of the address, and that of its site.
pub(crate) const MAX_CHARGES: usize = 3;

/// Charges all counts, or none. Returns the assessment of the count that is closest to its limit, and its position.
pub(crate) fn charge(charges: &[Charge<'_>], now: u64) -> Option<(usize, Charged)> {
    charge_and_see(charges, now, |_, _| {})
}

/// The same, and shows the state that each count has then, under its lock.
pub(crate) fn charge_and_see(
    charges: &[Charge<'_>],
    now: u64,
    mut see: impl FnMut(usize, &[Word]),
) -> Option<(usize, Charged)> {
    match charges {
        [only] => Some((0, charge_one_and_see(only, now, |state| see(0, state))?)),
        several => charge_all(several, now, see),
    }
}

/// Charges one count, if the cost fits.
#[inline]
pub(crate) fn charge_one(charge: &Charge<'_>, now: u64) -> Option<Charged> {
    charge_one_and_see(charge, now, |_| {})
}

/// The same, and shows the state that it has then, under its lock.
#[inline]
pub(crate) fn charge_one_and_see(
    charge: &Charge<'_>,
    now: u64,
    see: impl FnOnce(&[Word]),
) -> Option<Charged> {
    let Some(slot) = charge.table.keys.find_fast(&charge.key) else {
        return charge_newcomer(charge, now, see);
    };
    let mut assessment = charge.rules.assess(slot.state(), now, charge.cost)?;
    if !assessment.fits() && charge.table.mixed.load(Ordering::Relaxed) {
        assessment = assess_again(&slot, charge, now)?;
    }
    let mut at = now;
    if assessment.fits() && charge.cost > 0 {
        at = time_of(charge, slot.state(), now);
        commit(&slot, charge, at);
    }
    see(slot.state());
    Some(Charged {
        assessment,
        at,
        overflowed: false,
    })
}

/// Assesses a refused cost once more, without the debts that the rules could not have made.
#[cold]
fn assess_again(slot: &Slot<'_>, charge: &Charge<'_>, now: u64) -> Option<Assessment> {
    let state = slot.state();
    charge.rules.bound(state, now);
    slot.settle(charge.rules.full_at(state));
    charge.rules.assess(state, now, charge.cost)
}

/// Only what is charged takes a slot: a refused newcomer leaves no trace.
#[inline(never)]
fn charge_newcomer(charge: &Charge<'_>, now: u64, see: impl FnOnce(&[Word])) -> Option<Charged> {
    let entry = charge.table.keys.entry_to_claim(&charge.key, now);
    let assessment = assess(&entry, charge.rules, now, charge.cost)?;
    let overflowed = if assessment.fits() {
        claim(entry, charge, now, see)
    } else {
        see(state_of(&entry, charge));
        false
    };
    Some(Charged {
        assessment,
        at: now,
        overflowed,
    })
}

/// Holds every lock from the first check to the last charge. Locks are taken in one order, so that no two requests can
/// wait for each other; no two charges of a request are to one table.
fn charge_all(
    charges: &[Charge<'_>],
    now: u64,
    mut see: impl FnMut(usize, &[Word]),
) -> Option<(usize, Charged)> {
    let charges = charges.get(..charges.len().min(MAX_CHARGES))?;
    let mut order = [0, 1, 2];
    let order = &mut order[..charges.len()];
    order.sort_unstable_by_key(|position| charges[*position].table.id);
    let mut entries: [Option<Entry<'_>>; MAX_CHARGES] = [None, None, None];
    for position in order {
        let charge = &charges[*position];
        entries[*position] = Some(charge.table.keys.entry_to_claim(&charge.key, now));
    }
    let mut closest: Option<(usize, Assessment)> = None;
    for (position, charge) in charges.iter().enumerate() {
        let entry = entries[position].as_ref()?;
        let mut assessed = assess(entry, charge.rules, now, charge.cost)?;
        if let Entry::Found(slot) = entry
            && !assessed.fits()
            && charge.table.mixed.load(Ordering::Relaxed)
        {
            assessed = assess_again(slot, charge, now)?;
        }
        if closest.is_none_or(|(_, so_far)| assessed.cmp_restriction(&so_far).is_gt()) {
            closest = Some((position, assessed));
        }
    }
    let (position, assessment) = closest?;
    let mut overflowed = false;
    let mut at = now;
    if assessment.fits() {
        for (entry, charge) in entries.iter().flatten().zip(charges) {
            at = entry.state().map_or(at, |state| time_of(charge, state, at));
        }
        for (position, (entry, charge)) in entries.into_iter().flatten().zip(charges).enumerate() {
            overflowed |= claim(entry, charge, at, |state| see(position, state));
        }
    } else {
        for (position, (entry, charge)) in entries.iter().flatten().zip(charges).enumerate() {
            see(position, state_of(entry, charge));
        }
    }
    Some((
        position,
        Charged {
            assessment,
            at,
            overflowed,
        },
    ))
}

/// The assessment of counts that were charged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charged {
    pub(crate) assessment: Assessment,
    /// The time of the charge, by which it can be given back.
    pub(crate) at: u64,
    /// Whether a key that was not full had to make room.
    pub(crate) overflowed: bool,
}

static ZEROS: [Word; MAX_WORDS] = [const { Word::new(0) }; MAX_WORDS];

/// The state of a key, which may have none yet.
fn state_of<'a>(entry: &Entry<'a>, charge: &Charge<'_>) -> &'a [Word] {
    entry.state().unwrap_or(&ZEROS[..charge.rules.words()])
}

fn assess(entry: &Entry<'_>, rules: &Rules, now: u64, cost: u64) -> Option<Assessment> {
    let state = entry.state().unwrap_or(&ZEROS[..rules.words()]);
    rules.assess(state, now, cost)
}

/// Charges a key that may have no slot yet. Answers whether another key that was not full had to make room.
fn claim(entry: Entry<'_>, charge: &Charge<'_>, now: u64, see: impl FnOnce(&[Word])) -> bool {
    if charge.cost == 0 {
        see(state_of(&entry, charge));
        return false;
    }
    let policy = charge.policy;
    let debt = |state: &[Word]| {
        policy
            .assess(state, now, 1)
            .is_some_and(|next| !next.fits())
    };
    let claimed = entry.claim(&charge.key, now, &debt);
    commit(&claimed.slot, charge, now);
    see(claimed.slot.state());
    claimed.overflowed
}

/// The time of a charge that is made now.
#[inline]
fn time_of(charge: &Charge<'_>, state: &[Word], now: u64) -> u64 {
    // A bucket and a log of one have no windows to tell apart.
    if charge.rules.words() > 1 {
        now.max(charge.rules.charged_by(state))
    } else {
        now
    }
}

#[inline]
fn commit(slot: &Slot<'_>, charge: &Charge<'_>, now: u64) {
    let state = slot.state();
    charge.rules.commit(state, now, charge.cost);
    if !ptr::eq(charge.policy, charge.rules) {
        charge.table.mix();
        let next = charge.rules.assess(state, now, 1);
        slot.mark(next.is_some_and(|next| !next.fits()));
    }
    // A state of one word is that time itself.
    if charge.rules.words() > 1 {
        slot.settle(charge.rules.full_at(state));
    }
}
