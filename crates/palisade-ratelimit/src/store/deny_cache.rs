use super::keys::Keys;
use crate::store::digest::{HashedKey, SlotHasher};

/// Keys that Redis has refused, until the time before which it would refuse them again.
pub(crate) struct DenyCache(Keys);

/// A refusal that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denied {
    /// Until when, in the store's nanoseconds.
    pub(crate) until: u64,
    /// The number of the limit that refused.
    pub(crate) rule: u64,
    /// The time at which it is full again, likewise.
    pub(crate) full_at: u64,
}

/// The words of a state.
const WORDS: usize = 4;

/// For how long a refusal is remembered at most, in nanoseconds: a charge that is given back elsewhere ends it early,
/// and so does an operator's reset. One query a second for each refused key is what that costs.
const LONGEST: u64 = 1_000_000_000;

impl DenyCache {
    pub(crate) fn new(slot_hasher: SlotHasher, capacity: usize) -> Self {
        Self(Keys::new(WORDS, slot_hasher, capacity, false))
    }

    /// The refusal that holds at this time.
    pub(crate) fn find(&self, key: &HashedKey, now: u64) -> Option<Denied> {
        let slot = self.0.find(key)?;
        let [forgotten_at, until, rule, full_at] = slot.state() else {
            return None;
        };
        (forgotten_at.get() > now).then(|| Denied {
            until: until.get(),
            rule: rule.get(),
            full_at: full_at.get(),
        })
    }

    /// Remembers a refusal. When all slots are taken the one that runs out soonest makes room; that costs a query.
    pub(crate) fn note(&self, key: &HashedKey, now: u64, denied: Denied) {
        let slot = self.0.claim(key, now);
        let forgotten_at = denied.until.min(now.saturating_add(LONGEST));
        let words = [forgotten_at, denied.until, denied.rule, denied.full_at];
        for (word, value) in slot.state().iter().zip(words) {
            word.set(value);
        }
        slot.settle(forgotten_at);
    }

    pub(crate) fn forget(&self, key: &HashedKey) {
        if let Some(slot) = self.0.find(key) {
            slot.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::digest::Hasher;

    #[test]
    fn a_refusal_is_remembered_until_it_runs_out() {
        let hasher = Hasher::new().unwrap();
        let cache = DenyCache::new(hasher.slot_hasher(), 100);
        let (key, other) = (hasher.text(1, [b"", b"a"]), hasher.text(1, [b"", b"b"]));
        let denied = Denied {
            until: 50,
            rule: 1,
            full_at: 90,
        };
        cache.note(&key, 10, denied);
        assert_eq!(cache.find(&key, 49), Some(denied));
        assert_eq!(cache.find(&key, 50), None);
        assert_eq!(cache.find(&other, 20), None);
        cache.forget(&key);
        assert_eq!(cache.find(&key, 49), None);
    }

    #[test]
    fn a_long_refusal_is_asked_about_again_after_a_second() {
        let hasher = Hasher::new().unwrap();
        let cache = DenyCache::new(hasher.slot_hasher(), 100);
        let key = hasher.text(1, [b"", b"a"]);
        let hour = Denied {
            until: 3_600_000_000_000,
            rule: 0,
            full_at: 3_600_000_000_000,
        };
        cache.note(&key, 0, hour);
        assert_eq!(cache.find(&key, 999_999_999), Some(hour));
        assert_eq!(cache.find(&key, 1_000_000_000), None);
    }
}
