use std::time::Duration;

use crate::jwt::{JwtVerifier, TokenClaims};
use crate::revocation::{Standing, TokenRef};
use palisade_core::time::UnixTime;
use palisade_core::{Principal, time};
use serde::Deserialize;

/// How often revocation is asked about an open connection.
const PAUSE: Duration = Duration::from_secs(1);
/// For how long the store may be away before the connection ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a principal may no longer act.
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

/// The claims of the token itself, whatever principal was made of it.
#[derive(Deserialize, Default)]
struct Own {
    iss: Option<String>,
    sub: Option<String>,
    sid: Option<String>,
    jti: Option<String>,
    iat: Option<f64>,
    exp: Option<f64>,
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
        let own: Own = principal
            .claims_as::<TokenClaims>()
            .and_then(|claims| claims.parse().ok())
            .unwrap_or_default();
        let own_expiry = own.exp.map(|exp| UnixTime::from_secs(exp as u64));
        let expiry = principal.expiry().into_iter().chain(own_expiry).min();
        let mut known = time::now();
        loop {
            let now = self.now();
            if expiry.is_some_and(|expiry| now >= expiry) {
                return Ended::Expired;
            }
            let token = TokenRef {
                issuer: own.iss.as_deref().unwrap_or(principal.issuer()),
                subject: own.sub.as_deref().unwrap_or(principal.subject()),
                id: own.jti.as_deref(),
                session: own.sid.as_deref().or(principal.session_id()),
                issued_at: own.iat.map(|iat| UnixTime::from_secs(iat as u64)),
                expires_at: expiry.unwrap_or_default(),
            };
            match self.standing(&token).await {
                Standing::Good => known = time::now(),
                Standing::Revoked => return Ended::Revoked,
                Standing::Unknown if known.elapsed() >= PATIENCE => return Ended::Unknown,
                Standing::Unknown => {}
            }
            let left = expiry.map(|expiry| expiry.saturating_since(now));
            tokio::time::sleep(left.map_or(PAUSE, |left| left.min(PAUSE))).await;
        }
    }
}
