use std::fmt;

use serde::de::DeserializeOwned;

/// The claims of a verified token as its issuer wrote them, for what the application itself put there.
#[derive(Clone)]
pub struct TokenClaims(Vec<u8>);

/// The claims are not of the type that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the claims do not have the expected form")]
pub struct InvalidClaims;

impl TokenClaims {
    pub(crate) const fn new(json: Vec<u8>) -> Self {
        Self(json)
    }

    /// Reads the claims into a type of the application's own.
    ///
    /// # Errors
    ///
    /// Fails when a member that the type needs is missing or has another form.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, InvalidClaims> {
        serde_json::from_slice(&self.0).map_err(|_| InvalidClaims)
    }
}

impl fmt::Debug for TokenClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Claims may hold personal data, which does not belong in logs.
        f.write_str("TokenClaims([redacted])")
    }
}
