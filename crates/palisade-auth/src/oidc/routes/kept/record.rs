//! A sign-in as Redis keeps it: sealed JSON, for one session of one client at one provider.

use palisade_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::super::super::seal::{Purpose, SealKeys};
use super::super::super::{OidcError, ProviderTokens};
use super::entry::Kept;
use crate::oidc::provider::TokenParts;

#[derive(Serialize, Deserialize)]
struct Record {
    issuer: String,
    subject: String,
    provider_subject: String,
    provider_session: Option<String>,
    access_token: String,
    id_token: Option<String>,
    refresh_token: Option<String>,
    expires_at: Option<u64>,
    scope: Option<String>,
}

impl Drop for Record {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.id_token.zeroize();
        self.refresh_token.zeroize();
    }
}

pub(super) fn sealed(
    keys: &SealKeys,
    label: &str,
    kept: &Kept,
    tokens: &ProviderTokens,
) -> Result<String, OidcError> {
    let record = Record {
        issuer: kept.issuer.to_string(),
        subject: kept.subject.to_string(),
        provider_subject: kept.provider_subject.to_string(),
        provider_session: kept.provider_session.as_deref().map(str::to_owned),
        access_token: tokens.access_token().to_owned(),
        id_token: tokens.id_token().map(str::to_owned),
        refresh_token: tokens.refresh_token().map(str::to_owned),
        expires_at: tokens.expires_at().map(UnixTime::as_secs),
        scope: tokens.scope().map(str::to_owned),
    };
    let text = serde_json::to_string(&record).map(Zeroizing::new);
    let text = text.map_err(|_| OidcError::Unavailable)?;
    let sealed = keys.seal(Purpose::Tokens, label, &text);
    sealed.ok_or(OidcError::Unavailable)
}

/// `None` for what nobody with our secret has kept under this label.
pub(super) fn opened(keys: &SealKeys, label: &str, sealed: &[u8]) -> Option<Kept> {
    let Some(text) = keys.open(Purpose::Tokens, label, sealed) else {
        tracing::warn!(
            target: "palisade_auth",
            "a sign-in in Redis does not open: `cookie_secret` was changed, or somebody has written there"
        );
        return None;
    };
    let mut record: Record = serde_json::from_str(&text).ok()?;
    let take = std::mem::take::<String>;
    Some(Kept {
        issuer: take(&mut record.issuer).into(),
        subject: take(&mut record.subject).into(),
        provider_subject: take(&mut record.provider_subject).into(),
        provider_session: record.provider_session.take().map(Into::into),
        tokens: ProviderTokens::of(TokenParts {
            access_token: take(&mut record.access_token),
            id_token: record.id_token.take(),
            refresh_token: record.refresh_token.take(),
            expires_at: record.expires_at.map(UnixTime::from_secs),
            scope: record.scope.take(),
        }),
    })
}
