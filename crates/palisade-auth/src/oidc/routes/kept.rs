//! The part of a sign-in at a provider that is kept while the session that it began lasts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade_core::Principal;
use palisade_core::time::UnixTime;

use super::super::{Identity, Logout, ProviderTokens};

pub(super) struct SignIns {
    most: usize,
    by_session: Mutex<HashMap<String, Arc<Kept>>>,
}

pub(super) struct Kept {
    /// The principal of the session: no other of the same session id is given these tokens.
    issuer: Box<str>,
    subject: Box<str>,
    pub(super) identity: Identity,
    /// Whoever renews them holds the lock.
    pub(super) tokens: tokio::sync::Mutex<ProviderTokens>,
    until: UnixTime,
}

impl Kept {
    pub(super) fn new(
        principal: &Principal,
        identity: Identity,
        tokens: ProviderTokens,
        until: UnixTime,
    ) -> Self {
        Self {
            issuer: principal.issuer().into(),
            subject: principal.subject().into(),
            identity,
            tokens: tokio::sync::Mutex::new(tokens),
            until,
        }
    }

    fn is_of(&self, principal: &Principal) -> bool {
        *self.issuer == *principal.issuer() && *self.subject == *principal.subject()
    }

    /// A session is named by itself, and by its subject where no session is (Back-Channel Logout 1.0, section 2.6).
    fn is_named_by(&self, logout: &Logout) -> bool {
        let subject_fits = logout
            .subject
            .as_deref()
            .is_none_or(|subject| subject == self.identity.subject());
        let session_fits = logout
            .session
            .as_deref()
            .is_none_or(|session| self.identity.provider_session() == Some(session));
        logout.issuer == self.identity.issuer() && subject_fits && session_fits
    }
}

impl SignIns {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            by_session: Mutex::default(),
        }
    }

    /// Keeps a sign-in. Where there are too many even without those that are over, it is not kept: the user is signed in
    /// all the same, and signs out here alone.
    pub(super) fn keep(&self, session: String, kept: Kept, now: UnixTime) {
        let mut all = self.locked();
        if all.len() >= self.most {
            all.retain(|_, kept| kept.until > now);
        }
        if all.len() < self.most {
            all.insert(session, Arc::new(kept));
        } else {
            tracing::warn!(target: "palisade_auth", "too many sign-ins at a provider to keep its tokens");
        }
    }

    pub(super) fn of(&self, principal: &Principal) -> Option<Arc<Kept>> {
        let all = self.locked();
        let kept = all.get(principal.session_id()?)?;
        kept.is_of(principal).then(|| Arc::clone(kept))
    }

    pub(super) fn forget(&self, principal: &Principal) -> Option<Arc<Kept>> {
        let kept = self.of(principal)?;
        self.remove(principal.session_id()?);
        Some(kept)
    }

    pub(super) fn remove(&self, session: &str) {
        self.locked().remove(session);
    }

    /// The sessions that a logout token names. Looks at all of them.
    pub(super) fn named_by(&self, logout: &Logout) -> Vec<String> {
        let all = self.locked();
        let named = all.iter().filter(|(_, kept)| kept.is_named_by(logout));
        named.map(|(session, _)| session.clone()).collect()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Arc<Kept>>> {
        self.by_session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
