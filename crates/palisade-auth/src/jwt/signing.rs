use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, EncodingKey};
#[cfg(feature = "oidc")]
use palisade_core::ClientCertificate;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};

use zeroize::Zeroizing;

use super::der;
use super::keys::VerifyingKey;
use crate::AuthError;

/// A private key that signs with exactly one algorithm. Clones share it; its `Debug` shows the id alone.
///
/// Its id is the thumbprint of its public key (RFC 7638).
#[derive(Clone)]
pub struct SigningKey {
    public: VerifyingKey,
    pair: Arc<Pair>,
    #[cfg(feature = "oidc")]
    certificate: Option<ClientCertificate>,
}

/// The first line of a private key of an elliptic curve that is not wrapped in PKCS#8.
const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----";

enum Pair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

const fn ecdsa(algorithm: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match algorithm {
        Algorithm::ES256 => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::ES384 => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
        _ => None,
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        Algorithm::RS256 => Some(&RSA_PKCS1_SHA256),
        Algorithm::RS384 => Some(&RSA_PKCS1_SHA384),
        Algorithm::RS512 => Some(&RSA_PKCS1_SHA512),
        Algorithm::PS256 => Some(&RSA_PSS_SHA256),
        Algorithm::PS384 => Some(&RSA_PSS_SHA384),
        Algorithm::PS512 => Some(&RSA_PSS_SHA512),
        _ => None,
    }
}

fn rejected() -> AuthError {
    AuthError::one("key", "is not a private key for this algorithm")
}

impl SigningKey {
    /// Makes a new key for `EdDSA`, `ES256` or `ES384`, as PKCS#8: keep it secret and read it back with
    /// [`from_pkcs8`](Self::from_pkcs8).
    ///
    /// # Errors
    ///
    /// Refuses other algorithms: RSA keys are made with `openssl genrsa 3072`.
    pub fn generate_pkcs8(algorithm: Algorithm) -> Result<Vec<u8>, AuthError> {
        let random = SystemRandom::new();
        let document = match (algorithm, ecdsa(algorithm)) {
            (Algorithm::EdDSA, _) => Ed25519KeyPair::generate_pkcs8(&random),
            (_, Some(ecdsa)) => EcdsaKeyPair::generate_pkcs8(ecdsa, &random),
            _ => return Err(AuthError::one("alg", "cannot be generated; give a PEM")),
        };
        let document = document.map_err(|_| AuthError::Issue("no key could be made"))?;
        Ok(document.as_ref().to_vec())
    }

    /// A new key that lives no longer than the process.
    ///
    /// # Errors
    ///
    /// As for [`generate_pkcs8`](Self::generate_pkcs8).
    pub fn generate(algorithm: Algorithm) -> Result<Self, AuthError> {
        Self::from_pkcs8(algorithm, &Self::generate_pkcs8(algorithm)?)
    }

    /// Reads a private key in PKCS#8.
    ///
    /// # Errors
    ///
    /// Refuses a key of another type than the algorithm's, RSA keys under 2048 bits, and shared secrets.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, AuthError> {
        let pair = match (algorithm.family(), ecdsa(algorithm)) {
            (AlgorithmFamily::Ed, _) => {
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(Pair::Ed25519)
            }
            (_, Some(ecdsa)) => {
                EcdsaKeyPair::from_pkcs8(ecdsa, pkcs8, &SystemRandom::new()).map(Pair::Ecdsa)
            }
            (AlgorithmFamily::Rsa, _) => RsaKeyPair::from_pkcs8(pkcs8).map(Pair::Rsa),
            _ => return Err(rejected()),
        };
        Self::of(algorithm, pair.map_err(|_| rejected())?)
    }

    /// Reads a private key in PEM: `PRIVATE KEY`, `RSA PRIVATE KEY`, or `EC PRIVATE KEY` (RFC 5915), which must hold its
    /// public point, as OpenSSL writes it.
    ///
    /// # Errors
    ///
    /// As for [`from_pkcs8`](Self::from_pkcs8).
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, AuthError> {
        if !pem.contains("PRIVATE KEY-----") {
            return Err(rejected());
        }
        let bytes = pem.as_bytes();
        match algorithm.family() {
            AlgorithmFamily::Rsa => {
                let key = EncodingKey::from_rsa_pem(bytes).map_err(|_| rejected())?;
                let pair = RsaKeyPair::from_der(key.as_bytes()).map_err(|_| rejected())?;
                Self::of(algorithm, Pair::Rsa(pair))
            }
            AlgorithmFamily::Ec if pem.contains(SEC1) => Self::from_sec1(algorithm, pem),
            AlgorithmFamily::Ec => {
                let key = EncodingKey::from_ec_pem(bytes).map_err(|_| rejected())?;
                Self::from_pkcs8(algorithm, key.as_bytes())
            }
            AlgorithmFamily::Ed => {
                let key = EncodingKey::from_ed_pem(bytes).map_err(|_| rejected())?;
                Self::from_pkcs8(algorithm, key.as_bytes())
            }
            AlgorithmFamily::Hmac => Err(rejected()),
        }
    }

    fn from_sec1(algorithm: Algorithm, pem: &str) -> Result<Self, AuthError> {
        let ecdsa = ecdsa(algorithm).ok_or_else(rejected)?;
        let (_, rest) = pem.split_once(SEC1).ok_or_else(rejected)?;
        let (body, _) = rest
            .split_once("-----END EC PRIVATE KEY-----")
            .ok_or_else(rejected)?;
        let body: Zeroizing<String> = body.split_whitespace().collect::<String>().into();
        let der = STANDARD.decode(body.as_bytes()).map_err(|_| rejected())?;
        let der = Zeroizing::new(der);
        let (private, point) = der::ec_private_key(&der).ok_or_else(rejected)?;
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(ecdsa, private, point, &random);
        Self::of(algorithm, Pair::Ecdsa(pair.map_err(|_| rejected())?))
    }

    fn of(algorithm: Algorithm, pair: Pair) -> Result<Self, AuthError> {
        let public = match &pair {
            Pair::Ed25519(pair) => VerifyingKey::point(algorithm, pair.public_key().as_ref()),
            Pair::Ecdsa(pair) => VerifyingKey::point(algorithm, pair.public_key().as_ref()),
            Pair::Rsa(pair) => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                VerifyingKey::rsa(algorithm, &parts.n, &parts.e)
            }
        }?;
        let public = match public.thumbprint() {
            Some(kid) => public.id(&kid),
            None => public,
        };
        Ok(Self {
            public,
            pair: Arc::new(pair),
            #[cfg(feature = "oidc")]
            certificate: None,
        })
    }

    /// Sets the certificate of the key, for a provider that knows [clients](crate::oidc::OidcBuilder::private_key_client) by
    /// one, as Entra ID does: their tokens then name its SHA-256 (`x5t#S256`; RFC 7515, section 4.1.8) in the place of the
    /// key's id. Whether it is of this key is for the provider to say.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use palisade_auth::{Algorithm, SigningKey};
    /// use palisade_core::ClientCertificate;
    ///
    /// let key = std::fs::read_to_string("client.key")?;
    /// // In DER: openssl x509 -in client.pem -outform DER -out client.der
    /// let certificate = ClientCertificate::from_der(&std::fs::read("client.der")?);
    /// let key = SigningKey::from_pem(Algorithm::PS256, &key)?.certificate(certificate);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "oidc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "oidc")))]
    #[must_use]
    pub const fn certificate(mut self, certificate: ClientCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    #[cfg(feature = "oidc")]
    pub(crate) const fn its_certificate(&self) -> Option<&ClientCertificate> {
        self.certificate.as_ref()
    }

    /// The other half, for verifying and publishing.
    #[must_use]
    pub const fn public(&self) -> &VerifyingKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AuthError> {
        let failed = |_| AuthError::Issue("it could not be signed");
        match &*self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let Some(encoding) = rsa_encoding(self.public.algorithm()) else {
                    return Err(rejected());
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public).finish()
    }
}
