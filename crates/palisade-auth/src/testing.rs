//! Tokens for tests of your own.

use palisade_core::{Principal, random};
use serde::Serialize;
use serde_json::{Value, json};

use crate::jwt::parse::encode;
use crate::{AuthError, HmacKeys, Issuer, TokenIssuer};

/// Mints tokens, good and bad ones, that a verifier under test trusts. Each has a secret of its own.
///
/// # Example
///
/// ```
/// use palisade_auth::testing::Minter;
/// use palisade_auth::{AuthLayer, JwtVerifier};
/// use palisade_core::Principal;
///
/// let minter = Minter::new("bookings", "api://bookings")?;
/// let jwt = JwtVerifier::builder().issuer(minter.issuer()).build()?;
/// let alice = Principal::user("", "alice").scopes(["write"]);
/// assert!(jwt.verify(&minter.token(&alice)?).is_ok());
/// assert!(jwt.verify(&minter.expired("alice")).is_err());
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Minter {
    tokens: TokenIssuer,
    keys: HmacKeys,
    name: String,
    audience: String,
}

impl Minter {
    /// Mints as `issuer`, for `audience`, with a random secret.
    ///
    /// # Errors
    ///
    /// Fails when a name is empty, or the operating system gives no random bytes.
    pub fn new(issuer: &str, audience: &str) -> Result<Self, AuthError> {
        let keys = HmacKeys::current(encode(random::bytes::<48>()?))?;
        Ok(Self {
            tokens: TokenIssuer::hmac(issuer, keys.clone())
                .audience(audience)
                .build()?,
            keys,
            name: issuer.to_owned(),
            audience: audience.to_owned(),
        })
    }

    /// The issuer that a verifier under test must accept.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        self.tokens.issuer()
    }

    /// A good token for this principal.
    ///
    /// # Errors
    ///
    /// As for [`TokenIssuer::issue`].
    pub fn token(&self, principal: &Principal) -> Result<String, AuthError> {
        Ok(self.tokens.issue(principal)?.into_string())
    }

    /// A good token with claims of the application's own.
    ///
    /// # Errors
    ///
    /// As for [`TokenIssuer::issue_with`].
    pub fn token_with(
        &self,
        principal: &Principal,
        claims: &impl Serialize,
    ) -> Result<String, AuthError> {
        Ok(self.tokens.issue_with(principal, claims)?.into_string())
    }

    /// A token that expired in 2001.
    #[must_use]
    pub fn expired(&self, subject: &str) -> String {
        self.signed(&json!({
            "iss": self.name, "aud": self.audience, "sub": subject,
            "iat": 1_000_000_000, "exp": 1_000_000_600,
        }))
    }

    /// Any claims at all, signed as an access token.
    #[must_use]
    pub fn signed(&self, claims: &Value) -> String {
        let secrets = self.keys.secrets();
        let input = format!("{}.{}", secrets.header, encode(claims.to_string()));
        let tag = encode(ring::hmac::sign(secrets.signing(), input.as_bytes()));
        format!("{input}.{tag}")
    }
}
