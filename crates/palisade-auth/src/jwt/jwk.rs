//! Single keys as JSON (RFC 7517, section 4) and PEM, in and out.

use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use serde_json::{Map, Value, json};

use super::der;
use super::keys::{PublicParts, VerifyingKey};
use super::parse::{decode, encode};
use crate::AuthError;
use crate::digest::{Digest, sha256};

/// The algorithms that keys which name none may be used with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unnamed<'a>(pub(crate) Option<&'a [Algorithm]>);

/// The reason for which a JWK is of no use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It is meant for something else, or of a kind that is unknown here.
    Foreign(&'static str),
    /// It is meant for what is done here, and is weak or malformed.
    Broken(&'static str),
}

impl Unusable {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Foreign(reason) | Self::Broken(reason) => reason,
        }
    }
}

impl From<&'static str> for Unusable {
    fn from(reason: &'static str) -> Self {
        Self::Foreign(reason)
    }
}

/// The keys that one JWK stands for: a key for each algorithm that it may be used with, all of the same material.
pub(crate) fn from_value(
    item: &Value,
    unnamed: Unnamed<'_>,
) -> Result<(AlgorithmParameters, Vec<VerifyingKey>), Unusable> {
    if item.get("kty").and_then(Value::as_str) != Some("oct") && item.get("d").is_some() {
        return Err("holds a private key".into());
    }
    let mut item = item.clone();
    // The name of RFC 9864, section 2.2, for what the one of RFC 8037 says with its curve.
    if let Some(name) = item.get_mut("alg").filter(|name| *name == "Ed25519") {
        *name = "EdDSA".into();
    }
    let jwk: Jwk = serde_json::from_value(item).map_err(|_| "is not a JWK")?;
    check_use(&jwk.common)?;
    let named = match &jwk.common.key_algorithm {
        Some(named) => {
            let named = Algorithm::try_from(*named).map_err(|_| "has an algorithm unknown here")?;
            Some(named)
        }
        None => None,
    };
    let fits = fitting(&jwk.algorithm)?;
    let wanted: Vec<Algorithm> = match named {
        Some(named) if fits.contains(&named) => vec![named],
        Some(_) => return Err("has an algorithm that does not fit its type".into()),
        None => match unnamed.0 {
            Some(listed) => fits
                .iter()
                .copied()
                .filter(|alg| listed.contains(alg))
                .collect(),
            None => fits.iter().copied().take(1).collect(),
        },
    };
    if wanted.is_empty() {
        return Err("has no algorithm that is on the list".into());
    }
    let keys: Result<Vec<_>, &'static str> = wanted
        .into_iter()
        .map(|algorithm| {
            let key = key_for(&jwk.algorithm, algorithm)?;
            Ok(match &jwk.common.key_id {
                Some(kid) => key.id(kid),
                None => key,
            })
        })
        .collect();
    let keys = keys.map_err(Unusable::Broken)?;
    Ok((jwk.algorithm, keys))
}

/// A key meant for something else is not used (RFC 7517, sections 4.2 and 4.3).
fn check_use(common: &CommonParameters) -> Result<(), &'static str> {
    if common
        .public_key_use
        .as_ref()
        .is_some_and(|used| *used != PublicKeyUse::Signature)
    {
        return Err("is not meant for signatures");
    }
    let operations = common.key_operations.as_ref();
    if operations.is_some_and(|listed| !listed.contains(&KeyOperations::Verify)) {
        return Err("is not meant for verifying");
    }
    Ok(())
}

/// Every algorithm that a key of this type and curve can be used with, the usual one first.
fn fitting(parameters: &AlgorithmParameters) -> Result<&'static [Algorithm], &'static str> {
    use Algorithm as A;
    match parameters {
        AlgorithmParameters::RSA(_) => {
            Ok(&[A::RS256, A::RS384, A::RS512, A::PS256, A::PS384, A::PS512])
        }
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Ok(&[A::ES256]),
            EllipticCurve::P384 => Ok(&[A::ES384]),
            _ => Err("has a curve unknown here"),
        },
        AlgorithmParameters::OctetKeyPair(key) => match key.curve {
            EllipticCurve::Ed25519 => Ok(&[A::EdDSA]),
            _ => Err("has a curve unknown here"),
        },
        AlgorithmParameters::OctetKey(_) => Ok(&[A::HS256, A::HS384, A::HS512]),
        _ => Err("has a type unknown here"),
    }
}

fn key_for(
    parameters: &AlgorithmParameters,
    algorithm: Algorithm,
) -> Result<VerifyingKey, &'static str> {
    let number = |text: &str| decode(text.as_bytes()).map_err(|_| "is not base64url");
    let key = match parameters {
        AlgorithmParameters::RSA(key) => {
            VerifyingKey::rsa(algorithm, &number(&key.n)?, &number(&key.e)?)
        }
        AlgorithmParameters::EllipticCurve(key) => {
            let (x, y) = (number(&key.x)?, number(&key.y)?);
            if x.len() != y.len() {
                return Err("has coordinates of different lengths");
            }
            VerifyingKey::point(algorithm, &[&[4][..], &x, &y].concat())
        }
        AlgorithmParameters::OctetKeyPair(key) => VerifyingKey::point(algorithm, &number(&key.x)?),
        AlgorithmParameters::OctetKey(key) => VerifyingKey::hmac(algorithm, &number(&key.value)?),
        _ => return Err("has a type unknown here"),
    };
    key.map_err(|_| "is too weak or malformed")
}

impl VerifyingKey {
    /// Reads a single JWK (RFC 7517, section 4). An RSA key that names no algorithm is for `RS256`, a secret for
    /// `HS256`.
    ///
    /// # Errors
    ///
    /// Refuses keys that are weak, malformed, meant for something else, or private.
    pub fn from_jwk(json: &str) -> Result<Self, AuthError> {
        let item: Value = serde_json::from_str(json)
            .map_err(|_| AuthError::one("jwk", "is not a JSON document"))?;
        let keys = from_value(&item, Unnamed(None));
        let key = keys.map(|(_, keys)| keys.into_iter().next());
        match key {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Err(AuthError::one("jwk", "has no algorithm")),
            Err(unusable) => Err(AuthError::one("jwk", unusable.reason())),
        }
    }

    /// Reads a public key in PEM (`PUBLIC KEY`, or `RSA PUBLIC KEY`), for this algorithm.
    ///
    /// # Errors
    ///
    /// Refuses private keys, certificates, weak keys, and a key of another type than the algorithm's.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, AuthError> {
        let problem = || AuthError::one("pem", "is not a public key for this algorithm");
        if !pem.contains("-----BEGIN PUBLIC KEY-----")
            && !pem.contains("-----BEGIN RSA PUBLIC KEY-----")
        {
            return Err(problem());
        }
        let bytes = pem.as_bytes();
        let key = match algorithm.family() {
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(bytes),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(bytes),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(bytes),
            AlgorithmFamily::Hmac => return Err(problem()),
        };
        let key = key.map_err(|_| problem())?;
        let DecodingKeyKind::SecretOrDer(der) = key.kind() else {
            return Err(problem());
        };
        if algorithm.family() == AlgorithmFamily::Rsa {
            let (modulus, exponent) = der::rsa_public_key(der).ok_or_else(problem)?;
            Self::rsa(algorithm, modulus, exponent)
        } else {
            Self::point(algorithm, der)
        }
    }

    /// The public key as a JWK; nothing for a shared secret.
    #[must_use]
    pub fn to_jwk(&self) -> Option<Value> {
        let mut jwk = self.thumbprint_members()?;
        jwk.insert("use".into(), "sig".into());
        jwk.insert("alg".into(), json!(self.algorithm()));
        if let Some(kid) = self.key_id() {
            jwk.insert("kid".into(), kid.into());
        }
        Some(Value::Object(jwk))
    }

    /// The SHA-256 thumbprint of the public key (RFC 7638); nothing for a shared secret.
    #[must_use]
    pub fn thumbprint(&self) -> Option<String> {
        self.thumbprint_digest().map(encode)
    }

    /// The same as its bytes.
    pub(crate) fn thumbprint_digest(&self) -> Option<Digest> {
        // Members in the order of their names and no space, as RFC 7638, section 3.3 asks: so does `Map` print them.
        let members = Value::Object(self.thumbprint_members()?).to_string();
        Some(sha256(members.as_bytes()))
    }

    fn thumbprint_members(&self) -> Option<Map<String, Value>> {
        let members = match (self.public_parts()?, self.algorithm()) {
            (PublicParts::Rsa { n, e }, _) => vec![
                ("e", encode(e)),
                ("kty", "RSA".to_owned()),
                ("n", encode(n)),
            ],
            (PublicParts::Point(x), Algorithm::EdDSA) => vec![
                ("crv", "Ed25519".to_owned()),
                ("kty", "OKP".to_owned()),
                ("x", encode(x)),
            ],
            (PublicParts::Point(point), algorithm) => {
                let (_, both) = point.split_first()?;
                let (x, y) = both.split_at(both.len() / 2);
                let curve = match algorithm {
                    Algorithm::ES256 => "P-256",
                    _ => "P-384",
                };
                vec![
                    ("crv", curve.to_owned()),
                    ("kty", "EC".to_owned()),
                    ("x", encode(x)),
                    ("y", encode(y)),
                ]
            }
        };
        let members = members.into_iter();
        Some(
            members
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
        )
    }
}
