//! Tokens that are bound to a key, with proofs that the tests sign themselves (RFC 9449).

mod answers;
mod guards;
mod proofs;
mod refresh;

use http::Request;
use http::request::Builder;
use palisade_auth::{AuthLayer, Dpop, DpopBuilder};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use self::sha2_of::sha256;
use super::support::{HEADER, NOW, SECRET, b64, claims_with, clock, hs256, through};

/// SHA-256 without the crate under test.
mod sha2_of {
    pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
        ring::digest::digest(&ring::digest::SHA256, bytes)
            .as_ref()
            .to_vec()
    }
}

/// A client with a key of its own on P-256.
pub(super) struct Client(EcdsaKeyPair);

impl Client {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    /// The coordinates.
    fn xy(&self) -> (String, String) {
        let point = self.0.public_key().as_ref();
        (b64(&point[1..33]), b64(&point[33..]))
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.xy();
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
    }

    /// As RFC 7638, section 3 says.
    pub(super) fn thumbprint(&self) -> String {
        let (x, y) = self.xy();
        b64(sha256(
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes(),
        ))
    }

    pub(super) fn token(&self) -> String {
        let cnf = json!({"cnf": {"jkt": self.thumbprint()}});
        hs256(HEADER, &claims_with(cnf), SECRET)
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()})
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", b64(header), b64(payload));
        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes());
        format!("{input}.{}", b64(signature.unwrap()))
    }

    /// A proof for `GET /` with this token.
    pub(super) fn proof(&self, token: &str, jti: &str) -> String {
        self.sign(&self.header().to_string(), &about(token, jti).to_string())
    }
}

fn about(token: &str, jti: &str) -> Value {
    json!({
        "jti": jti, "htm": "GET", "htu": "https://api.example/", "iat": NOW,
        "ath": b64(sha256(token.as_bytes())),
    })
}

pub(super) fn dpop() -> DpopBuilder {
    Dpop::builder().base("https://api.example").clock(clock())
}

fn layer() -> AuthLayer {
    super::layer().dpop(dpop().build().unwrap())
}

fn presented(token: &str) -> Builder {
    Request::get("/").header("authorization", format!("DPoP {token}"))
}

pub(super) fn with_proof(token: &str, proof: &str) -> Request<()> {
    presented(token).header("dpop", proof).body(()).unwrap()
}

async fn refused(request: Request<()>) -> &'static str {
    let answered = through(&layer(), request).await;
    assert_eq!(answered.status, 401);
    answered.reason()
}
