//! Tokens that have been verified, by their SHA-256: the token itself is not kept.

use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::time::UnixTime;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::verify::Verified;
use crate::digest::Digest;

/// The longest that a verification is believed without being done again.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);

/// A bounded cache. Only tokens that hold get in, so nobody else can push others out.
pub(crate) struct TokenCache {
    entries: Cache<Digest, Entry, UnitWeighter, BuildHasherDefault<DigestHasher>>,
}

#[derive(Clone)]
struct Entry {
    verified: Arc<Verified>,
    deadline: UnixTime,
}

impl TokenCache {
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            entries: Cache::with(
                capacity.get(),
                capacity.get() as u64,
                UnitWeighter,
                BuildHasherDefault::default(),
                DefaultLifecycle::default(),
            ),
        }
    }

    /// What is known of a token, unless that is too old or was found out with other keys.
    #[inline]
    pub(crate) fn find(
        &self,
        digest: &Digest,
        generation_of: impl FnOnce(usize) -> u64,
        now: UnixTime,
    ) -> Option<Arc<Verified>> {
        let entry = self.entries.get(digest)?;
        let fresh = now < entry.deadline
            && entry.verified.generation == generation_of(entry.verified.issuer);
        fresh.then_some(entry.verified)
    }

    pub(crate) fn keep(&self, digest: Digest, verified: &Arc<Verified>, now: UnixTime) {
        let deadline = verified.expires_at.min(now.saturating_add(MAX_AGE));
        if now < deadline {
            let verified = Arc::clone(verified);
            self.entries.insert(digest, Entry { verified, deadline });
        }
    }
}

/// A SHA-256 is as good a hash as there is: its first bytes are taken as they are.
#[derive(Default, Clone, Copy)]
pub(crate) struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use palisade_core::Principal;

    use super::*;
    use crate::digest::sha256;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn verified(expires_in: u64) -> Arc<Verified> {
        Arc::new(Verified {
            principal: Arc::new(Principal::user("iss", "alice")),
            issuer: 3,
            expires_at: NOW.saturating_add(Duration::from_secs(expires_in)),
            issued_at: None,
            id: None,
            named: None,
            generation: 1,
        })
    }

    fn cache() -> TokenCache {
        TokenCache::new(NonZeroUsize::new(16).unwrap())
    }

    #[test]
    fn an_entry_lasts_five_minutes_at_most() {
        let cache = cache();
        let digest = sha256(b"token");
        cache.keep(digest, &verified(3600), NOW);
        let at = |seconds| {
            let now = NOW.saturating_add(Duration::from_secs(seconds));
            cache.find(&digest, |_| 1, now).is_some()
        };
        assert!(at(0) && at(299));
        assert!(!at(300));
    }

    #[test]
    fn an_entry_never_outlives_its_token() {
        let cache = cache();
        let digest = sha256(b"token");
        cache.keep(digest, &verified(60), NOW);
        let at = |seconds| {
            let now = NOW.saturating_add(Duration::from_secs(seconds));
            cache.find(&digest, |_| 1, now).is_some()
        };
        assert!(at(59));
        assert!(!at(60));
    }

    #[test]
    fn other_keys_make_an_entry_void() {
        let cache = cache();
        let digest = sha256(b"token");
        cache.keep(digest, &verified(60), NOW);
        let asked = |generation| {
            cache.find(
                &digest,
                |issuer| {
                    assert_eq!(issuer, 3);
                    generation
                },
                NOW,
            )
        };
        assert!(asked(1).is_some());
        assert!(asked(2).is_none());
    }

    #[test]
    fn it_is_bounded() {
        let cache = cache();
        for token in 0..10_000_u32 {
            cache.keep(sha256(&token.to_le_bytes()), &verified(60), NOW);
        }
        assert!(cache.entries.len() <= 16, "{}", cache.entries.len());
    }
}
