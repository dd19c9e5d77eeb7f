//! Logout at the provider (OpenID Connect RP-Initiated Logout 1.0) and by it (Back-Channel Logout 1.0).

use std::collections::BTreeMap;
use std::time::Duration;

use palisade_core::time::UnixTime;
use serde::Deserialize;
use serde_json::Value;

use super::location::with_query;
use super::{Oidc, OidcError};
use crate::digest::{Digest, sha256};
use crate::{Issuer, TokenClaims};

/// The event that a logout token names (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The target of a provider's logout: a session, or a subject with all of its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Logout {
    /// The provider.
    pub issuer: String,
    /// The user at the provider.
    pub subject: Option<String>,
    /// The [session](super::Identity::provider_session) at the provider; nothing for all of the subject's.
    pub session: Option<String>,
}

/// The name of a logout token among those that were used, and until when it could be used again.
pub(super) struct Mark {
    pub(super) name: Digest,
    pub(super) until: UnixTime,
}

#[derive(Deserialize)]
struct LogoutClaims {
    iss: String,
    sub: Option<String>,
    sid: Option<String>,
    jti: String,
    exp: f64,
    events: BTreeMap<String, Value>,
}

impl Oidc {
    /// The longest life of a logout token; the standard recommends 2 minutes (Back-Channel Logout 1.0, section 4).
    pub const LOGOUT_LIFETIME: Duration = Duration::from_secs(60 * 60);

    /// The address that a browser is sent to so that the user is signed out at the provider too; nothing where the provider
    /// has none, as Google.
    ///
    /// `id_token` is [that of the sign-in](super::ProviderTokens::id_token), so that the provider need not ask whom it is
    /// about. `return_to` is where the browser comes back to, registered at the provider.
    ///
    /// # Errors
    ///
    /// As for [`begin`](Self::begin).
    pub async fn logout_url(
        &self,
        id_token: Option<&str>,
        return_to: Option<&str>,
    ) -> Result<Option<String>, OidcError> {
        let metadata = self.0.provider.metadata().await?;
        let Some(endpoint) = &metadata.end_session_endpoint else {
            return Ok(None);
        };
        let mut pairs = vec![("client_id", self.0.provider.client_id())];
        pairs.extend(id_token.map(|token| ("id_token_hint", token)));
        pairs.extend(return_to.map(|url| ("post_logout_redirect_uri", url)));
        Ok(Some(with_query(endpoint, pairs)))
    }

    /// Verifies a logout token (Back-Channel Logout 1.0, section 2.6), which holds once within this process or, by
    /// `RedisSignIns`, in all instances.
    ///
    /// # Errors
    ///
    /// [`OidcError::Token`] for what the verifier refuses, ID and access tokens among it, [`OidcError::WrongEvent`] and
    /// [`OidcError::Replayed`].
    pub async fn logout_token(&self, token: &str) -> Result<Logout, OidcError> {
        let (logout, mark) = self.verified_logout(token).await?;
        self.spend_logout(&mark).await?;
        Ok(logout)
    }

    pub(super) async fn spend_logout(&self, mark: &Mark) -> Result<(), OidcError> {
        let this = &*self.0;
        let spent =
            this.used_logouts
                .spend(mark.name, mark.until, this.clock.now(), OidcError::Replayed);
        spent.await
    }

    /// The same, without using it up.
    pub(super) async fn verified_logout(&self, token: &str) -> Result<(Logout, Mark), OidcError> {
        let this = &*self.0;
        let verified = this.logout_tokens.authenticate(token).await;
        let verified = verified.map_err(OidcError::Token)?;
        let claims = verified.claims_as::<TokenClaims>();
        let claims = claims.and_then(|claims| claims.parse::<LogoutClaims>().ok());
        let claims = claims.ok_or(OidcError::WrongEvent)?;
        let is_named = matches!(claims.events.get(EVENT), Some(Value::Object(_)));
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (subject, session) = (filled(claims.sub), filled(claims.sid));
        if !is_named || claims.jti.is_empty() || (subject.is_none() && session.is_none()) {
            return Err(OidcError::WrongEvent);
        }
        // Other clients of the provider may share the Redis.
        let client = this.provider.client_id();
        let (issuer, jti) = (&claims.iss, &claims.jti);
        let name = format!("{}:{issuer}{}:{client}{jti}", issuer.len(), client.len());
        let until = UnixTime::from_secs(claims.exp as u64).saturating_add(Issuer::MAX_LEEWAY);
        let mark = Mark {
            name: sha256(name.as_bytes()),
            until,
        };
        let logout = Logout {
            issuer: claims.iss,
            subject,
            session,
        };
        Ok((logout, mark))
    }
}
