use palisade_core::Principal;

use super::super::super::{Identity, ProviderTokens};

/// The part of a sign-in that is kept.
pub(in super::super) struct Kept {
    /// The principal of the session: no other of the same session id is given these tokens.
    pub(super) issuer: Box<str>,
    pub(super) subject: Box<str>,
    /// The user and the session at the provider.
    pub(super) provider_subject: Box<str>,
    pub(super) provider_session: Option<Box<str>>,
    pub(super) tokens: ProviderTokens,
}

impl Kept {
    pub(in super::super) fn new(
        principal: &Principal,
        identity: &Identity,
        tokens: ProviderTokens,
    ) -> Self {
        Self {
            issuer: principal.issuer().into(),
            subject: principal.subject().into(),
            provider_subject: identity.subject().into(),
            provider_session: identity.provider_session().map(Into::into),
            tokens,
        }
    }

    pub(super) fn is_of(&self, principal: &Principal) -> bool {
        *self.issuer == *principal.issuer() && *self.subject == *principal.subject()
    }
}
