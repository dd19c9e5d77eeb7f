use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The claims of a verified token as its issuer wrote them, for what the application itself put there.
///
/// Those of an application's own, made with [`of`](Self::of), travel with a principal that is kept elsewhere, such as in
/// [refresh tokens](crate::RefreshTokens).
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

    /// Claims of the application's own, for [`Principal::claims`](palisade_core::Principal::claims).
    ///
    /// # Errors
    ///
    /// Fails when `claims` cannot be written as a JSON object.
    pub fn of(claims: &impl Serialize) -> Result<Self, InvalidClaims> {
        match serde_json::to_value(claims) {
            Ok(claims @ Value::Object(_)) => Ok(Self(claims.to_string().into_bytes())),
            _ => Err(InvalidClaims),
        }
    }

    /// The JSON itself.
    #[cfg(feature = "redis")]
    pub(crate) fn json(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
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
