use std::time::Duration;

use palisade_core::Problems;
use palisade_core::time::WallClock;

use super::{Signer, TokenIssuer};
use crate::AuthError;
use crate::jwt::hmac::HmacKeys;
use crate::jwt::issuer::Issuer;
use crate::jwt::rules::ClaimRules;
use crate::jwt::signing_keys::SigningKeys;
use crate::jwt::trusted::{Keys, name_problem};

/// Collects the settings of a [`TokenIssuer`].
#[derive(Debug, Clone)]
pub struct TokenIssuerBuilder {
    name: Box<str>,
    audiences: Vec<Box<str>>,
    client: Option<Box<str>>,
    lifetime: Duration,
    clock: WallClock,
    signer: Signer,
}

impl TokenIssuer {
    /// Issues as `name`, signed with the current secret of `keys`.
    #[must_use]
    pub fn hmac(name: &str, keys: HmacKeys) -> TokenIssuerBuilder {
        Self::with(name, Signer::Secret(keys))
    }

    /// Issues as `name`, signed with the current private key of `keys`, whose public half [`jwks`](Self::jwks) shows.
    #[must_use]
    pub fn signed(name: &str, keys: SigningKeys) -> TokenIssuerBuilder {
        Self::with(name, Signer::Private(keys))
    }

    fn with(name: &str, signer: Signer) -> TokenIssuerBuilder {
        TokenIssuerBuilder {
            name: name.into(),
            audiences: Vec::new(),
            client: None,
            lifetime: Issuer::OWN_LIFETIME,
            clock: WallClock::system(),
            signer,
        }
    }
}

impl TokenIssuerBuilder {
    /// Adds whom the tokens are for. At least one is required.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets the `client_id` of tokens (RFC 9068, section 2.2): the client that asks for them. Default the subject for the
    /// token of a service, which asks for itself, and else the issuer's name, as the application signs users in itself.
    ///
    /// A `client_id` among the claims of [`issue_with`](TokenIssuer::issue_with) goes before it, for servers with several
    /// clients.
    #[must_use]
    pub fn client_id(mut self, client: &str) -> Self {
        self.client = Some(client.into());
        self
    }

    /// Sets how long a token lives, in whole seconds: 1 second to 24 hours, default 15 minutes.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets how long a token lives from `ACCESS_TOKEN_EXPIRE_MINUTES` (1 to 1440) or else `JWT_EXPIRES_HOURS` (1 to
    /// 24), if `variable` knows one of them.
    ///
    /// # Errors
    ///
    /// Names the variable whose value is not a whole number in its range.
    pub fn lifetime_from(
        mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AuthError> {
        const KNOWN: [(&str, u64, u64); 2] = [
            ("ACCESS_TOKEN_EXPIRE_MINUTES", 60, 1440),
            ("JWT_EXPIRES_HOURS", 3600, 24),
        ];
        for (name, unit, max) in KNOWN {
            let Some(text) = variable(name) else { continue };
            match text.trim().parse::<u64>() {
                Ok(count) if (1..=max).contains(&count) => {
                    self.lifetime = Duration::from_secs(count * unit);
                    return Ok(self);
                }
                _ => {
                    let reason = format!("is not a whole number from 1 to {max}");
                    return Err(AuthError::one(name, reason));
                }
            }
        }
        Ok(self)
    }

    /// Sets the clock that `iat` and `exp` are taken from; default the system's.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// The issuer.
    ///
    /// # Errors
    ///
    /// Returns every problem at once: an empty name, no audience, a lifetime out of range.
    pub fn build(self) -> Result<TokenIssuer, AuthError> {
        let mut problems = Problems::none();
        if let Some(reason) = name_problem(&self.name) {
            problems.push("name", reason);
        }
        if self.audiences.iter().all(|audience| audience.is_empty()) {
            problems.push("audience", "is missing");
        }
        if self.client.as_deref() == Some("") {
            problems.push("client_id", "is empty");
        }
        let seconds = Duration::from_secs(1)..=TokenIssuer::MAX_LIFETIME;
        if !seconds.contains(&self.lifetime) {
            problems.push("lifetime", "is not from 1 second to 24 hours");
        }
        let verifying = match &self.signer {
            Signer::Secret(keys) => Keys::Secret(keys.clone()),
            Signer::Private(keys) => {
                if keys.verifying().is_err() {
                    problems.push("keys", "has two of one id, or a shared secret");
                }
                Keys::Own(keys.clone())
            }
        };
        let lifetime = Duration::from_secs(self.lifetime.as_secs());
        Ok(problems.into_result(TokenIssuer {
            name: self.name,
            client: self.client,
            lifetime,
            rules: ClaimRules {
                subject_required: true,
                expiry_required: true,
                audiences: self.audiences,
                clients: Vec::new(),
                max_lifetime: lifetime,
                leeway: Duration::ZERO,
                issued_at_required: true,
            },
            clock: self.clock,
            signer: self.signer,
            verifying,
        })?)
    }
}
