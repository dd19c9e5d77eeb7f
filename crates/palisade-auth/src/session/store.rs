use std::sync::Arc;

use http::HeaderMap;
use palisade_core::Principal;

use super::Sessions;
#[cfg(feature = "redis")]
use super::redis::RedisSessions;
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

    /// Whose session a request came with; nothing if it has no cookie.
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
