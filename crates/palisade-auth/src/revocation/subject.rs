use std::fmt;
use std::future::ready;
use std::sync::Arc;

use palisade_core::RequestScope;

#[cfg(feature = "redis")]
use super::RedisRevocation;
use super::{MemoryRevocation, Revoking};
use crate::websocket::Tickets;
use crate::{MemoryApiKeys, RefreshTokens, Refusal, Sessions};
#[cfg(feature = "redis")]
use crate::{RedisApiKeys, RedisRefreshTokens, RedisSessions};

/// Ends everything that one store holds of a subject.
pub trait RevokeSubject: Send + Sync + 'static {
    /// Ends it; the error says that the store could not be told.
    fn revoke_subject<'a>(
        &'a self,
        issuer: &'a str,
        subject: &'a str,
        scope: &'a RequestScope,
    ) -> Revoking<'a>;
}

/// Ends everything of a subject in one call, in every store that a service has: access tokens, refresh tokens,
/// sessions, API keys and WebSocket tickets.
///
/// A store that is left out goes on: an account whose access tokens alone are revoked gets the next one by its refresh
/// token.
///
/// # Example
///
/// ```
/// use palisade_auth::revocation::{MemoryRevocation, SubjectRevocation};
/// use palisade_auth::{HmacKeys, RefreshTokens};
/// use palisade_core::{Principal, RequestScope};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), palisade_auth::AuthError> {
/// # let secret = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
///
/// let revoked = MemoryRevocation::new();
/// let refresh = RefreshTokens::memory(HmacKeys::current(secret)?).build()?;
/// let accounts = SubjectRevocation::new().store(revoked.clone()).store(refresh.clone());
///
/// let token = refresh.begin(Principal::user("bookings", "alice"))?;
/// let scope = RequestScope::detached();
/// accounts.revoke("bookings", "alice", &scope).await.unwrap();
/// assert!(refresh.rotate(token.as_str(), &scope).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct SubjectRevocation(Vec<Arc<dyn RevokeSubject>>);

impl SubjectRevocation {
    /// Begins without a store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a store.
    #[must_use]
    pub fn store(mut self, store: impl RevokeSubject) -> Self {
        self.0.push(Arc::new(store));
        self
    }

    /// Ends everything of the subject in every store, also where one of them fails.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when a store could not be told: call it again.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has told some of the stores.
    pub async fn revoke(
        &self,
        issuer: &str,
        subject: &str,
        scope: &RequestScope,
    ) -> Result<(), Refusal> {
        let mut told = Ok(());
        for store in &self.0 {
            told = told.and(store.revoke_subject(issuer, subject, scope).await);
        }
        told
    }
}

impl fmt::Debug for SubjectRevocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectRevocation")
            .field("stores", &self.0.len())
            .finish()
    }
}

/// Implements [`RevokeSubject`] for stores in memory, which revoke at once.
macro_rules! revoke_in_memory {
    ($($store:ty),+) => {$(
        impl RevokeSubject for $store {
            fn revoke_subject<'a>(
                &'a self,
                issuer: &'a str,
                subject: &'a str,
                _: &'a RequestScope,
            ) -> Revoking<'a> {
                Self::revoke_subject(self, issuer, subject);
                Box::pin(ready(Ok(())))
            }
        }
    )+};
}

revoke_in_memory!(MemoryRevocation, Sessions, MemoryApiKeys, Tickets);

impl RevokeSubject for RefreshTokens {
    fn revoke_subject<'a>(
        &'a self,
        issuer: &'a str,
        subject: &'a str,
        scope: &'a RequestScope,
    ) -> Revoking<'a> {
        Self::revoke_subject(self, issuer, subject, scope);
        Box::pin(ready(Ok(())))
    }
}

/// Implements [`RevokeSubject`] for stores in Redis, which may be away.
#[cfg(feature = "redis")]
macro_rules! revoke_in_redis {
    ($($store:ty),+) => {$(
        impl RevokeSubject for $store {
            fn revoke_subject<'a>(
                &'a self,
                issuer: &'a str,
                subject: &'a str,
                _: &'a RequestScope,
            ) -> Revoking<'a> {
                let revoked = Self::revoke_subject(self, issuer, subject);
                Box::pin(async { revoked.await.map(drop) })
            }
        }
    )+};
}

#[cfg(feature = "redis")]
revoke_in_redis!(RedisRevocation, RedisSessions, RedisApiKeys);

#[cfg(feature = "redis")]
impl RevokeSubject for RedisRefreshTokens {
    fn revoke_subject<'a>(
        &'a self,
        issuer: &'a str,
        subject: &'a str,
        scope: &'a RequestScope,
    ) -> Revoking<'a> {
        Box::pin(Self::revoke_subject(self, issuer, subject, scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_the_number_of_stores() {
        let accounts = SubjectRevocation::new()
            .store(MemoryRevocation::new())
            .store(MemoryRevocation::new());
        assert_eq!(format!("{accounts:?}"), "SubjectRevocation { stores: 2 }");
    }
}
