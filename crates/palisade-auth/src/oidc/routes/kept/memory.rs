//! Sign-ins in the memory of this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade_core::Principal;
use palisade_core::time::UnixTime;

use super::super::super::{Logout, Oidc, OidcError, ProviderTokens};
use super::entry::Kept;

/// As many as [`Sessions`](crate::Sessions) keeps.
const MOST: usize = 100_000;

pub(in super::super) struct MemorySignIns {
    issuer: Box<str>,
    by_session: Mutex<HashMap<String, Arc<Entry>>>,
}

struct Entry {
    kept: Kept,
    /// Whoever renews them holds the lock.
    tokens: tokio::sync::Mutex<ProviderTokens>,
    until: UnixTime,
}

impl Entry {
    /// A session is named by itself, and by its subject where no session is (Back-Channel Logout 1.0, section 2.6).
    fn is_named_by(&self, logout: &Logout) -> bool {
        let subject_fits = logout
            .subject
            .as_deref()
            .is_none_or(|subject| subject == &*self.kept.provider_subject);
        let session_fits = logout
            .session
            .as_deref()
            .is_none_or(|session| self.kept.provider_session.as_deref() == Some(session));
        subject_fits && session_fits
    }

    async fn renewed(&self, oidc: &Oidc) -> Result<ProviderTokens, OidcError> {
        let mut tokens = self.tokens.lock().await;
        if tokens.is_to_be_renewed(oidc.0.clock.now()) {
            *tokens = oidc.renew(&self.kept.provider_subject, &tokens).await?;
        }
        Ok(tokens.clone())
    }
}

impl MemorySignIns {
    pub(super) fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.into(),
            by_session: Mutex::default(),
        }
    }

    /// Keeps a sign-in. Where there are too many even without those that are over, it is not kept: the user is signed in
    /// all the same, and signs out here alone.
    pub(super) fn keep(&self, session: &str, kept: Kept, (now, until): (UnixTime, UnixTime)) {
        let mut all = self.locked();
        if all.len() >= MOST {
            all.retain(|_, entry| entry.until > now);
        }
        if all.len() < MOST {
            let tokens = tokio::sync::Mutex::new(kept.tokens.clone());
            let entry = Entry {
                kept,
                tokens,
                until,
            };
            all.insert(session.to_owned(), Arc::new(entry));
        } else {
            tracing::warn!(target: "palisade_auth", "too many sign-ins at a provider to keep its tokens");
        }
    }

    pub(super) async fn tokens(
        &self,
        oidc: &Oidc,
        principal: &Principal,
    ) -> Result<Option<ProviderTokens>, OidcError> {
        let Some(entry) = self.of(principal) else {
            return Ok(None);
        };
        let tokens = entry.tokens.lock().await.clone();
        if !tokens.is_to_be_renewed(oidc.0.clock.now()) {
            return Ok(Some(tokens));
        }
        // Goes on without whoever waits for it, so that a new refresh token is not lost with a connection.
        let oidc = oidc.clone();
        let renewing = tokio::spawn(async move { entry.renewed(&oidc).await });
        let renewed = renewing.await.map_err(|_| OidcError::Unavailable)?;
        renewed.map(Some)
    }

    pub(super) async fn take(&self, principal: &Principal) -> Option<ProviderTokens> {
        let entry = self.of(principal)?;
        self.remove(principal.session_id()?);
        Some(entry.tokens.lock().await.clone())
    }

    pub(super) fn remove(&self, session: &str) {
        self.locked().remove(session);
    }

    /// Looks at all of them.
    pub(super) fn named_by(&self, logout: &Logout) -> Vec<String> {
        if *logout.issuer != *self.issuer {
            return Vec::new();
        }
        let all = self.locked();
        let named = all.iter().filter(|(_, entry)| entry.is_named_by(logout));
        named.map(|(session, _)| session.clone()).collect()
    }

    fn of(&self, principal: &Principal) -> Option<Arc<Entry>> {
        let all = self.locked();
        let entry = all.get(principal.session_id()?)?;
        entry.kept.is_of(principal).then(|| Arc::clone(entry))
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Arc<Entry>>> {
        self.by_session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
