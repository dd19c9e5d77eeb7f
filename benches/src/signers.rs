//! Tokens with signatures by public keys, all made in this run.

use std::error::Error;

use aws_lc_rs::encoding::AsDer as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_auth::{Algorithm, Issuer, JwtVerifier, KeySet, VerifyingKey};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::peers::{AUDIENCE, Claims, ISSUER};

/// A key pair that signs tokens.
pub(crate) enum Signer {
    Rs256(RsaKeyPair),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// Whether a message has a signature.
pub(crate) type RingVerifies = Box<dyn Fn(&[u8], &[u8]) -> bool>;

fn point(algorithm: &'static dyn VerificationAlgorithm, key: &[u8]) -> RingVerifies {
    let key = UnparsedPublicKey::new(algorithm, key.to_vec());
    Box::new(move |message, signature| key.verify(message, signature).is_ok())
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

impl Signer {
    /// RSA of 2,048 bits. ring makes no such keys, so the library that jsonwebtoken brings makes it.
    pub(crate) fn rs256() -> Result<Self> {
        let made = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048)?;
        Ok(Self::Rs256(RsaKeyPair::from_pkcs8(
            made.as_der()?.as_ref(),
        )?))
    }

    pub(crate) fn es256() -> Result<Self> {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random)?;
        Ok(Self::Es256(pair))
    }

    pub(crate) fn eddsa() -> Result<Self> {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())?;
        Ok(Self::EdDsa(Ed25519KeyPair::from_pkcs8(made.as_ref())?))
    }

    const fn algorithm(&self) -> (Algorithm, &'static str) {
        match self {
            Self::Rs256(_) => (Algorithm::RS256, "RS256"),
            Self::Es256(_) => (Algorithm::ES256, "ES256"),
            Self::EdDsa(_) => (Algorithm::EdDSA, "EdDSA"),
        }
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Claims) -> Result<String> {
        let header = format!("{{\"alg\":\"{}\",\"typ\":\"at+jwt\"}}", self.algorithm().1);
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let claims = serde_json::to_vec(claims)?;
        let message = format!("{}.{}", encode(header.as_bytes()), encode(&claims));
        let signature = self.sign(message.as_bytes())?;
        Ok(format!("{message}.{}", encode(&signature)))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let random = SystemRandom::new();
        Ok(match self {
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                signature
            }
            Self::Es256(pair) => pair.sign(&random, message)?.as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
        })
    }

    /// The signed part of a token, and the signature.
    pub(crate) fn parts(token: &str) -> Result<(Vec<u8>, Vec<u8>)> {
        let (message, signature) = token.rsplit_once('.').ok_or("not a token")?;
        Ok((
            message.as_bytes().to_vec(),
            URL_SAFE_NO_PAD.decode(signature)?,
        ))
    }

    /// The signature check of ring and nothing else, with a key that is ready.
    pub(crate) fn ring(&self) -> RingVerifies {
        match self {
            Self::Rs256(pair) => {
                let key: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
                let algorithm = &RSA_PKCS1_2048_8192_SHA256;
                Box::new(move |message, signature| {
                    key.verify(algorithm, message, signature).is_ok()
                })
            }
            Self::Es256(pair) => point(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()),
            Self::EdDsa(pair) => point(&ED25519, pair.public_key().as_ref()),
        }
    }

    /// Our verifier, which remembers so many tokens.
    pub(crate) fn verifier(&self, cache: usize) -> Result<JwtVerifier> {
        let (algorithm, _) = self.algorithm();
        let key = match self {
            Self::Rs256(pair) => {
                let parts: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
                VerifyingKey::rsa(algorithm, &parts.n, &parts.e)?
            }
            Self::Es256(pair) => VerifyingKey::point(algorithm, pair.public_key().as_ref())?,
            Self::EdDsa(pair) => VerifyingKey::point(algorithm, pair.public_key().as_ref())?,
        };
        let issuer = Issuer::keys(ISSUER, KeySet::new([key])?).audience(AUDIENCE);
        Ok(JwtVerifier::builder().issuer(issuer).cache(cache).build()?)
    }
}
