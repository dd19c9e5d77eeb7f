use super::keys::Keys;
use crate::limit::Word;
use crate::store::digest::{HashedKey, SlotHasher};

/// Units that this instance has taken from Redis and not spent yet, by key.
///
/// Nobody is admitted more for it. Of a token bucket a lease is never worth more than what Redis still has to refill, so
/// that what lies here and what lies there are together never more than the burst. Of a window it ends with the step to
/// which its units were counted.
pub(crate) struct Leases(Keys);

/// Units that Redis gave in advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Units beyond the one that was asked for.
    pub(crate) units: u64,
    /// Until when it may be spent, in the store's nanoseconds.
    pub(crate) until: u64,
    /// The number of the limit that was closest, what it had left, and when it was to be full again.
    pub(crate) rule: u64,
    pub(crate) remaining: u64,
    pub(crate) full_at: u64,
    /// The time of the charge, by Redis.
    pub(crate) charged_at: u64,
    /// The time at which the token bucket is full again, where there is one.
    pub(crate) bucket_full_at: u64,
}

/// Units that were spent of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) rule: u64,
    pub(crate) remaining: u64,
    pub(crate) full_at: u64,
    pub(crate) charged_at: u64,
}

/// The words of a state.
const WORDS: usize = 8;
/// Those that are not spent.
const UNITS: usize = 0;
const BUCKET_FULL_AT: usize = 1;
const UNTIL: usize = 2;
const RULE: usize = 3;
const REMAINING: usize = 4;
const FULL_AT: usize = 5;
const CHARGED_AT: usize = 6;
/// Until when somebody else is asking for a lease of this key.
const ASKING: usize = 7;

impl Leases {
    pub(crate) fn new(slot_hasher: SlotHasher, capacity: usize) -> Self {
        Self(Keys::new(WORDS, slot_hasher, capacity, false))
    }

    /// Spends `cost` of the key's lease, if it still has so much. `interval` is the time of one token, 0 for none.
    pub(crate) fn spend(
        &self,
        key: &HashedKey,
        now: u64,
        cost: u64,
        interval: u64,
    ) -> Option<Spent> {
        let slot = self.0.find(key)?;
        let state = slot.state();
        let left = left(state, now, interval).checked_sub(cost)?;
        if now >= state[UNTIL].get() {
            return None;
        }
        // What the bucket has refilled meanwhile is gone from here for good: it lies there.
        state[UNITS].set(left);
        Some(Spent {
            rule: state[RULE].get(),
            remaining: state[REMAINING].get().saturating_add(left),
            full_at: state[FULL_AT].get(),
            charged_at: state[CHARGED_AT].get(),
        })
    }

    /// Whether this caller should ask for a lease. One at a time does: if all did that come together, an instance would
    /// hold many leases of one key.
    pub(crate) fn may_ask(&self, key: &HashedKey, now: u64, patience: u64) -> bool {
        let slot = self.0.claim(key, now);
        let state = slot.state();
        if state[ASKING].get() > now {
            return false;
        }
        let until = now.saturating_add(patience);
        state[ASKING].set(until);
        slot.settle(state[UNTIL].get().max(until));
        true
    }

    /// Keeps what Redis gave.
    pub(crate) fn keep(&self, key: &HashedKey, lease: Lease) {
        // A key that had to make room meanwhile loses its lease: less is used, nobody is admitted more.
        let Some(slot) = self.0.find(key) else { return };
        let Lease {
            units,
            until,
            rule,
            remaining,
            full_at,
            charged_at,
            bucket_full_at,
        } = lease;
        let words: [u64; WORDS] = [
            units,
            bucket_full_at,
            until,
            rule,
            remaining,
            full_at,
            charged_at,
            0,
        ];
        for (word, value) in slot.state().iter().zip(words) {
            word.set(value);
        }
        slot.settle(until);
    }

    /// Puts spent units back into the key's lease. One that has run out is worth nothing, whatever lies in it, and no lease
    /// of tokens is worth more than what its bucket lacks.
    pub(crate) fn put_back(&self, key: &HashedKey, cost: u64) {
        if let Some(slot) = self.0.find(key) {
            slot.state()[UNITS].update(|units| units.saturating_add(cost));
        }
    }

    /// Takes every lease that is left: the key, its units and the time of the charge.
    pub(crate) fn drain(&self, now: u64, interval: u64) -> Vec<(HashedKey, u64, u64)> {
        let mut found = Vec::new();
        self.0.each_live(now, |key, set, way| {
            let state = set.state(way);
            let units = left(state, now, interval);
            if units > 0 && state[UNTIL].get() > now {
                found.push((key, units, state[CHARGED_AT].get()));
            }
            set.clear(way);
        });
        found
    }

    pub(crate) fn forget(&self, key: &HashedKey) {
        if let Some(slot) = self.0.find(key) {
            slot.clear();
        }
    }
}

/// The rest of a lease: less what was spent, and no more than what its bucket has yet to refill.
fn left(state: &[Word], now: u64, interval: u64) -> u64 {
    let unspent = state[UNITS].get();
    match state[BUCKET_FULL_AT]
        .get()
        .saturating_sub(now)
        .checked_div(interval)
    {
        Some(to_refill) => unspent.min(to_refill),
        None => unspent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::digest::Hasher;

    fn lease(units: u64, until: u64) -> Lease {
        Lease {
            units,
            until,
            rule: 0,
            remaining: 5,
            full_at: 0,
            charged_at: 7,
            bucket_full_at: 600,
        }
    }

    fn leases() -> (Leases, HashedKey) {
        let hasher = Hasher::new().unwrap();
        (
            Leases::new(hasher.slot_hasher(), 100),
            hasher.text(1, [b"", b"a"]),
        )
    }

    #[test]
    fn a_lease_is_spent_once_and_ends() {
        let (leases, key) = leases();
        assert!(leases.may_ask(&key, 10, 100));
        leases.keep(&key, lease(3, 200));
        assert!(leases.spend(&key, 21, 2, 0).is_some());
        assert!(leases.spend(&key, 22, 2, 0).is_none());
        assert!(leases.spend(&key, 200, 1, 0).is_none(), "it has run out");
        assert_eq!(leases.spend(&key, 199, 1, 0).unwrap().remaining, 5);
        assert!(leases.spend(&key, 199, 1, 0).is_none());
    }

    #[test]
    fn a_lease_of_tokens_is_worth_no_more_than_what_the_bucket_lacks() {
        let (leases, key) = leases();
        assert!(leases.may_ask(&key, 0, 100));
        // Six of 100 each are taken: one is used, five lie here.
        leases.keep(&key, lease(5, 10_000));
        assert!(leases.spend(&key, 100, 6, 100).is_none());
        // At 350 the bucket lacks two and a half: two may be spent.
        assert!(leases.spend(&key, 350, 3, 100).is_none());
        assert!(leases.spend(&key, 350, 2, 100).is_some());
        assert!(
            leases.spend(&key, 350, 1, 100).is_none(),
            "what the bucket has refilled cannot be spent here too"
        );
        assert!(
            leases.spend(&key, 600, 1, 100).is_none(),
            "the bucket is full"
        );
    }

    #[test]
    fn one_at_a_time_asks_for_a_lease() {
        let (leases, key) = leases();
        assert!(leases.may_ask(&key, 10, 100));
        assert!(!leases.may_ask(&key, 109, 100));
        assert!(
            leases.may_ask(&key, 110, 100),
            "the first one did not come back"
        );
        leases.keep(&key, lease(1, 200));
        assert!(leases.may_ask(&key, 121, 100));
    }

    #[test]
    fn what_is_left_is_drained_once() {
        let (leases, key) = leases();
        assert!(leases.may_ask(&key, 10, 100));
        leases.keep(&key, lease(3, 200));
        assert!(leases.spend(&key, 21, 1, 0).is_some());
        let drained = leases.drain(22, 0);
        assert_eq!(drained.len(), 1);
        assert_eq!(
            (drained[0].0.low, drained[0].1, drained[0].2),
            (key.low, 2, 7)
        );
        assert_eq!(leases.drain(23, 0), []);
        assert!(leases.spend(&key, 24, 1, 0).is_none());
    }
}
