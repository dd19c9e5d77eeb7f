//! Keys. The algorithm belongs to the key, so that a token cannot choose how its key is used (RFC 8725, section 3.1).

use std::fmt;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use palisade_core::{Problems, secret};
use ring::hmac;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm};

use super::parse::{Compact, Header, decode};
use super::roca::has_roca;
use crate::{AuthError, Refusal};

/// A key that verifies signatures of exactly one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    id: Option<Box<str>>,
    algorithm: Algorithm,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Hmac(hmac::Key),
    Rsa(RsaPublicKeyComponents<Box<[u8]>>),
    /// An uncompressed point, or an Ed25519 public key.
    Point(Box<[u8]>),
}

/// The least length of a secret: that of the hash (RFC 7518, section 3.2), never under 32 bytes.
const fn min_secret(algorithm: Algorithm) -> Option<(hmac::Algorithm, usize)> {
    match algorithm {
        Algorithm::HS256 => Some((hmac::HMAC_SHA256, 32)),
        Algorithm::HS384 => Some((hmac::HMAC_SHA384, 48)),
        Algorithm::HS512 => Some((hmac::HMAC_SHA512, 64)),
        _ => None,
    }
}

const fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::RS256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

fn point_algorithm(algorithm: Algorithm) -> Option<(&'static dyn VerificationAlgorithm, usize)> {
    match algorithm {
        Algorithm::ES256 => Some((&signature::ECDSA_P256_SHA256_FIXED, 65)),
        Algorithm::ES384 => Some((&signature::ECDSA_P384_SHA384_FIXED, 97)),
        Algorithm::EdDSA => Some((&signature::ED25519, 32)),
        _ => None,
    }
}

impl VerifyingKey {
    /// A shared secret for `HS256`, `HS384` or `HS512`.
    ///
    /// # Errors
    ///
    /// Refuses another algorithm, a secret shorter than the hash (32, 48 or 64 bytes), a placeholder, and one that is
    /// too regular to be random.
    pub fn hmac(algorithm: Algorithm, secret: &[u8]) -> Result<Self, AuthError> {
        Ok(Self {
            id: None,
            algorithm,
            material: Material::Hmac(hmac_key(algorithm, secret)?),
        })
    }

    pub(super) fn of_hmac(id: &str, algorithm: Algorithm, key: hmac::Key) -> Self {
        Self {
            id: Some(id.into()),
            algorithm,
            material: Material::Hmac(key),
        }
    }

    /// An RSA public key of 2048 to 8192 bits, for one of `RS*` and `PS*`; both numbers in big-endian bytes without
    /// leading zeros.
    ///
    /// # Errors
    ///
    /// Refuses another algorithm, a modulus under 2048 or over 8192 bits or of the form that Infineon's library made
    /// (ROCA, CVE-2017-15361), and an exponent that is even, under 3 or over 33 bits.
    pub fn rsa(algorithm: Algorithm, modulus: &[u8], exponent: &[u8]) -> Result<Self, AuthError> {
        let mut problems = Problems::none();
        if rsa_parameters(algorithm).is_none() {
            problems.push("alg", "is not an RSA algorithm");
        }
        let bits = modulus.first().map_or(0, |first| {
            modulus.len() * 8 - first.leading_zeros() as usize
        });
        if !(2048..=8192).contains(&bits) || modulus.first() == Some(&0) {
            problems.push("n", "is not a number of 2048 to 8192 bits");
        }
        if has_roca(modulus) {
            problems.push(
                "n",
                "was made by the generator of CVE-2017-15361, and can be factored",
            );
        }
        let small = exponent.len() <= 5 && exponent.first() != Some(&0);
        let value = exponent
            .iter()
            .take(5)
            .fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
        if !small || value < 3 || value % 2 == 0 || value >> 33 != 0 {
            problems.push("e", "is not an odd number from 3 to 2^33");
        }
        let material = Material::Rsa(RsaPublicKeyComponents {
            n: modulus.into(),
            e: exponent.into(),
        });
        Ok(problems.into_result(Self {
            id: None,
            algorithm,
            material,
        })?)
    }

    /// An elliptic-curve public key for `ES256` or `ES384` (an uncompressed point: 4, x, y), or one for `EdDSA` over
    /// Ed25519 (32 bytes).
    ///
    /// # Errors
    ///
    /// Refuses another algorithm and a key of another form. Whether a point lies on its curve shows when it is used:
    /// no signature verifies against one that does not.
    pub fn point(algorithm: Algorithm, key: &[u8]) -> Result<Self, AuthError> {
        let Some((_, length)) = point_algorithm(algorithm) else {
            return Err(AuthError::one("alg", "is not an elliptic-curve algorithm"));
        };
        if key.len() != length || (length != 32 && key[0] != 4) {
            return Err(AuthError::one("key", "does not have the form of the curve"));
        }
        Ok(Self {
            id: None,
            algorithm,
            material: Material::Point(key.into()),
        })
    }

    /// Names the key, as `kid` in the header of a token does.
    #[must_use]
    pub fn id(mut self, kid: &str) -> Self {
        self.id = Some(kid.into());
        self
    }

    /// The name of the key, if it has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The one algorithm that the key is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Verifies a compact JWS (RFC 7515) with this key, and gives its payload: for other uses than access tokens.
    ///
    /// As strict as for tokens about form, algorithm and header. `kid` and `typ` are the caller's to choose by; claims
    /// are not looked at.
    ///
    /// # Errors
    ///
    /// The reason, which is for records and not for the sender.
    pub fn verify_jws(&self, compact: &str) -> Result<Vec<u8>, Refusal> {
        let compact = Compact::split(compact.as_bytes())?;
        let header = decode(compact.header)?;
        if Header::parse(&header)?.alg != Some(self.algorithm) {
            return Err(Refusal::AlgorithmNotAllowed);
        }
        let payload = decode(compact.payload)?;
        if self.verify(compact.signing_input, &decode(compact.signature)?) {
            Ok(payload)
        } else {
            Err(Refusal::BadSignature)
        }
    }

    pub(crate) fn is_symmetric(&self) -> bool {
        self.algorithm.family() == AlgorithmFamily::Hmac
    }

    /// Whether this is another key, whatever the ids. Secrets for different hashes cannot be compared, and are taken for
    /// one.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        match (&self.material, &other.material) {
            (Material::Hmac(key), Material::Hmac(_)) if self.algorithm == other.algorithm => {
                let tag = hmac::sign(key, b"palisade-auth: the same key");
                !other.verify(b"palisade-auth: the same key", tag.as_ref())
            }
            (Material::Hmac(_), Material::Hmac(_)) => false,
            (Material::Rsa(key), Material::Rsa(other)) => key.n != other.n || key.e != other.e,
            (Material::Point(key), Material::Point(other)) => key != other,
            _ => true,
        }
    }

    /// Whether `signature` is this key's over `message`. HMAC is compared in constant time.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Rsa(key) => rsa_parameters(self.algorithm)
                .is_some_and(|parameters| key.verify(parameters, message, signature).is_ok()),
            Material::Point(key) => {
                point_algorithm(self.algorithm).is_some_and(|(algorithm, _)| {
                    signature::UnparsedPublicKey::new(algorithm, key)
                        .verify(message, signature)
                        .is_ok()
                })
            }
        }
    }

    /// Nothing for a shared secret.
    pub(crate) fn public_parts(&self) -> Option<PublicParts<'_>> {
        match &self.material {
            Material::Hmac(_) => None,
            Material::Rsa(key) => Some(PublicParts::Rsa {
                n: &key.n,
                e: &key.e,
            }),
            Material::Point(key) => Some(PublicParts::Point(key)),
        }
    }
}

/// The published part of a public key.
pub(crate) enum PublicParts<'a> {
    Rsa { n: &'a [u8], e: &'a [u8] },
    Point(&'a [u8]),
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

pub(super) fn hmac_key(algorithm: Algorithm, secret: &[u8]) -> Result<hmac::Key, AuthError> {
    let Some((hash, min_len)) = min_secret(algorithm) else {
        return Err(AuthError::one("alg", "is not an HMAC algorithm"));
    };
    secret::check(secret, min_len).map_err(|weak| AuthError::one("secret", weak.to_string()))?;
    Ok(hmac::Key::new(hash, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEukD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aE!";

    #[test]
    fn a_secret_needs_the_length_of_its_hash() {
        for (algorithm, needed) in [
            (Algorithm::HS256, 32),
            (Algorithm::HS384, 48),
            (Algorithm::HS512, 64),
        ] {
            let bytes = SECRET.as_bytes();
            assert!(VerifyingKey::hmac(algorithm, &bytes[..needed]).is_ok());
            let error = VerifyingKey::hmac(algorithm, &bytes[..needed - 1]).unwrap_err();
            assert!(error.to_string().starts_with("secret: "), "{error}");
        }
        assert!(VerifyingKey::hmac(Algorithm::HS256, b"").is_err());
        assert!(VerifyingKey::hmac(Algorithm::RS256, SECRET.as_bytes()).is_err());
    }

    #[test]
    fn small_and_odd_rsa_keys_are_refused() {
        let modulus = |bytes: usize| vec![0xc3; bytes];
        let rsa = |n: &[u8], e: &[u8]| VerifyingKey::rsa(Algorithm::RS256, n, e).is_ok();
        assert!(rsa(&modulus(256), &[1, 0, 1]) && rsa(&modulus(1024), &[3]));
        assert!(!rsa(&modulus(255), &[1, 0, 1]), "2040 bits");
        assert!(!rsa(&modulus(1025), &[1, 0, 1]), "8200 bits");
        let mut padded = modulus(256);
        padded[0] = 0;
        assert!(
            !rsa(&padded, &[1, 0, 1]),
            "a leading zero hides a small modulus"
        );
        for exponent in [
            &[][..],
            &[0],
            &[1],
            &[2],
            &[1, 0, 0],
            &[0, 3],
            &[2, 0, 0, 0, 1],
            &[1; 6],
        ] {
            assert!(!rsa(&modulus(256), exponent), "{exponent:?}");
        }
        assert!(VerifyingKey::rsa(Algorithm::HS256, &modulus(256), &[3]).is_err());
    }

    #[test]
    fn points_have_the_form_of_their_curve() {
        let mut p256 = [7; 65];
        p256[0] = 4;
        assert!(VerifyingKey::point(Algorithm::ES256, &p256).is_ok());
        assert!(VerifyingKey::point(Algorithm::ES384, &p256).is_err());
        p256[0] = 2;
        assert!(VerifyingKey::point(Algorithm::ES256, &p256).is_err());
        assert!(VerifyingKey::point(Algorithm::EdDSA, &[7; 32]).is_ok());
        assert!(
            VerifyingKey::point(Algorithm::EdDSA, &[7; 57]).is_err(),
            "Ed448"
        );
        assert!(VerifyingKey::point(Algorithm::ES256, &[]).is_err());
    }
}
