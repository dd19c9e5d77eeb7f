//! Sets of keys as JSON (RFC 7517, section 5), in and out.

use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::AlgorithmParameters;
use palisade_core::Problems;
use serde_json::{Value, json};

use super::jwk::{Unnamed, Unusable, from_value};
use super::key_set::KeySet;
use super::keys::VerifyingKey;
use crate::AuthError;

/// More keys than any issuer publishes.
const MAX_KEYS: usize = 100;

/// The algorithms that a key may be used with without being the usual one of its type.
const IMPLIED: [Algorithm; 7] = [
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::HS384,
    Algorithm::HS512,
];

/// The keys of a document, and those of no use here.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) keys: KeySet,
    /// The keys that were left out, each with the reason.
    pub(crate) skipped: Problems,
}

/// A key, and what it is made of, by which keys are told apart.
type Found = (AlgorithmParameters, VerifyingKey);

impl Document {
    /// Reads a JWK set. One bad key leaves out only itself; different keys that share an id are all left out, because
    /// nobody can say which one is meant, also where one of them is bad; and one that is listed twice is taken once.
    pub(crate) fn parse(json: &[u8], unnamed: Unnamed<'_>) -> Result<Self, AuthError> {
        let document: Value = serde_json::from_slice(json)
            .map_err(|_| AuthError::one("jwks", "is not a JSON document"))?;
        let Some(items) = document.get("keys").and_then(Value::as_array) else {
            return Err(AuthError::one("jwks", "has no list of keys"));
        };
        if items.len() > MAX_KEYS {
            return Err(AuthError::one("jwks.keys", "has more than 100 keys"));
        }
        let mut skipped = Problems::none();
        let mut found: Vec<Found> = Vec::new();
        let mut bad: Vec<&str> = Vec::new();
        for (position, item) in items.iter().enumerate() {
            match from_value(item, unnamed) {
                Ok((material, keys)) => {
                    found.extend(keys.into_iter().map(|key| (material.clone(), key)));
                }
                Err(unusable) => {
                    skipped.push(format!("keys[{position}]"), unusable.reason());
                    let kid = item.get("kid").and_then(Value::as_str);
                    bad.extend(kid.filter(|_| matches!(unusable, Unusable::Broken(_))));
                }
            }
        }
        let mut keys = Vec::with_capacity(found.len());
        for (position, (material, key)) in found.iter().enumerate() {
            let clashes = |(others, other): &Found| {
                key.key_id().is_some() && other.key_id() == key.key_id() && others != material
            };
            let repeats = |(others, other): &Found| {
                other.key_id() == key.key_id()
                    && other.algorithm() == key.algorithm()
                    && others == material
            };
            let shares = key.key_id().is_some_and(|kid| bad.contains(&kid));
            if shares || found.iter().any(clashes) {
                skipped.push("keys", "has different keys of one kid");
            } else if !found[..position].iter().any(repeats) {
                keys.push(key.clone());
            }
        }
        Ok(Self {
            keys: KeySet::new(keys)?,
            skipped,
        })
    }
}

impl KeySet {
    /// Reads a JWK set (RFC 7517, section 5) from a trusted place, such as a file.
    ///
    /// One bad key leaves out only itself, and is logged. RSA keys that name no algorithm are for `RS256`, and secrets for
    /// `HS256`, unless [`Issuer::algorithms`](crate::Issuer::algorithms) lists others that they fit.
    ///
    /// # Errors
    ///
    /// Refuses what is not a JWK set, one without any key that could be used, and one that mixes shared secrets with
    /// public keys.
    pub fn from_jwks(json: &str) -> Result<Self, AuthError> {
        let document = Document::parse(json.as_bytes(), Unnamed(None))?;
        for skipped in document.skipped.iter() {
            tracing::warn!(target: "palisade_auth", %skipped, "a key is left out");
        }
        let is_known = |key: &VerifyingKey| {
            document.keys.iter().any(|known| {
                known.algorithm() == key.algorithm()
                    && known.key_id() == key.key_id()
                    && !known.differs_from(key)
            })
        };
        let mut implied = Vec::new();
        for algorithm in IMPLIED {
            let others = Document::parse(json.as_bytes(), Unnamed(Some(&[algorithm])));
            let others = others.iter().flat_map(|others| others.keys.iter());
            let of_it = others.filter(|key| key.algorithm() == algorithm && !is_known(key));
            implied.extend(of_it.cloned());
        }
        Ok(document.keys.implying(implied))
    }

    /// The public keys as a JWK set, to be served at `/.well-known/jwks.json`. Shared secrets are left out.
    #[must_use]
    pub fn to_jwks(&self) -> String {
        let keys: Vec<Value> = self.iter().filter_map(VerifyingKey::to_jwk).collect();
        json!({ "keys": keys }).to_string()
    }
}
