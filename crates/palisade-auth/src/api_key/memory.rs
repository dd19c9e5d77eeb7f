use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use palisade_core::Principal;
use palisade_core::time::{UnixTime, WallClock};

use super::format::{self, valid_prefix};
use super::record::{ApiKeyOwner, ApiKeyRecord, NewApiKey, digest_of};
use crate::digest::Digest;
use crate::{AuthError, Refusal};

/// API keys in the memory of this process. Clones share them.
///
/// # Example
///
/// ```
/// use palisade_auth::{ApiKeyOwner, AuthLayer, MemoryApiKeys};
/// use palisade_core::Principal;
///
/// let keys = MemoryApiKeys::new("pal")?;
/// let key = keys.create(ApiKeyOwner::new(Principal::service("any", "partner").scopes(["read"])))?;
/// assert!(key.as_str().starts_with(&format!("pal_{}_", key.id())));
///
/// let layer = AuthLayer::new().api_keys(keys.clone());
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct MemoryApiKeys(Arc<Inner>);

struct Inner {
    prefix: Box<str>,
    clock: WallClock,
    keys: RwLock<HashMap<Box<str>, Entry>>,
}

struct Entry {
    record: ApiKeyRecord,
    /// Seconds since 1970, 0 for never or for already told.
    used_at: AtomicU64,
}

impl MemoryApiKeys {
    /// No keys yet. Those to come start with `prefix` and an underscore, so that scanners of source code find them.
    ///
    /// # Errors
    ///
    /// Refuses a prefix that is not 2 to 12 of `a-z` and `0-9`.
    pub fn new(prefix: &str) -> Result<Self, AuthError> {
        Self::with_clock(prefix, WallClock::system())
    }

    /// The same, on a clock that a test controls.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_clock(prefix: &str, clock: WallClock) -> Result<Self, AuthError> {
        Ok(Self(Arc::new(Inner {
            prefix: valid_prefix(prefix)?,
            clock,
            keys: RwLock::default(),
        })))
    }

    /// Makes a key.
    ///
    /// # Errors
    ///
    /// Fails when the operating system gives no random bytes.
    #[expect(clippy::needless_pass_by_value, reason = "made in the call")]
    pub fn create(&self, owner: ApiKeyOwner) -> Result<NewApiKey, AuthError> {
        let key = NewApiKey::make(&self.0.prefix, &owner)?;
        self.insert(key.record.clone());
        Ok(key)
    }

    /// Adds a key that a store kept, or replaces the one of the same id.
    pub fn insert(&self, record: ApiKeyRecord) {
        let id = record.id.clone();
        let used_at = AtomicU64::new(0);
        self.write().insert(id, Entry { record, used_at });
    }

    /// Gives a key a new secret; the one before works on until the next rotation or [`retire`](Self::retire).
    ///
    /// # Errors
    ///
    /// Fails when the operating system gives no random bytes. `Ok(None)` if there is no such key.
    pub fn rotate(&self, id: &str) -> Result<Option<NewApiKey>, AuthError> {
        let text = format::new_key(&self.0.prefix, id)?;
        let mut keys = self.write();
        let Some(entry) = keys.get_mut(id) else {
            return Ok(None);
        };
        let digest = digest_of(&self.0.prefix, &text)?;
        entry.record.digests.truncate(1);
        entry.record.digests.insert(0, digest);
        Ok(Some(NewApiKey {
            text,
            record: entry.record.clone(),
        }))
    }

    /// Ends the secrets before the newest; `true` if there were any.
    pub fn retire(&self, id: &str) -> bool {
        let mut keys = self.write();
        keys.get_mut(id).is_some_and(|entry| {
            let several = entry.record.digests.len() > 1;
            entry.record.digests.truncate(1);
            several
        })
    }

    /// Ends a key; `true` if there was one.
    pub fn revoke(&self, id: &str) -> bool {
        self.write().remove(id).is_some()
    }

    /// Ends every key of a subject, by the issuer that its principal had when the key was made; says how many there
    /// were. The issuer `api-key` stands for every owner of this subject. Looks at all keys.
    pub fn revoke_subject(&self, issuer: &str, subject: &str) -> usize {
        let mut keys = self.write();
        let before = keys.len();
        keys.retain(|_, entry| !entry.record.is_of(issuer, subject));
        before - keys.len()
    }

    /// Takes the keys that were used since the last call, with the time of each, for a store to note in one go.
    #[must_use]
    pub fn take_used(&self) -> Vec<(String, UnixTime)> {
        let keys = self.read();
        let used = keys.iter().filter_map(|(id, entry)| {
            let seconds = entry.used_at.swap(0, Ordering::Relaxed);
            (seconds != 0).then(|| (id.to_string(), UnixTime::from_secs(seconds)))
        });
        used.collect()
    }

    pub(super) fn check(
        &self,
        id: &str,
        presented: &Digest,
        now: UnixTime,
    ) -> Result<Arc<Principal>, Refusal> {
        let keys = self.read();
        let entry = keys.get(id).ok_or(Refusal::KeyUnknown)?;
        let principal = entry.record.check(presented, now)?;
        // Written once a second at most: a counter that every request writes is contended.
        if entry.used_at.load(Ordering::Relaxed) != now.as_secs() {
            entry.used_at.store(now.as_secs(), Ordering::Relaxed);
        }
        Ok(principal)
    }

    /// Whether there still is such a key.
    pub(super) fn check_again(&self, id: &str, now: UnixTime) -> Result<(), Refusal> {
        let keys = self.read();
        let entry = keys.get(id).ok_or(Refusal::KeyUnknown)?;
        entry.record.check_expiry(now)
    }

    pub(super) fn prefix(&self) -> &str {
        &self.0.prefix
    }

    pub(super) fn clock(&self) -> WallClock {
        self.0.clock.clone()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Box<str>, Entry>> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Box<str>, Entry>> {
        self.0.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryApiKeys")
            .field("prefix", &self.0.prefix)
            .field("len", &self.read().len())
            .finish_non_exhaustive()
    }
}
