use palisade_core::Principal;
use palisade_core::time::UnixTime;
use serde::Deserialize;

use super::token_claims::TokenClaims;
use crate::revocation::TokenRef;

/// The claims of the token itself, whatever principal was made of it; nothing for a principal that no token proved.
#[derive(Deserialize, Default)]
pub(crate) struct OwnClaims {
    iss: Option<String>,
    sub: Option<String>,
    sid: Option<String>,
    jti: Option<String>,
    iat: Option<f64>,
    exp: Option<f64>,
}

impl OwnClaims {
    pub(crate) fn of(principal: &Principal) -> Self {
        principal
            .claims_as::<TokenClaims>()
            .and_then(|claims| claims.parse().ok())
            .unwrap_or_default()
    }

    /// The session that the token itself names.
    pub(crate) fn session(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// The time at which the token was made, in whole seconds.
    #[cfg(feature = "introspection")]
    pub(crate) fn issued_at(&self) -> Option<UnixTime> {
        self.iat.map(|iat| UnixTime::from_secs(iat as u64))
    }

    /// The end of the token or of the principal, whichever comes first.
    pub(crate) fn expiry(&self, principal: &Principal) -> Option<UnixTime> {
        let own = self.exp.map(|exp| UnixTime::from_secs(exp as u64));
        principal.expiry().into_iter().chain(own).min()
    }

    /// The names and times that a store is asked about. A principal of no token is asked about as one of `known_at`, if that is known.
    pub(crate) fn token_ref<'a>(
        &'a self,
        principal: &'a Principal,
        known_at: Option<UnixTime>,
    ) -> TokenRef<'a> {
        let issued_at = match &self.iss {
            Some(_) => self.iat.map(|iat| UnixTime::from_secs(iat as u64)),
            None => known_at,
        };
        TokenRef {
            issuer: self.iss.as_deref().unwrap_or(principal.issuer()),
            subject: self.sub.as_deref().unwrap_or(principal.subject()),
            id: self.jti.as_deref(),
            session: self.sid.as_deref().or(principal.session_id()),
            issued_at,
            expires_at: self.expiry(principal).unwrap_or_default(),
        }
    }
}
