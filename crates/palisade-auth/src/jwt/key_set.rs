use jsonwebtoken::Algorithm;
use palisade_core::Problems;

use super::keys::VerifyingKey;
use crate::{AuthError, Refusal};

/// The keys of one issuer.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    /// Keys of the same material for the algorithms that it could be used with too, where nobody named one.
    implied: Vec<VerifyingKey>,
}

impl KeySet {
    /// These keys.
    ///
    /// # Errors
    ///
    /// Refuses an empty set, two different keys with one id, whatever their algorithms, and a set that mixes secrets with
    /// public keys: then a public key could be taken for a secret. A key that is there twice is taken once.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, AuthError> {
        let mut kept: Vec<VerifyingKey> = Vec::new();
        let mut problems = Problems::none();
        for (position, key) in keys.into_iter().enumerate() {
            let of_one_id = |other: &&VerifyingKey| other.key_id() == key.key_id();
            let mut alike = kept.iter().filter(of_one_id);
            if key.key_id().is_some() && alike.clone().any(|other| other.differs_from(&key)) {
                problems.push(format!("keys[{position}].kid"), "is that of another key");
            }
            let again = |other: &VerifyingKey| {
                other.algorithm() == key.algorithm() && !other.differs_from(&key)
            };
            if !alike.any(again) {
                kept.push(key);
            }
        }
        if kept.is_empty() {
            problems.push("keys", "is empty");
        }
        let symmetric = kept.iter().filter(|key| key.is_symmetric()).count();
        if symmetric != 0 && symmetric != kept.len() {
            problems.push("keys", "mixes shared secrets with public keys");
        }
        Ok(problems.into_result(Self::of(kept))?)
    }

    /// The one or two secrets of an issuer, which cannot be confused.
    pub(super) const fn of_secrets(keys: Vec<VerifyingKey>) -> Self {
        Self::of(keys)
    }

    const fn of(keys: Vec<VerifyingKey>) -> Self {
        Self {
            keys,
            implied: Vec::new(),
        }
    }

    /// Adds keys that are used once the issuer's list of algorithms names theirs.
    pub(super) fn implying(mut self, keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        self.implied.extend(keys);
        self
    }

    /// The keys in their order.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter()
    }

    /// Keeps what the issuer's list of algorithms allows, and what it implies.
    pub(crate) fn settle(&mut self, allowed: impl Fn(Algorithm) -> bool) {
        self.keys.append(&mut self.implied);
        self.keys.retain(|key| allowed(key.algorithm()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Verifies with the key that `kid` names, or, without one, with the only ones that it can be.
    pub(crate) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let mut candidates = self.keys.iter().filter(|key| {
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
        let other = || VerifyingKey::point(Algorithm::EdDSA, &[8; 32]).unwrap();
        assert!(KeySet::new([public().id("a"), other().id("a")]).is_err());
        assert!(KeySet::new([public().id("a"), other().id("b")]).is_ok());
        let mut point = [7; 65];
        point[0] = 4;
        let ec = VerifyingKey::point(Algorithm::ES256, &point).unwrap();
        assert!(
            KeySet::new([public().id("a"), ec.id("a")]).is_err(),
            "also of other algorithms"
        );
        let long = |end: char| format!("{SECRET}{end}");
        let hmac = |secret: &str| VerifyingKey::hmac(Algorithm::HS256, secret.as_bytes()).unwrap();
        assert!(KeySet::new([hmac(&long('a')).id("a"), hmac(&long('b')).id("a")]).is_err());
    }

    #[test]
    fn a_key_that_is_there_twice_is_taken_once() {
        let public = || VerifyingKey::point(Algorithm::EdDSA, &[7; 32]).unwrap();
        let secret = || VerifyingKey::hmac(Algorithm::HS256, SECRET.as_bytes()).unwrap();
        for twice in [
            [public().id("a"), public().id("a")],
            [public(), public()],
            [secret().id("a"), secret().id("a")],
        ] {
            assert_eq!(KeySet::new(twice).unwrap().iter().count(), 1);
        }
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
