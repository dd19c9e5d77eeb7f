//! The part of a sign-in at a provider that is kept while the session that it began lasts.

mod entry;
mod memory;
#[cfg(feature = "redis")]
mod record;
#[cfg(feature = "redis")]
mod redis;

use palisade_core::Principal;
use palisade_core::time::UnixTime;

pub(super) use self::entry::Kept;
use self::memory::MemorySignIns;
#[cfg(feature = "redis")]
use self::redis::SharedSignIns;
use super::super::{Logout, Oidc, OidcError, ProviderTokens};

/// The sign-ins of this process, or of all that share a Redis.
pub(super) enum SignIns {
    Memory(MemorySignIns),
    #[cfg(feature = "redis")]
    Redis(SharedSignIns),
}

#[cfg_attr(not(feature = "redis"), expect(clippy::unused_async, reason = "Redis"))]
impl SignIns {
    pub(super) fn of(oidc: &Oidc) -> Self {
        #[cfg(feature = "redis")]
        if let Some(shared) = &oidc.0.shared {
            return Self::Redis(SharedSignIns::new(shared.clone()));
        }
        Self::Memory(MemorySignIns::new(oidc.issuer()))
    }

    /// Whether the sign-ins of other processes are here too.
    pub(super) const fn are_shared(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            #[cfg(feature = "redis")]
            Self::Redis(_) => true,
        }
    }

    /// Keeps a sign-in from now until its session ends at last.
    pub(super) async fn keep(
        &self,
        session: &str,
        kept: Kept,
        (now, until): (UnixTime, UnixTime),
    ) -> Result<(), OidcError> {
        match self {
            Self::Memory(memory) => {
                memory.keep(session, kept, (now, until));
                Ok(())
            }
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.keep(session, &kept, (now, until)).await,
        }
    }

    /// The provider's tokens of whoever a session belongs to, renewed where they end soon.
    pub(super) async fn tokens(
        &self,
        oidc: &Oidc,
        principal: &Principal,
    ) -> Result<Option<ProviderTokens>, OidcError> {
        match self {
            Self::Memory(memory) => memory.tokens(oidc, principal).await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.tokens(oidc, principal).await,
        }
    }

    /// Forgets a sign-in; gives back its tokens as they are.
    pub(super) async fn take(
        &self,
        principal: &Principal,
    ) -> Result<Option<ProviderTokens>, OidcError> {
        match self {
            Self::Memory(memory) => Ok(memory.take(principal).await),
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.take(principal).await,
        }
    }

    /// The sessions that a logout token names.
    pub(super) async fn named_by(&self, logout: &Logout) -> Result<Vec<String>, OidcError> {
        match self {
            Self::Memory(memory) => Ok(memory.named_by(logout)),
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.named_by(logout).await,
        }
    }

    /// Forgets a session, of this session at the provider if that is known.
    pub(super) async fn remove(
        &self,
        session: &str,
        provider_session: Option<&str>,
    ) -> Result<(), OidcError> {
        match self {
            Self::Memory(memory) => {
                let _ = provider_session;
                memory.remove(session);
                Ok(())
            }
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.remove(session, provider_session).await,
        }
    }
}
