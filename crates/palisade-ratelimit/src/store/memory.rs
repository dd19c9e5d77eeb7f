use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use palisade_core::Name;
use palisade_core::time::{self, Instant};

use super::counts::Table;
use crate::limit::Rules;
use crate::store::digest::{Hasher, SlotHasher};

/// Keeps limits in this process, in bounded memory. The default store.
///
/// Clones share their state, so that several layers can count together: a policy of the same name in two layers is one
/// count. Every policy has a table of its own, so that a flood of keys in one cannot push anybody out of another.
///
/// A table is freed with the last layer that counts in it, and what it knew with it: build the layer that is to
/// take over before the one before it is dropped, see [`replacing`](crate::RateLimitBuilder::replacing).
///
/// A table holds at least `capacity` keys that are not full, and never more memory than 62 bytes a key for one token
/// bucket (2.25 times the bytes that [`Limit`](crate::Limit) names, plus 62, for others). It grows as it needs to.
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
    tables: Mutex<Vec<Kept>>,
}

/// The table of a policy, as long as a layer holds it.
struct Kept {
    policy: Name,
    /// The numbers by which the newest layer counts in it.
    rules: Rules,
    table: Weak<Table>,
}

impl Memory {
    /// The number of keys that a policy can hold by default: 6 MB for token buckets, and more clients than most
    /// services have at one time.
    pub const DEFAULT_CAPACITY: usize = 100_000;

    /// A store where every policy holds at least this many keys, and grows to that in steps. From 400 million on it is
    /// that many.
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

    /// The number of keys that are not full at the moment, over all policies. Reads the whole table; meant for operators.
    #[must_use]
    pub fn live_keys(&self) -> usize {
        let now = self.nanos(time::now());
        self.tables()
            .iter()
            .filter_map(|kept| kept.table.upgrade())
            .map(|table| table.keys().live(now))
            .sum()
    }

    /// The number of keys that had to make room for another although they were not full, over all policies.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.tables()
            .iter()
            .filter_map(|kept| kept.table.upgrade())
            .map(|table| table.keys().overflowed())
            .sum()
    }

    /// Bytes that the tables hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tables()
            .iter()
            .filter_map(|kept| kept.table.upgrade())
            .map(|table| table.keys().bytes())
            .sum()
    }

    /// `None` when the operating system gave no random bytes.
    pub(crate) fn hasher(&self) -> Option<Hasher> {
        self.0.hasher.clone()
    }

    /// Nanoseconds since this store was made.
    #[inline]
    pub(crate) fn nanos(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.0.epoch).as_nanos() as u64
    }

    /// The table of a policy, made when there is none, and the rules as they read its states. `None` when there is one
    /// with other rules, unless it is to be replaced: it is then taken over where it can be, and left to
    /// the other layers where not.
    pub(crate) fn table(
        &self,
        policy: Name,
        rules: &Rules,
        slot_hasher: SlotHasher,
        replaced: impl Fn(&Arc<Table>) -> bool,
    ) -> Option<(Arc<Table>, Rules)> {
        let mut tables = self.tables();
        tables.retain(|kept| kept.table.strong_count() > 0);
        let newest = tables.iter().rev().find(|kept| kept.policy == policy);
        if let Some((kept, table)) = newest.and_then(|kept| Some((kept, kept.table.upgrade()?))) {
            let read = table.read_by(rules);
            if read != Some(kept.rules) && !replaced(&table) {
                return None;
            }
            if let Some(read) = read {
                return Some((table, read));
            }
        }
        let Shared {
            capacity,
            preallocate,
            ..
        } = *self.0;
        let table = Arc::new(Table::new(rules, slot_hasher, capacity, preallocate));
        tables.push(Kept {
            policy,
            rules: *rules,
            table: Arc::downgrade(&table),
        });
        Some((table, *rules))
    }

    /// Notes by which rules the newest layer counts in a table: the ones that others on this store must have too.
    pub(crate) fn adopt(&self, table: &Arc<Table>, rules: &Rules) {
        let mut tables = self.tables();
        let adopted = tables
            .iter_mut()
            .find(|kept| kept.table.as_ptr() == Arc::as_ptr(table));
        if let Some(kept) = adopted
            && kept.rules != *rules
        {
            kept.rules = *rules;
            table.mix();
        }
    }

    fn tables(&self) -> MutexGuard<'_, Vec<Kept>> {
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
