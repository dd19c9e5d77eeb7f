use std::time::Duration;

use palisade_core::{Principal, time};

use crate::jwt::JwtVerifier;
use crate::jwt::own::OwnClaims;
use crate::revocation::RevocationStatus;
#[cfg(feature = "redis")]
use crate::session::RedisSessions;
use crate::session::Sessions;

/// The time between two questions whether an open connection was revoked.
const PAUSE: Duration = Duration::from_secs(1);
/// For how long the store may be away before the connection ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// The reason for which a principal may no longer act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Its credential has expired.
    Expired,
    /// Its credential was revoked.
    Revoked,
    /// The store of revocations could not be asked for 30 seconds.
    Unknown,
}

impl JwtVerifier {
    /// Resolves when the token that proved this principal expires or is revoked: close the WebSocket then, with
    /// [`CLOSE_UNAUTHENTICATED`](super::CLOSE_UNAUTHENTICATED).
    ///
    /// Revocation is asked once a second. A principal without an expiry never ends by itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub async fn ended(&self, principal: &Principal) -> Ended {
        let own = OwnClaims::of(principal);
        let expiry = own.expiry(principal);
        let mut known = time::now();
        loop {
            let now = self.now();
            if expiry.is_some_and(|expiry| now >= expiry) {
                return Ended::Expired;
            }
            let token = own.token_ref(principal, None);
            match self.revocation_status(&token).await {
                RevocationStatus::Good => known = time::now(),
                RevocationStatus::Revoked => return Ended::Revoked,
                RevocationStatus::Unknown if known.elapsed() >= PATIENCE => return Ended::Unknown,
                RevocationStatus::Unknown => {}
            }
            let left = expiry.map(|expiry| expiry.saturating_since(now));
            tokio::time::sleep(left.map_or(PAUSE, |left| left.min(PAUSE))).await;
        }
    }
}

impl Sessions {
    /// Resolves when the session of this principal ends, by sign-out, revocation, idling or its lifetime: close the
    /// WebSocket then, with [`CLOSE_UNAUTHENTICATED`](super::CLOSE_UNAUTHENTICATED).
    ///
    /// Asked once a second. An open WebSocket is no use of the session: without a request in between it idles as any
    /// other does. A principal without a session, or with one that is not of these, is [`Ended::Revoked`] at once.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub async fn ended(&self, principal: &Principal) -> Ended {
        let Some(session) = principal.session_id() else {
            return Ended::Revoked;
        };
        loop {
            match self.left(session) {
                None => return Ended::Revoked,
                Some(left) if left.is_zero() => return Ended::Expired,
                Some(left) => tokio::time::sleep(left.min(PAUSE)).await,
            }
        }
    }
}

#[cfg(feature = "redis")]
impl RedisSessions {
    /// Resolves when the session of this principal ends, as [`Sessions::ended`] does, or when Redis could not be asked for
    /// 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub async fn ended(&self, principal: &Principal) -> Ended {
        let Some(session) = principal.session_id() else {
            return Ended::Revoked;
        };
        let mut known = time::now();
        loop {
            let left = match self.left(session).await {
                Ok(None) => return Ended::Revoked,
                Ok(Some(left)) if left.is_zero() => return Ended::Expired,
                Ok(Some(left)) => {
                    known = time::now();
                    left
                }
                Err(_) if known.elapsed() >= PATIENCE => return Ended::Unknown,
                Err(_) => PAUSE,
            };
            tokio::time::sleep(left.min(PAUSE)).await;
        }
    }
}
