use std::sync::Arc;
#[cfg(all(feature = "oidc", feature = "axum"))]
use std::time::Duration;

use http::HeaderMap;
#[cfg(all(feature = "oidc", feature = "axum"))]
use http::HeaderValue;
use palisade_core::Principal;

use super::Sessions;
#[cfg(feature = "redis")]
use super::redis::RedisSessions;
#[cfg(all(feature = "oidc", feature = "axum"))]
use crate::AuthError;
use crate::Refusal;
use crate::outcome::Outcome;

/// The sessions that an [`AuthLayer`](crate::AuthLayer) accepts cookies of: [`Sessions`] in memory, or those in Redis.
#[derive(Debug, Clone)]
pub struct SessionStore(Source);

#[derive(Debug, Clone)]
enum Source {
    Memory(Sessions),
    #[cfg(feature = "redis")]
    Redis(RedisSessions),
}

impl SessionStore {
    /// The name of the cookie.
    pub(crate) fn cookie_name(&self) -> &str {
        match &self.0 {
            Source::Memory(sessions) => sessions.cookie_name(),
            #[cfg(feature = "redis")]
            Source::Redis(sessions) => sessions.cookie_name(),
        }
    }

    /// Finds the session that a request came with; `None` if it has no cookie.
    pub(crate) fn check(&self, request: &HeaderMap) -> Option<Outcome> {
        match &self.0 {
            Source::Memory(sessions) => sessions.check(request).map(Outcome::Now),
            #[cfg(feature = "redis")]
            Source::Redis(sessions) => sessions.check(request),
        }
    }

    /// Whether the session of a principal is not over. No use of it.
    pub(crate) fn check_again(&self, session: &str, principal: Arc<Principal>) -> Outcome {
        match &self.0 {
            Source::Memory(sessions) => Outcome::Now(match sessions.left(session) {
                Some(left) if !left.is_zero() => Ok(principal),
                _ => Err(Refusal::Revoked),
            }),
            #[cfg(feature = "redis")]
            Source::Redis(sessions) => {
                let (sessions, session) = (sessions.clone(), session.to_owned());
                Outcome::Later(Box::pin(async move {
                    match sessions.left(&session).await? {
                        Some(left) if !left.is_zero() => Ok(principal),
                        _ => Err(Refusal::Revoked),
                    }
                }))
            }
        }
    }
}

/// For those who sign in somewhere else and come back.
#[cfg(all(feature = "oidc", feature = "axum"))]
impl SessionStore {
    /// Starts a session; gives back the `Set-Cookie`, and the id that the principal has in it.
    pub(crate) async fn begin(
        &self,
        principal: Principal,
        request: &HeaderMap,
    ) -> Result<(HeaderValue, String), AuthError> {
        let (cookie, id) = match &self.0 {
            Source::Memory(sessions) => {
                let cookie = sessions.begin(principal, request)?;
                let id = super::cookie::set_value(&cookie).map(Sessions::id_of);
                (cookie, id)
            }
            #[cfg(feature = "redis")]
            Source::Redis(sessions) => {
                let cookie = sessions.begin(&principal, request).await?;
                let id = super::cookie::set_value(&cookie).and_then(|value| sessions.id_of(value));
                (cookie, id)
            }
        };
        let id = id.ok_or(AuthError::Issue("the cookie cannot be read"))?;
        Ok((cookie, id))
    }

    /// Ends the sessions that a request came with.
    #[cfg_attr(not(feature = "redis"), expect(clippy::unused_async, reason = "Redis"))]
    pub(crate) async fn end(&self, request: &HeaderMap) -> Result<HeaderValue, Refusal> {
        match &self.0 {
            Source::Memory(sessions) => Ok(sessions.end(request)),
            #[cfg(feature = "redis")]
            Source::Redis(sessions) => sessions.end(request).await,
        }
    }

    pub(crate) async fn revoke(&self, session: &str) -> Result<bool, Refusal> {
        match &self.0 {
            Source::Memory(sessions) => Ok(sessions.revoke(session)),
            #[cfg(feature = "redis")]
            Source::Redis(sessions) => sessions.revoke(session).await,
        }
    }

    pub(crate) async fn revoke_subject(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<usize, Refusal> {
        match &self.0 {
            Source::Memory(sessions) => Ok(sessions.revoke_subject(issuer, subject)),
            #[cfg(feature = "redis")]
            Source::Redis(sessions) => sessions.revoke_subject(issuer, subject).await,
        }
    }

    /// Whether other processes begin sessions here too.
    pub(crate) const fn is_shared(&self) -> bool {
        match &self.0 {
            Source::Memory(_) => false,
            #[cfg(feature = "redis")]
            Source::Redis(_) => true,
        }
    }

    /// The longest lifetime of a session.
    pub(crate) fn lifetime(&self) -> Duration {
        match &self.0 {
            Source::Memory(sessions) => sessions.lifetime(),
            #[cfg(feature = "redis")]
            Source::Redis(sessions) => sessions.lifetime(),
        }
    }
}

impl From<Sessions> for SessionStore {
    fn from(sessions: Sessions) -> Self {
        Self(Source::Memory(sessions))
    }
}

#[cfg(feature = "redis")]
impl From<RedisSessions> for SessionStore {
    fn from(sessions: RedisSessions) -> Self {
        Self(Source::Redis(sessions))
    }
}
