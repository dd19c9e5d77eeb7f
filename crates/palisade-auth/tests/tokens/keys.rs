//! Keys in the forms in which tools write them.

use crate::support::{SECRET, clock};
use palisade_auth::{Algorithm, Issuer, JwtVerifier, KeySet, SigningKey, SigningKeys, TokenIssuer};
use palisade_core::Principal;
use serde_json::{Value, json};

fn issued_by(key: &SigningKey) -> String {
    let tokens = TokenIssuer::signed("idp", SigningKeys::new(key.clone()))
        .audience("api")
        .clock(clock())
        .build()
        .unwrap();
    let alice = Principal::user("idp", "alice");
    tokens.issue(&alice).unwrap().into_string()
}

fn passes(issuer: Issuer, token: &str) -> bool {
    let jwt = JwtVerifier::builder().issuer(issuer.audience("api"));
    jwt.clock(clock()).build().unwrap().verify(token).is_ok()
}

#[test]
fn a_private_key_of_openssl_ecparam_is_read() {
    for (algorithm, pem) in [
        (Algorithm::ES256, include_str!("../data/p256-sec1.pem")),
        (Algorithm::ES384, include_str!("../data/p384-sec1.pem")),
    ] {
        let key = SigningKey::from_pem(algorithm, pem).unwrap();
        let set = KeySet::new([key.public().clone()]).unwrap();
        assert!(passes(Issuer::keys("idp", set), &issued_by(&key)));
        let windows = pem.replace('\n', "\r\n");
        assert!(SigningKey::from_pem(algorithm, &windows).is_ok());
    }
    // The same key as `p384.pem`, which is PKCS#8.
    let wrapped = SigningKey::from_pem(Algorithm::ES384, include_str!("../data/p384.pem")).unwrap();
    let plain =
        SigningKey::from_pem(Algorithm::ES384, include_str!("../data/p384-sec1.pem")).unwrap();
    assert_eq!(wrapped.public().thumbprint(), plain.public().thumbprint());
}

#[test]
fn a_private_key_of_another_curve_or_without_its_point_is_refused() {
    let p256 = include_str!("../data/p256-sec1.pem");
    assert!(SigningKey::from_pem(Algorithm::ES384, p256).is_err());
    assert!(SigningKey::from_pem(Algorithm::EdDSA, p256).is_err());
    let without = include_str!("../data/p256-sec1-without-public.pem");
    assert!(SigningKey::from_pem(Algorithm::ES256, without).is_err());
    for cut in 0..p256.len() - 1 {
        assert!(
            SigningKey::from_pem(Algorithm::ES256, &p256[..cut]).is_err(),
            "{cut}"
        );
    }
}

fn without_algorithm(key: &SigningKey) -> Value {
    let mut jwk = key.public().to_jwk().unwrap();
    jwk.as_object_mut().unwrap().remove("alg");
    jwk
}

#[test]
fn a_static_key_that_names_no_algorithm_is_for_those_that_the_issuer_lists() {
    let pem = include_str!("../data/rsa2048.pem");
    let key = |algorithm| SigningKey::from_pem(algorithm, pem).unwrap();
    let jwks = json!({ "keys": [without_algorithm(&key(Algorithm::RS256))] }).to_string();
    let issuer = || Issuer::keys("idp", KeySet::from_jwks(&jwks).unwrap());
    for algorithm in [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
    ] {
        let token = issued_by(&key(algorithm));
        assert!(
            passes(issuer().algorithms([algorithm]), &token),
            "{algorithm:?}"
        );
        let by_default = algorithm == Algorithm::RS256;
        assert_eq!(passes(issuer(), &token), by_default, "{algorithm:?}");
        let others = issuer().algorithms([Algorithm::RS256]);
        assert_eq!(passes(others, &token), by_default, "{algorithm:?}");
    }
}

#[test]
fn a_static_key_that_names_its_algorithm_is_for_no_other() {
    let pem = include_str!("../data/rsa2048.pem");
    let key = |algorithm| SigningKey::from_pem(algorithm, pem).unwrap();
    let jwks = json!({ "keys": [key(Algorithm::RS256).public().to_jwk()] }).to_string();
    let set = KeySet::from_jwks(&jwks).unwrap();
    let both = Issuer::keys("idp", set).algorithms([Algorithm::RS256, Algorithm::PS256]);
    assert!(!passes(both, &issued_by(&key(Algorithm::PS256))));
}

#[test]
fn a_shared_secret_that_names_no_algorithm_is_for_those_that_its_length_allows() {
    let secret = SECRET.repeat(2).replacen('k', "K", 1);
    let k = crate::support::b64(&secret[..48]);
    let jwks = json!({ "keys": [{"kty": "oct", "k": k}] }).to_string();
    let usable = |algorithm| {
        let issuer = Issuer::keys("idp", KeySet::from_jwks(&jwks).unwrap()).audience("api");
        let issuer = issuer.algorithms([algorithm]);
        JwtVerifier::builder().issuer(issuer).build().is_ok()
    };
    assert!(usable(Algorithm::HS256) && usable(Algorithm::HS384));
    assert!(!usable(Algorithm::HS512), "48 bytes are too few");
}
