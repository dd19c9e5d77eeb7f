//! API keys: long random secrets that are looked up by their id and compared by their SHA-256.

mod format;
mod memory;
mod record;
#[cfg(feature = "redis")]
mod redis;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use palisade_core::Principal;
use palisade_core::time::WallClock;

use self::format::{KeyText, valid_prefix};
pub use self::memory::MemoryApiKeys;
pub(crate) use self::record::ISSUER;
pub use self::record::{ApiKeyInfo, ApiKeyOwner, ApiKeyRecord, NewApiKey};
#[cfg(feature = "redis")]
pub use self::redis::RedisApiKeys;
use crate::outcome::Outcome;
use crate::{AuthError, Refusal};

type Load = dyn Fn(&str) -> Loading + Send + Sync;
type Loading = Pin<Box<dyn Future<Output = Result<Option<ApiKeyRecord>, Refusal>> + Send>>;

/// The source of an [`AuthLayer`](crate::AuthLayer)'s API keys: memory, Redis or a loader.
#[derive(Clone)]
pub struct ApiKeys {
    prefix: Box<str>,
    source: Source,
    clock: WallClock,
}

#[derive(Clone)]
enum Source {
    Memory(MemoryApiKeys),
    #[cfg(feature = "redis")]
    Redis(RedisApiKeys),
    Loader(Arc<Load>),
}

impl ApiKeys {
    /// The issuer of every principal that an API key speaks for.
    pub const ISSUER: &str = ISSUER;

    /// Asks `load` for the record of an id, such as from a database or a vault; `Err` when it cannot be asked, which
    /// is answered with 503. Asked once per request: keep an own cache where that is too often.
    ///
    /// A key whose form or check sum is wrong is refused without asking.
    ///
    /// # Errors
    ///
    /// Refuses a prefix that is not 2 to 12 of `a-z` and `0-9`.
    pub fn loader<F>(
        prefix: &str,
        load: impl Fn(&str) -> F + Send + Sync + 'static,
    ) -> Result<Self, AuthError>
    where
        F: Future<Output = Result<Option<ApiKeyRecord>, Refusal>> + Send + 'static,
    {
        Ok(Self {
            prefix: valid_prefix(prefix)?,
            source: Source::Loader(Arc::new(move |id| Box::pin(load(id)))),
            clock: WallClock::system(),
        })
    }

    /// Sets the clock that expiry is held against; default the system's.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn check(&self, presented: &[u8]) -> Outcome {
        let text = std::str::from_utf8(presented).ok();
        let Some(key) = text.and_then(|text| KeyText::parse(&self.prefix, text)) else {
            return Outcome::Now(Err(Refusal::KeyMalformed));
        };
        let digest = key.digest();
        let now = self.clock.now();
        match &self.source {
            Source::Memory(keys) => Outcome::Now(keys.check(key.id, &digest, now)),
            #[cfg(feature = "redis")]
            Source::Redis(keys) => {
                let (keys, id) = (keys.clone(), key.id.to_owned());
                Outcome::Later(Box::pin(async move { keys.check(&id, &digest, now).await }))
            }
            Source::Loader(load) => {
                let loading = load(key.id);
                let id: Box<str> = key.id.into();
                Outcome::Later(Box::pin(async move {
                    match loading.await? {
                        Some(record) if *record.id == *id => record.check(&digest, now),
                        _ => Err(Refusal::KeyUnknown),
                    }
                }))
            }
        }
    }

    /// Whether the key that proved a principal before is still one.
    pub(crate) fn check_again(&self, id: &str, principal: Arc<Principal>) -> Outcome {
        let now = self.clock.now();
        match &self.source {
            Source::Memory(keys) => Outcome::Now(keys.check_again(id, now).map(|()| principal)),
            #[cfg(feature = "redis")]
            Source::Redis(keys) => {
                let (keys, id) = (keys.clone(), id.to_owned());
                Outcome::Later(Box::pin(async move {
                    keys.check_again(&id, now).await.map(|()| principal)
                }))
            }
            Source::Loader(load) => {
                let loading = load(id);
                let id: Box<str> = id.into();
                Outcome::Later(Box::pin(async move {
                    match loading.await? {
                        Some(record) if *record.id == *id => {
                            record.check_expiry(now).map(|()| principal)
                        }
                        _ => Err(Refusal::KeyUnknown),
                    }
                }))
            }
        }
    }
}

impl From<MemoryApiKeys> for ApiKeys {
    fn from(keys: MemoryApiKeys) -> Self {
        Self {
            prefix: keys.prefix().into(),
            clock: keys.clock(),
            source: Source::Memory(keys),
        }
    }
}

#[cfg(feature = "redis")]
impl From<RedisApiKeys> for ApiKeys {
    fn from(keys: RedisApiKeys) -> Self {
        Self {
            prefix: keys.prefix().into(),
            clock: keys.clock_of(),
            source: Source::Redis(keys),
        }
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
