use std::fmt;

use jsonwebtoken::Algorithm;
use ring::hmac;

use super::keys::{VerifyingKey, hmac_key};
use super::parse::encode;
use crate::AuthError;

/// The shared secret of an issuer, and the one before it while tokens made with that are still alive.
///
/// Each has an id derived from it, which our own tokens name; tokens without one are tried against both.
///
/// # Example
///
/// ```
/// use palisade_auth::HmacKeys;
///
/// let keys = HmacKeys::current("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu")?
///     .previous("Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o")?;
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
///
/// A placeholder is an error of the first line, in any case and with any separators:
///
/// ```
/// # use palisade_auth::HmacKeys;
/// assert!(HmacKeys::current("Your_Secret_Key-Change-In-Production").is_err());
/// ```
#[derive(Clone)]
pub struct HmacKeys {
    algorithm: Algorithm,
    current: (Box<str>, hmac::Key),
    previous: Option<(Box<str>, hmac::Key)>,
}

impl HmacKeys {
    /// The secret for `HS256`: at least 32 bytes from a random generator.
    ///
    /// # Errors
    ///
    /// Refuses a secret that is too short, a well-known placeholder, or too regular to be random.
    pub fn current(secret: impl AsRef<[u8]>) -> Result<Self, AuthError> {
        Self::current_for(Algorithm::HS256, secret)
    }

    /// The secret for `HS256`, `HS384` or `HS512`: at least 32, 48 or 64 bytes.
    ///
    /// # Errors
    ///
    /// As for [`current`](Self::current), and refuses other algorithms.
    pub fn current_for(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, AuthError> {
        Ok(Self {
            algorithm,
            current: named(algorithm, secret.as_ref())?,
            previous: None,
        })
    }

    /// The secret used until now, whose tokens are accepted but no longer made. Drop it once they have expired.
    ///
    /// # Errors
    ///
    /// As for [`current`](Self::current); one that equals the current secret is refused as well.
    pub fn previous(mut self, secret: impl AsRef<[u8]>) -> Result<Self, AuthError> {
        let previous = named(self.algorithm, secret.as_ref())?;
        if previous.0 == self.current.0 {
            return Err(AuthError::one("previous", "is the current secret"));
        }
        self.previous = Some(previous);
        Ok(self)
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn signing(&self) -> (&str, &hmac::Key) {
        (&self.current.0, &self.current.1)
    }

    /// The current key, then the previous one.
    pub(crate) fn all(&self) -> impl Iterator<Item = &hmac::Key> {
        std::iter::once(&self.current)
            .chain(&self.previous)
            .map(|(_, key)| key)
    }

    pub(crate) fn verifying(&self) -> Vec<VerifyingKey> {
        std::iter::once(&self.current)
            .chain(&self.previous)
            .map(|(id, key)| VerifyingKey::of_hmac(id, self.algorithm, key.clone()))
            .collect()
    }
}

/// An id that tells keys apart and no more of them than any token of theirs does.
fn named(algorithm: Algorithm, secret: &[u8]) -> Result<(Box<str>, hmac::Key), AuthError> {
    let key = hmac_key(algorithm, secret)?;
    let tag = hmac::sign(&key, b"palisade-auth: id of an HMAC key");
    let id = encode(&tag.as_ref()[..9]);
    Ok((id.into(), key))
}

impl fmt::Debug for HmacKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacKeys")
            .field("algorithm", &self.algorithm)
            .field("current", &self.current.0)
            .field("previous", &self.previous.as_ref().map(|(id, _)| id))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEukD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aE!";

    #[test]
    fn debug_says_nothing_of_a_secret() {
        let keys = HmacKeys::current(SECRET).unwrap();
        let debug = format!("{keys:?} {:?}", keys.verifying());
        assert!(!debug.contains("kD2v"), "{debug}");
    }

    #[test]
    fn the_previous_secret_must_be_another() {
        assert!(HmacKeys::current(SECRET).unwrap().previous(SECRET).is_err());
    }
}
