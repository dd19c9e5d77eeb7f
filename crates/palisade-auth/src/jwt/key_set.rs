use jsonwebtoken::Algorithm;
use palisade_core::Problems;

use super::hmac::HmacKeys;
use super::keys::VerifyingKey;
use crate::{AuthError, Refusal};

/// The keys of one issuer.
#[derive(Debug, Clone, Default)]
pub struct KeySet(Vec<VerifyingKey>);

impl KeySet {
    /// These keys.
    ///
    /// # Errors
    ///
    /// Refuses an empty set, two keys with one id and algorithm, and a set that mixes secrets with public keys: then a
    /// public key could be taken for a secret.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, AuthError> {
        let keys: Vec<_> = keys.into_iter().collect();
        let mut problems = Problems::none();
        if keys.is_empty() {
            problems.push("keys", "is empty");
        }
        let symmetric = keys.iter().filter(|key| key.is_symmetric()).count();
        if symmetric != 0 && symmetric != keys.len() {
            problems.push("keys", "mixes shared secrets with public keys");
        }
        for (position, key) in keys.iter().enumerate() {
            let same = |other: &VerifyingKey| {
                other.key_id() == key.key_id() && other.algorithm() == key.algorithm()
            };
            if key.key_id().is_some() && keys[..position].iter().any(same) {
                problems.push(format!("keys[{position}].kid"), "is that of another key");
            }
        }
        Ok(problems.into_result(Self(keys))?)
    }

    /// The one or two secrets of an issuer, which cannot be confused.
    pub(crate) fn of_hmac(keys: &HmacKeys) -> Self {
        Self(keys.verifying())
    }

    /// The keys in their order.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.0.iter()
    }

    /// Keeps what the issuer's list of algorithms allows.
    pub(crate) fn retain(&mut self, allowed: impl Fn(Algorithm) -> bool) {
        self.0.retain(|key| allowed(key.algorithm()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Verifies with the key that `kid` names, or, without one, with the only ones that it can be.
    pub(crate) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let mut candidates = self.0.iter().filter(|key| {
            key.algorithm() == algorithm && kid.is_none_or(|kid| key.key_id() == Some(kid))
        });
        let first = candidates.next().ok_or(Refusal::UnknownKey)?;
        let second = candidates.next();
        // A shared secret may have a predecessor; among several public keys nothing but `kid` may choose.
        if candidates.next().is_some() || (second.is_some() && !first.is_symmetric()) {
            return Err(Refusal::UnknownKey);
        }
        if first.verify(message, signature)
            || second.is_some_and(|key| key.verify(message, signature))
        {
            Ok(())
        } else {
            Err(Refusal::BadSignature)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEukD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aE!";

    #[test]
    fn sets_that_could_be_confused_are_refused() {
        let secret = || VerifyingKey::hmac(Algorithm::HS256, SECRET.as_bytes()).unwrap();
        let public = || VerifyingKey::point(Algorithm::EdDSA, &[7; 32]).unwrap();
        assert!(KeySet::new([]).is_err());
        assert!(KeySet::new([secret(), public()]).is_err());
        assert!(KeySet::new([public().id("a"), public().id("a")]).is_err());
        assert!(KeySet::new([public().id("a"), public().id("b")]).is_ok());
    }

    #[test]
    fn without_a_kid_only_one_public_key_may_be_meant() {
        let public = |byte: u8| VerifyingKey::point(Algorithm::EdDSA, &[byte; 32]).unwrap();
        let two = KeySet::new([public(1).id("a"), public(2).id("b")]).unwrap();
        let verify = |kid| two.verify(kid, Algorithm::EdDSA, b"m", b"s");
        assert_eq!(verify(None), Err(Refusal::UnknownKey));
        assert_eq!(verify(Some("c")), Err(Refusal::UnknownKey));
        assert_eq!(verify(Some("a")), Err(Refusal::BadSignature));
    }
}
