//! The values of sign-ins that may be used once: by this process, or by all that share a Redis.

#[cfg(feature = "redis")]
use std::sync::Arc;

use palisade_core::time::UnixTime;

use super::OidcError;
use super::once::Once;
#[cfg(feature = "redis")]
use super::redis::RedisSignIns;
use crate::digest::Digest;

/// The number of used values that a process remembers.
const REMEMBERED: usize = 100_000;

/// Values of one kind, and the place where those that were used are remembered.
pub(super) enum Used {
    Memory(Once),
    #[cfg(feature = "redis")]
    Redis(Arc<RedisSignIns>, &'static str),
}

impl Used {
    pub(super) fn memory() -> Self {
        Self::Memory(Once::new(REMEMBERED))
    }

    /// Uses a value up, which has no meaning any more from `until` on.
    ///
    /// # Errors
    ///
    /// `again` where it was used before, and [`OidcError::Unavailable`] where nobody can say.
    #[cfg_attr(not(feature = "redis"), expect(clippy::unused_async, reason = "Redis"))]
    pub(super) async fn spend(
        &self,
        name: Digest,
        until: UnixTime,
        now: UnixTime,
        again: OidcError,
    ) -> Result<(), OidcError> {
        let is_first = match self {
            Self::Memory(once) => once.is_first(name, until, now),
            #[cfg(feature = "redis")]
            Self::Redis(redis, kind) => {
                let life = until.saturating_since(now);
                redis.is_first(kind, &name, life).await?
            }
        };
        if is_first { Ok(()) } else { Err(again) }
    }

    /// Whether a value was used up.
    #[cfg(feature = "axum")]
    #[cfg_attr(not(feature = "redis"), expect(clippy::unused_async, reason = "Redis"))]
    pub(super) async fn is_spent(&self, name: &Digest, now: UnixTime) -> Result<bool, OidcError> {
        match self {
            Self::Memory(once) => Ok(once.is_used(name, now)),
            #[cfg(feature = "redis")]
            Self::Redis(redis, kind) => redis.is_used(kind, name).await,
        }
    }
}
