//! Keys and sets of keys that are left out, and those that are not.

use palisade_auth::{Algorithm, KeySet, SigningKey, VerifyingKey};
use serde_json::{Value, json};

use super::rfcs::{rfc_ed25519, rfc_p256, rfc_rsa};
use crate::support::b64;

#[test]
fn keys_of_another_kind_or_strength_are_refused() {
    let p256 = include_str!("../data/p256-public.pem");
    let rsa = include_str!("../data/rsa2048-public.pem");
    let weak = include_str!("../data/rsa1024-public.pem");
    let private = include_str!("../data/rsa2048.pem");
    for (algorithm, pem) in [
        (Algorithm::RS256, p256),
        (Algorithm::ES256, rsa),
        (Algorithm::ES384, p256),
        (Algorithm::EdDSA, p256),
        (Algorithm::HS256, rsa),
        (Algorithm::RS256, weak),
        (Algorithm::RS256, private),
        (Algorithm::RS256, ""),
        (
            Algorithm::RS256,
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        ),
    ] {
        assert!(
            VerifyingKey::from_pem(algorithm, pem).is_err(),
            "{algorithm:?} {pem}"
        );
    }
    assert!(
        VerifyingKey::from_pem(
            Algorithm::RS256,
            include_str!("../data/rsa2048-public-pkcs1.pem")
        )
        .is_ok()
    );
    assert!(
        SigningKey::from_pem(Algorithm::RS256, include_str!("../data/rsa2048-pkcs1.pem")).is_ok()
    );
    for (algorithm, pem) in [
        (Algorithm::RS256, include_str!("../data/rsa1024.pem")),
        (Algorithm::RS256, include_str!("../data/p256.pem")),
        (Algorithm::ES256, include_str!("../data/p384.pem")),
        (Algorithm::ES256, rsa),
        (Algorithm::HS256, private),
    ] {
        assert!(
            SigningKey::from_pem(algorithm, pem).is_err(),
            "{algorithm:?}"
        );
    }
    assert!(SigningKey::generate(Algorithm::RS256).is_err());
}

#[test]
fn jwks_that_are_meant_for_something_else_are_left_out() {
    let with = |changes: Value| {
        let mut jwk = rfc_p256();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        VerifyingKey::from_jwk(&jwk.to_string()).map(|key| key.algorithm())
    };
    assert_eq!(
        with(json!({"use": "sig", "alg": "ES256"})),
        Ok(Algorithm::ES256)
    );
    assert_eq!(with(json!({"key_ops": ["verify"]})), Ok(Algorithm::ES256));
    for bad in [
        json!({"use": "enc"}),
        json!({"key_ops": ["sign"]}),
        json!({"key_ops": []}),
        json!({"alg": "ES384"}),
        json!({"alg": "RS256"}),
        json!({"alg": "HS256"}),
        json!({"alg": "ECDH-ES"}),
        json!({"crv": "P-384"}),
        json!({"crv": "secp256k1"}),
        json!({"crv": "Ed25519"}),
        json!({"kty": "RSA"}),
        json!({"kty": "oct"}),
        json!({"x": "AAAA"}),
        json!({"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU="}),
        json!({"d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}),
    ] {
        assert!(with(bad.clone()).is_err(), "{bad}");
    }
    let mut weak = rfc_rsa();
    weak["e"] = "AQ".into();
    assert!(VerifyingKey::from_jwk(&weak.to_string()).is_err(), "e = 1");
    weak["n"] = "AQAB".into();
    assert!(VerifyingKey::from_jwk(&weak.to_string()).is_err());
    assert!(VerifyingKey::from_jwk(r#"{"kty":"oct","k":""}"#).is_err());
    assert!(VerifyingKey::from_jwk(r#"{"kty":"oct","k":"c2VjcmV0"}"#).is_err());
}

#[test]
fn a_key_that_can_be_factored_is_left_out() {
    // crocs-muni/roca, `mod03.txt`: published by those who found CVE-2017-15361.
    let n = "nc10IOQgwnCmgGDri1qnRXqfZkj4b6_tJ3XMH3muli8eY_G55RxV-epv3HMy6bAFjJ_y6x_ImFUCnPaq_iHmif6zisn_sS8c43G7XQ6armQWGrznS0JEv2jx7bRBH3VqCXyJKcFHQCReo1X4My0ao2u1DH3LRQXajeAuTlPTj43wYJfadSTfDfk9tI6sjMSvLToWJX6ysq3Ka6Rk5ZdPqSVQ0xsbq_Fh52ktALhuPdiG7KtKv74aj4zCY_9K9VzbRfQkmlGTkl9emD12LwtoAJQ-sCZ7CPQu0xHOH1yG6svIzk08t6L-4e9WQUI6HPQRTl7PUANKYKQSUjr55vSqEQ";
    let mut key = json!({"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "r", "n": n});
    assert!(VerifyingKey::from_jwk(&key.to_string()).is_err());
    let mut good = rfc_p256();
    good["kid"] = "a".into();
    let set = KeySet::from_jwks(&json!({"keys": [key, good]}).to_string()).unwrap();
    assert_eq!(set.iter().count(), 1);
    key["n"] = n.replace("SqEQ", "SqEw").into();
    assert!(VerifyingKey::from_jwk(&key.to_string()).is_ok());
}

#[test]
fn ed25519_is_known_by_its_name_of_rfc_9864_too() {
    let mut key = rfc_ed25519();
    key["alg"] = "Ed25519".into();
    let key = VerifyingKey::from_jwk(&key.to_string()).unwrap();
    assert_eq!(key.algorithm(), Algorithm::EdDSA);
}

#[test]
fn one_bad_key_leaves_out_only_itself() {
    let mut first = rfc_p256();
    first["kid"] = "a".into();
    let mut second = rfc_ed25519();
    second["kid"] = "b".into();
    let set = |keys: Value| KeySet::from_jwks(&json!({ "keys": keys }).to_string());
    let ids = |keys: Value| -> Vec<String> {
        set(keys)
            .unwrap()
            .iter()
            .map(|key| key.key_id().unwrap().to_owned())
            .collect()
    };
    let bad = [
        json!({}),
        json!(7),
        json!({"kty": "EC"}),
        json!({"kty": "x", "kid": "c"}),
        json!(null),
    ];
    let mut keys = vec![first.clone()];
    keys.extend(bad);
    keys.push(second.clone());
    assert_eq!(ids(keys.into()), ["a", "b"]);

    let (mut twin, mut other) = (rfc_p256(), rfc_ed25519());
    twin["kid"] = "a".into();
    assert_eq!(
        ids(json!([first, second, twin])),
        ["a", "b"],
        "one key, listed twice"
    );
    other["kid"] = "a".into();
    assert_eq!(
        ids(json!([first, second, other])),
        ["b"],
        "which of two is meant nobody knows, also where their algorithms differ"
    );

    let secret = json!({"kty": "oct", "kid": "s", "k": b64("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu")});
    assert!(
        set(json!([first, secret])).is_err(),
        "public keys and secrets in one set"
    );
    assert!(set(json!([])).is_err());
    assert!(set(json!(vec![first; 101])).is_err());
    for broken in ["", "[]", "{}", r#"{"keys":7}"#] {
        assert!(KeySet::from_jwks(broken).is_err(), "{broken}");
    }
}
