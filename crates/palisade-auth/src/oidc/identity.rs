use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::id_token::IdClaims;
use crate::TokenClaims;

/// The identity that a provider states of a user. `issuer` and `subject` together are the identity; nothing else is for ever.
#[derive(Clone)]
pub struct Identity {
    issuer: Box<str>,
    subject: Box<str>,
    session: Option<Box<str>>,
    email: Option<Email>,
    claims: TokenClaims,
    userinfo: Option<TokenClaims>,
}

#[derive(Clone)]
struct Email {
    address: Box<str>,
    verification: Verification,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verification {
    Verified,
    Claimed,
}

#[derive(Deserialize)]
struct EmailClaims {
    email: Option<String>,
    email_verified: Option<Value>,
}

impl Identity {
    pub(super) fn new(
        issuer: &str,
        id: IdClaims,
        claims: TokenClaims,
        userinfo: Option<TokenClaims>,
    ) -> Self {
        let from_userinfo = userinfo.as_ref().and_then(|claims| claims.parse().ok());
        let from_userinfo = from_userinfo.and_then(
            |EmailClaims {
                 email,
                 email_verified,
             }| { Email::new(email, email_verified.as_ref()) },
        );
        // Address and verification come from one place, never from two.
        let email = Email::new(id.email, id.email_verified.as_ref()).or(from_userinfo);
        Self {
            issuer: issuer.into(),
            subject: id.sub.into(),
            session: id.sid.map(Into::into),
            email,
            claims,
            userinfo,
        }
    }

    /// The provider, by the name that its tokens give it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The user at the provider.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The session at the provider (`sid`), which its logout tokens name.
    #[must_use]
    pub fn provider_session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The e-mail address, if the provider says that it has verified it.
    #[must_use]
    pub fn verified_email(&self) -> Option<&str> {
        let email = self.email.as_ref()?;
        (email.verification == Verification::Verified).then_some(&email.address)
    }

    /// The e-mail address, which may be anybody's: to be shown or written to, and never to find an account by.
    #[must_use]
    pub fn claimed_email(&self) -> Option<&str> {
        Some(&self.email.as_ref()?.address)
    }

    /// The claims of the ID token.
    #[must_use]
    pub const fn claims(&self) -> &TokenClaims {
        &self.claims
    }

    /// The claims of the userinfo endpoint, if it was asked.
    #[must_use]
    pub const fn userinfo(&self) -> Option<&TokenClaims> {
        self.userinfo.as_ref()
    }
}

impl Email {
    /// `email_verified` is a boolean (OpenID Connect Core 1.0, section 5.1), which some providers write as a text.
    fn new(address: Option<String>, verified: Option<&Value>) -> Option<Self> {
        let address = address.filter(|address| !address.is_empty())?;
        let verification = match verified {
            Some(Value::Bool(true)) => Verification::Verified,
            Some(Value::String(text)) if text == "true" => Verification::Verified,
            _ => Verification::Claimed,
        };
        let address = address.into();
        Some(Self {
            address,
            verification,
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The e-mail address and what else is claimed are personal data, which do not belong in logs.
        f.debug_struct("Identity")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}
