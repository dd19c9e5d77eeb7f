//! Tokens that have been verified.
//!
//! A token is found by a keyed hash of its end, where its signature lies, and is the one that was verified only if every
//! byte is the same. See the threat model for why that is as safe as a digest of the whole.

use std::hash::{Hash, Hasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_core::time::UnixTime;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, UnitWeighter};
use zeroize::Zeroizing;

use super::verify::Verified;

/// The longest that a verification is believed without being done again.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);

/// The seconds between two searches for entries that are too old. One pass over 10,000 of them takes some 100 us.
const SWEEP_EVERY: u64 = 60;

/// So much of a token's end is hashed: more than the signature of HS256 has, in which valid tokens differ.
const HASHED: usize = 64;

/// A bounded cache. Only tokens that hold get in, so nobody else can push others out, or make up ones that collide.
pub(crate) struct TokenCache {
    entries: Cache<CachedToken, Entry, UnitWeighter, RandomState>,
    /// Seconds since 1970.
    swept_at: AtomicU64,
}

/// A token that was verified, wiped when it goes.
#[derive(Clone, PartialEq, Eq)]
struct CachedToken(Zeroizing<Box<[u8]>>);

/// A token as it is presented.
struct Presented<'a>(&'a [u8]);

impl Hash for CachedToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Presented(&self.0).hash(state);
    }
}

impl Hash for Presented<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0[self.0.len().saturating_sub(HASHED)..]);
    }
}

impl Equivalent<CachedToken> for Presented<'_> {
    #[inline]
    fn equivalent(&self, kept: &CachedToken) -> bool {
        *self.0 == **kept.0
    }
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
                RandomState::new(),
                DefaultLifecycle::default(),
            ),
            swept_at: AtomicU64::new(0),
        }
    }

    /// Finds a verified token, unless it is too old or was verified with other keys: then it is forgotten.
    #[inline]
    pub(crate) fn find(
        &self,
        token: &[u8],
        generation_of: impl FnOnce(usize) -> u64,
        now: UnixTime,
    ) -> Option<Arc<Verified>> {
        let entry = self.entries.get(&Presented(token))?;
        let generation = generation_of(entry.verified.issuer);
        if now < entry.deadline && entry.verified.generation == generation {
            return Some(entry.verified);
        }
        self.forget(token, &entry);
        None
    }

    /// Removes an entry, unless another took its place meanwhile.
    #[cold]
    fn forget(&self, token: &[u8], stale: &Entry) {
        self.entries.remove_if(&Presented(token), |entry| {
            Arc::ptr_eq(&entry.verified, &stale.verified)
        });
    }

    pub(crate) fn keep(&self, token: &[u8], verified: &Arc<Verified>, now: UnixTime) {
        let deadline = verified.expires_at.min(now.saturating_add(MAX_AGE));
        self.sweep(now);
        if now < deadline {
            let verified = Arc::clone(verified);
            let kept = CachedToken(Zeroizing::new(token.into()));
            self.entries.insert(kept, Entry { verified, deadline });
        }
    }

    /// Forgets every entry that is too old, once a minute at most: a token that nobody presents again goes too.
    fn sweep(&self, now: UnixTime) {
        let (now_seconds, swept_at) = (now.as_secs(), self.swept_at.load(Ordering::Relaxed));
        // A clock that was set back must not put the next sweep off.
        if now_seconds.abs_diff(swept_at) < SWEEP_EVERY {
            return;
        }
        let mine = self.swept_at.compare_exchange(
            swept_at,
            now_seconds,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if mine.is_ok() {
            self.entries.retain(|_, entry| now < entry.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use palisade_core::Principal;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn verified(expires_in: u64) -> Arc<Verified> {
        Arc::new(Verified {
            principal: Arc::new(Principal::user("iss", "alice")),
            issuer: 3,
            expires_at: NOW.saturating_add(Duration::from_secs(expires_in)),
            issued_at: None,
            id: None,
            named: None,
            bound_to: None,
            generation: 1,
        })
    }

    fn cache() -> TokenCache {
        TokenCache::new(NonZeroUsize::new(16).unwrap())
    }

    #[test]
    fn an_entry_lasts_five_minutes_at_most() {
        let cache = cache();
        cache.keep(b"token", &verified(3600), NOW);
        let at = |seconds| {
            let now = NOW.saturating_add(Duration::from_secs(seconds));
            cache.find(b"token", |_| 1, now).is_some()
        };
        assert!(at(0) && at(299));
        assert!(!at(300));
    }

    #[test]
    fn an_entry_never_outlives_its_token() {
        let cache = cache();
        cache.keep(b"token", &verified(60), NOW);
        let at = |seconds| {
            let now = NOW.saturating_add(Duration::from_secs(seconds));
            cache.find(b"token", |_| 1, now).is_some()
        };
        assert!(at(59));
        assert!(!at(60));
    }

    #[test]
    fn other_keys_make_an_entry_void() {
        let cache = cache();
        cache.keep(b"token", &verified(60), NOW);
        let asked = |generation| {
            cache.find(
                b"token",
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
    fn an_entry_that_is_too_old_is_removed_when_it_is_asked_for() {
        let cache = cache();
        cache.keep(b"token", &verified(60), NOW);
        let later = NOW.saturating_add(Duration::from_secs(60));
        assert!(cache.find(b"token", |_| 1, later).is_none());
        assert_eq!(cache.entries.len(), 0);
        cache.keep(b"token", &verified(60), NOW);
        assert!(cache.find(b"token", |_| 2, NOW).is_none(), "other keys");
        assert_eq!(cache.entries.len(), 0);
    }

    #[test]
    fn entries_that_nobody_asks_for_are_swept_once_a_minute() {
        let cache = cache();
        cache.keep(b"a", &verified(30), NOW);
        cache.keep(b"b", &verified(200), NOW);
        let after = |seconds| NOW.saturating_add(Duration::from_secs(seconds));
        cache.keep(b"c", &verified(200), after(59));
        assert_eq!(cache.entries.len(), 3);
        cache.keep(b"d", &verified(200), after(60));
        assert_eq!(cache.entries.len(), 3, "the one that is over is gone");
        cache.keep(b"e", &verified(1), UnixTime::from_secs(5));
        cache.keep(b"f", &verified(900), after(800));
        assert_eq!(cache.entries.len(), 1, "a clock set back puts nothing off");
    }

    #[test]
    fn it_is_bounded() {
        let cache = cache();
        for token in 0..10_000_u32 {
            cache.keep(&token.to_le_bytes(), &verified(60), NOW);
        }
        assert!(cache.entries.len() <= 16, "{}", cache.entries.len());
    }

    #[test]
    fn a_token_with_the_same_end_is_another() {
        let cache = cache();
        let end = [b's'; HASHED];
        let token = |start: &[u8]| [start, &end].concat();
        cache.keep(&token(b"alice."), &verified(60), NOW);
        assert!(cache.find(&token(b"alice."), |_| 1, NOW).is_some());
        for other in [&b"mallory."[..], b"Alice.", b"", b"alice"] {
            assert!(cache.find(&token(other), |_| 1, NOW).is_none(), "{other:?}");
        }
    }
}
