use std::fmt;
use std::sync::Arc;

use palisade_core::time::UnixTime;
use palisade_core::{Principal, PrincipalKind};

use super::format::{self, KeyText};
use crate::digest::{Digest, same_digest};
use crate::{AuthError, Refusal};

/// The issuer that principals of API keys have.
pub(crate) const ISSUER: &str = "api-key";

/// The stored form of an API key: its owner, and the SHA-256 of its one or two live secrets.
#[derive(Clone)]
pub struct ApiKeyRecord {
    pub(super) id: Box<str>,
    pub(super) digests: Vec<Digest>,
    pub(super) principal: Arc<Principal>,
    /// The issuer by which the owner is known elsewhere.
    pub(super) owner_issuer: Box<str>,
    pub(super) expires_at: Option<UnixTime>,
}

/// A key just made. Show it once; its `Debug` does not.
#[derive(Clone)]
pub struct NewApiKey {
    pub(super) text: String,
    pub(super) record: ApiKeyRecord,
}

/// The public facts about the API key of a request, for handlers and limiters: `principal.claims_as::<ApiKeyInfo>()`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiKeyInfo {
    /// The id of the key, which is no secret.
    pub id: Box<str>,
    /// The requests a minute that the key may make, if it has a limit of its own; a limiter must enforce it.
    pub requests_per_minute: Option<u32>,
}

/// The owner of a new key, and its limits.
#[derive(Debug, Clone)]
pub struct ApiKeyOwner {
    principal: Principal,
    expires_at: Option<UnixTime>,
    requests_per_minute: Option<u32>,
}

impl ApiKeyOwner {
    /// The principal's kind, subject, scopes, roles, permissions and tenant are taken over; the issuer becomes
    /// `api-key`, and the principal's own is [kept](ApiKeyRecord::owner_issuer) to find all keys of a subject by.
    #[must_use]
    pub const fn new(principal: Principal) -> Self {
        Self {
            principal,
            expires_at: None,
            requests_per_minute: None,
        }
    }

    /// Sets when the key stops working; default never.
    #[must_use]
    pub const fn expires_at(mut self, time: UnixTime) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// Sets how many requests a minute the key may make, for a limiter to read from [`ApiKeyInfo`].
    #[must_use]
    pub const fn requests_per_minute(mut self, requests: u32) -> Self {
        self.requests_per_minute = Some(requests);
        self
    }
}

impl NewApiKey {
    pub(super) fn make(prefix: &str, owner: &ApiKeyOwner) -> Result<Self, AuthError> {
        let id = format::new_id()?;
        let text = format::new_key(prefix, &id)?;
        let info = ApiKeyInfo {
            id: id.as_str().into(),
            requests_per_minute: owner.requests_per_minute,
        };
        let digest = digest_of(prefix, &text)?;
        let record = ApiKeyRecord {
            id: id.into(),
            digests: vec![digest],
            principal: Arc::new(owned(owner, info)),
            owner_issuer: owner.principal.issuer().into(),
            expires_at: owner.expires_at,
        };
        Ok(Self { text, record })
    }

    /// The key itself, to be shown to its owner once and kept nowhere.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id of the key, which is no secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// The record to keep of it.
    #[must_use]
    pub const fn record(&self) -> &ApiKeyRecord {
        &self.record
    }
}

fn owned(owner: &ApiKeyOwner, info: ApiKeyInfo) -> Principal {
    let from = &owner.principal;
    let mut principal = match from.kind() {
        PrincipalKind::Service => Principal::service(ISSUER, from.subject()),
        _ => Principal::user(ISSUER, from.subject()),
    }
    .scopes(from.scope_names())
    .roles(from.role_names())
    .permissions(from.permission_names())
    .claims(info);
    if let Some(tenant) = from.tenant_name() {
        principal = principal.tenant(tenant);
    }
    match owner.expires_at {
        Some(time) => principal.expires_at(time),
        None => principal,
    }
}

pub(super) fn digest_of(prefix: &str, text: &str) -> Result<Digest, AuthError> {
    match KeyText::parse(prefix, text) {
        Some(key) => Ok(key.digest()),
        None => Err(AuthError::one("prefix", "is not 2 to 12 of a-z and 0-9")),
    }
}

impl ApiKeyRecord {
    /// A record from what a store kept: the SHA-256 of the current secret and of the one before, if that still works.
    #[must_use]
    pub fn stored(
        id: &str,
        digests: impl IntoIterator<Item = [u8; 32]>,
        owner: &ApiKeyOwner,
    ) -> Self {
        let info = ApiKeyInfo {
            id: id.into(),
            requests_per_minute: owner.requests_per_minute,
        };
        Self {
            id: id.into(),
            digests: digests.into_iter().collect(),
            principal: Arc::new(owned(owner, info)),
            owner_issuer: owner.principal.issuer().into(),
            expires_at: owner.expires_at,
        }
    }

    /// The id of the key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The SHA-256 of the live secrets, the newest first.
    #[must_use]
    pub fn digests(&self) -> &[[u8; 32]] {
        &self.digests
    }

    /// The principal that the key speaks for.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The issuer of the principal that the key was made for, by which [`RevokeSubject`](crate::revocation::RevokeSubject)
    /// finds its keys: keep it beside the subject.
    #[must_use]
    pub fn owner_issuer(&self) -> &str {
        &self.owner_issuer
    }

    /// Whether the key is this subject's, named by the owner's issuer or as the principal of the key itself.
    pub(super) fn is_of(&self, issuer: &str, subject: &str) -> bool {
        (issuer == &*self.owner_issuer || issuer == ISSUER) && self.principal.subject() == subject
    }

    /// Whether the presented secret is one of its own, at this time. Every live secret is compared, in constant time.
    pub(super) fn check(
        &self,
        presented: &Digest,
        now: UnixTime,
    ) -> Result<Arc<Principal>, Refusal> {
        let matches = self.digests.iter().fold(false, |matches, known| {
            matches | same_digest(known, presented)
        });
        if !matches {
            return Err(Refusal::KeyUnknown);
        }
        self.check_expiry(now)?;
        Ok(Arc::clone(&self.principal))
    }

    pub(super) fn check_expiry(&self, now: UnixTime) -> Result<(), Refusal> {
        match self.expires_at {
            Some(time) if now >= time => Err(Refusal::KeyExpired),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for ApiKeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyRecord")
            .field("id", &self.id)
            .field("principal", &self.principal)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NewApiKey").field(&self.record).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_live_secret_is_known_also_one_that_is_kept_twice() {
        let owner = ApiKeyOwner::new(Principal::user("iss", "alice"));
        let (own, other): (Digest, Digest) = ([1; 32], [2; 32]);
        for (digests, known) in [
            (&[own][..], true),
            (&[own, other], true),
            (&[other, own], true),
            (&[own, own], true),
            (&[other], false),
            (&[other, other], false),
            (&[], false),
        ] {
            let record = ApiKeyRecord::stored("id", digests.iter().copied(), &owner);
            let checked = record.check(&own, UnixTime::from_secs(0)).map(drop);
            let expected = known.then_some(()).ok_or(Refusal::KeyUnknown);
            assert_eq!(checked, expected, "{digests:?}");
        }
    }

    #[test]
    fn debug_output_has_the_id_and_the_owner_and_no_secret() {
        let owner = ApiKeyOwner::new(Principal::user("iss", "alice"));
        let key = NewApiKey::make("pal", &owner).unwrap();
        let secret = key.as_str().split('_').nth(2).unwrap();
        let digest = format!("{:?}", key.record().digests()[0]);
        let record = format!("{:?}", key.record());
        let whole = format!("{key:?}");
        assert!(record.starts_with("ApiKeyRecord {"), "{record}");
        assert!(whole.starts_with("NewApiKey("), "{whole}");
        for text in [record, whole] {
            assert!(text.contains(key.id()) && text.contains("alice"), "{text}");
            assert!(!text.contains(secret) && !text.contains(&digest), "{text}");
        }
    }
}
