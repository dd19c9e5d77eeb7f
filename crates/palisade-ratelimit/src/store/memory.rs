use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade_core::time::{self, Instant};
use palisade_core::{Handle, Name};

use super::table::{Shape, Shard, Slot};
use crate::digest::{HashedKey, Hasher, Spots};
use crate::limit::{Assessment, MAX_WORDS, Rules};

/// Keeps limits in this process, in bounded memory. The default store.
///
/// Clones share their state, so that several layers can count together: a policy of the same name in two layers is one
/// count. Every policy has a table of its own, so that a flood of keys in one cannot push anybody out of another.
///
/// A table holds at least `capacity` keys that are not full, and never more memory than 42 bytes a key for one token
/// bucket (times 1.75 the bytes that [`Limit`](crate::Limit) names, plus 28, for others). It grows as it needs to.
/// A key whose limits have refilled makes room for the next without loss. When all are in use, the key that is soonest
/// to be full again makes room, and one that is over its limit only after all that are not, so that a flood of keys ends
/// nobody's debt; [`overflowed`](Self::overflowed) counts that.
/// Keys that clients merely claim can hold at most half of a table.
///
/// # Example
///
/// ```
/// use palisade_ratelimit::{Limit, Memory, Policy, RateLimitLayer, burst, per_second};
///
/// let shared = Memory::with_capacity(1_000_000);
/// let limited = || {
///     RateLimitLayer::builder()
///         .policy(Policy::new("api").limit(Limit::token_bucket(per_second(10), burst(20))))
///         .store(shared.clone())
///         .build()
/// };
/// let (web, grpc) = (limited()?, limited()?); // one count for both
/// # let _ = (web, grpc);
/// # Ok::<(), palisade_ratelimit::Error>(())
/// ```
#[derive(Clone)]
pub struct Memory(Arc<Shared>);

struct Shared {
    epoch: Instant,
    hasher: Option<Hasher>,
    capacity: usize,
    preallocate: bool,
    tables: Mutex<Vec<(Name, Handle<Table>)>>,
}

impl Memory {
    /// How many keys a policy can hold unless told otherwise: 4 MB for token buckets, and more clients than most
    /// services have at one time.
    pub const DEFAULT_CAPACITY: usize = 100_000;

    /// A store where every policy holds at least this many keys, and grows to that in steps.
    #[must_use]
    pub fn with_capacity(keys: usize) -> Self {
        Self::new(keys, false)
    }

    /// A store that asks for all of its memory when a policy is added, and never has to grow.
    #[must_use]
    pub fn preallocated(keys: usize) -> Self {
        Self::new(keys, true)
    }

    fn new(capacity: usize, preallocate: bool) -> Self {
        Self(Arc::new(Shared {
            epoch: time::now(),
            hasher: Hasher::new().ok(),
            capacity: capacity.max(1),
            preallocate,
            tables: Mutex::default(),
        }))
    }

    /// How many keys are not full at the moment, over all policies. Reads the whole table; meant for operators.
    #[must_use]
    pub fn live_keys(&self) -> usize {
        let now = self.nanos(time::now());
        self.tables().iter().map(|(_, table)| table.live(now)).sum()
    }

    /// How often a key that was not full had to make room for another, over all policies.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.tables()
            .iter()
            .map(|(_, table)| table.sum(Shard::overflowed))
            .sum()
    }

    /// Bytes that the tables hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tables()
            .iter()
            .map(|(_, table)| table.sum(Shard::bytes))
            .sum()
    }

    /// `None` when the operating system gave no random bytes.
    pub(crate) fn hasher(&self) -> Option<Hasher> {
        self.0.hasher
    }

    /// Nanoseconds since this store was made.
    #[inline]
    pub(crate) fn nanos(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.0.epoch).as_nanos() as u64
    }

    /// The table of a policy, made when there is none; `None` when there is one with other rules.
    pub(crate) fn table(
        &self,
        policy: Name,
        rules: &Rules,
        hasher: Hasher,
    ) -> Option<Handle<Table>> {
        let mut tables = self.tables();
        if let Some((_, table)) = tables.iter().find(|(name, _)| *name == policy) {
            return (table.rules == *rules).then(|| table.clone());
        }
        let table = Handle::new(Table::new(
            rules,
            hasher.spots(),
            self.0.capacity,
            self.0.preallocate,
        ));
        tables.push((policy, table.clone()));
        Some(table)
    }

    fn tables(&self) -> MutexGuard<'_, Vec<(Name, Handle<Table>)>> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    /// A store of [`DEFAULT_CAPACITY`](Self::DEFAULT_CAPACITY).
    fn default() -> Self {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("capacity", &self.0.capacity)
            .finish_non_exhaustive()
    }
}

/// The keys of one policy.
pub(crate) struct Table {
    /// In which order locks are taken.
    id: usize,
    rules: Rules,
    shards: Box<[Padded]>,
}

/// Keeps shards on cache lines of their own; two lines, because processors fetch them in pairs.
#[repr(align(128))]
struct Padded(Mutex<Shard>);

/// So many shards that two threads seldom meet, and few enough to be small.
const MOST_SHARDS: usize = 64;
/// A shard has at least so many slots, so that keys spread evenly.
const LEAST_SLOTS: usize = 512;

impl Table {
    fn new(rules: &Rules, spots: Spots, capacity: usize, preallocate: bool) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Three quarters more than asked for, so that no set overflows before `capacity` keys are in use.
        let slots = capacity.saturating_add(capacity / 4 * 3).saturating_add(64);
        let shards = (slots / LEAST_SLOTS)
            .clamp(1, MOST_SHARDS)
            .next_power_of_two();
        let shape = Shape::new(rules.words());
        let shard = || {
            Padded(Mutex::new(Shard::new(
                shape,
                spots,
                slots.div_ceil(shards),
                preallocate,
            )))
        };
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            rules: *rules,
            shards: (0..shards).map(|_| shard()).collect(),
        }
    }

    #[inline]
    fn shard(&self, key: &HashedKey) -> MutexGuard<'_, Shard> {
        // The top bits; a shard places its keys by the lower ones.
        let number = (key.spot >> 57) as usize & (self.shards.len() - 1);
        self.shards[number]
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn sum<T: std::iter::Sum>(&self, read: impl Fn(&Shard) -> T) -> T {
        self.shards
            .iter()
            .map(|shard| read(&shard.0.lock().unwrap_or_else(PoisonError::into_inner)))
            .sum()
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
        let shard = table.shard(key);
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
        let full_at = charge.rules.full_at(state);
        self.shard.settle(slot, full_at);
        self.shard.overflowed() != before
    }

    #[inline(never)]
    fn claim(&mut self, charge: &Charge<'_>, now: u64) -> Slot {
        let rules = &charge.table.rules;
        let debt = |state: &[u64]| rules.assess(state, now, 1).is_some_and(|next| !next.fits());
        self.shard.claim(&charge.key, now, &debt)
    }
}
