//! Every algorithm, with keys made by OpenSSL.

use palisade_auth::{
    Algorithm, JwtVerifier, KeySet, Refusal, SigningKey, SigningKeys, TokenIssuer, VerifyingKey,
};
use palisade_core::Principal;
use ring::hmac;
use serde_json::{Value, json};

use super::rfcs::{rfc_ed25519, rfc_p256};
use crate::support::{NOW, b64, claims_with, clock, unb64};

/// Every asymmetric algorithm, with a private and a public key made by OpenSSL.
fn key_pairs() -> Vec<(Algorithm, SigningKey, VerifyingKey)> {
    use Algorithm as A;
    let rsa = (
        include_str!("../data/rsa2048.pem"),
        include_str!("../data/rsa2048-public.pem"),
    );
    let pems = [
        (A::RS256, rsa),
        (A::RS384, rsa),
        (A::RS512, rsa),
        (A::PS256, rsa),
        (A::PS384, rsa),
        (A::PS512, rsa),
        (
            A::ES256,
            (
                include_str!("../data/p256.pem"),
                include_str!("../data/p256-public.pem"),
            ),
        ),
        (
            A::ES384,
            (
                include_str!("../data/p384.pem"),
                include_str!("../data/p384-public.pem"),
            ),
        ),
        (
            A::EdDSA,
            (
                include_str!("../data/ed25519.pem"),
                include_str!("../data/ed25519-public.pem"),
            ),
        ),
    ];
    let read = |(algorithm, (private, public))| {
        let signing = SigningKey::from_pem(algorithm, private).unwrap();
        let verifying = VerifyingKey::from_pem(algorithm, public).unwrap();
        assert_eq!(
            signing.public().thumbprint(),
            verifying.thumbprint(),
            "{algorithm:?}"
        );
        (algorithm, signing, verifying)
    };
    pems.into_iter().map(read).collect()
}

fn house(key: &SigningKey) -> (TokenIssuer, JwtVerifier) {
    let tokens = TokenIssuer::signed("bookings", SigningKeys::new(key.clone()))
        .audience("api://bookings")
        .clock(clock())
        .build()
        .unwrap();
    let jwt = JwtVerifier::builder()
        .issuer(tokens.issuer())
        .clock(clock())
        .build()
        .unwrap();
    (tokens, jwt)
}

fn alice() -> Principal {
    Principal::user("", "alice")
}

#[test]
fn every_algorithm_signs_publishes_and_verifies() {
    for (algorithm, signing, _) in key_pairs() {
        let (tokens, jwt) = house(&signing);
        let issued = tokens.issue(&alice()).unwrap();
        assert_eq!(
            jwt.verify(issued.as_str()).unwrap().subject(),
            "alice",
            "{algorithm:?}"
        );

        let published = tokens.jwks();
        for private in ["\"d\"", "\"p\"", "\"q\"", "\"k\""] {
            assert!(!published.contains(private), "{published}");
        }
        let keys = KeySet::from_jwks(&published).unwrap();
        let elsewhere = JwtVerifier::builder()
            .issuer(palisade_auth::Issuer::keys("bookings", keys).audience("api://bookings"))
            .clock(clock())
            .build()
            .unwrap();
        assert!(elsewhere.verify(issued.as_str()).is_ok(), "{algorithm:?}");
    }
}

#[test]
fn every_algorithm_refuses_what_was_tampered_with() {
    for (algorithm, signing, _) in key_pairs() {
        let (tokens, jwt) = house(&signing);
        let good = tokens.issue(&alice()).unwrap().into_string();
        let parts: Vec<&str> = good.split('.').collect();
        let [head, payload, signature] = parts[..] else {
            panic!()
        };
        let raw = unb64(signature);
        let refused = |name: &str, token: String, refusal: Refusal| {
            assert_eq!(
                jwt.verify(&token).err(),
                Some(refusal),
                "{algorithm:?}: {name}"
            );
        };
        let other = b64(claims_with(json!({"sub": "admin"})));
        refused(
            "payload",
            format!("{head}.{other}.{signature}"),
            Refusal::BadSignature,
        );
        refused(
            "stripped",
            format!("{head}.{payload}."),
            Refusal::BadSignature,
        );
        refused(
            "zeros",
            format!("{head}.{payload}.{}", b64(vec![0; raw.len()])),
            Refusal::BadSignature,
        );
        refused(
            "ones",
            format!("{head}.{payload}.{}", b64(vec![0xff; raw.len()])),
            Refusal::BadSignature,
        );
        refused(
            "short",
            format!("{head}.{payload}.{}", b64(&raw[1..])),
            Refusal::BadSignature,
        );
        refused(
            "long",
            format!("{head}.{payload}.{}", b64([&raw[..], &[0]].concat())),
            Refusal::BadSignature,
        );
        for bit in [0, raw.len() * 4, raw.len() * 8 - 1] {
            let mut flipped = raw.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            refused(
                "flipped",
                format!("{head}.{payload}.{}", b64(flipped)),
                Refusal::BadSignature,
            );
        }
        let header: Value = serde_json::from_slice(&unb64(head)).unwrap();
        for alg in [
            "none", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384",
            "PS512", "ES256", "ES384", "ES512", "EdDSA",
        ] {
            if header["alg"] == alg {
                continue;
            }
            let mut confused = header.clone();
            confused["alg"] = alg.into();
            let token = format!("{}.{payload}.{signature}", b64(confused.to_string()));
            refused(alg, token, Refusal::AlgorithmNotAllowed);
        }
        let mut unknown = header.clone();
        unknown["kid"] = "unknown".into();
        let token = format!("{}.{payload}.{signature}", b64(unknown.to_string()));
        refused("another kid", token, Refusal::UnknownKey);
    }
}

#[test]
fn a_public_key_is_never_a_shared_secret() {
    let public = include_str!("../data/rsa2048-public.pem");
    for (_, signing, verifying) in key_pairs() {
        let (_, jwt) = house(&signing);
        let jwk = verifying.to_jwk().unwrap().to_string();
        for secret in [
            public.as_bytes(),
            public.trim_end().as_bytes(),
            jwk.as_bytes(),
        ] {
            for (alg, hash) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
            ] {
                let header = json!({"alg": alg, "typ": "at+jwt", "kid": verifying.thumbprint()});
                let input = format!(
                    "{}.{}",
                    b64(header.to_string()),
                    b64(claims_with(json!({})))
                );
                let tag = hmac::sign(&hmac::Key::new(hash, secret), input.as_bytes());
                let token = format!("{input}.{}", b64(tag));
                assert_eq!(jwt.verify(&token).err(), Some(Refusal::AlgorithmNotAllowed));
            }
        }
    }
}

#[test]
fn ecdsa_signatures_are_two_numbers_and_not_der() {
    let (_, signing, _) = key_pairs().swap_remove(6);
    let (tokens, jwt) = house(&signing);
    let good = tokens.issue(&alice()).unwrap().into_string();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let raw = unb64(signature);
    let (r, s) = raw.split_at(32);
    let integer = |number: &[u8]| [&[0x02, 33, 0][..], number].concat();
    let body = [integer(r), integer(s)].concat();
    let der = [&[0x30, u8::try_from(body.len()).unwrap()][..], &body].concat();
    assert_eq!(
        jwt.verify(&format!("{input}.{}", b64(der))).err(),
        Some(Refusal::BadSignature)
    );
}

#[test]
fn a_key_that_shares_its_kid_with_a_bad_one_is_left_out() {
    let named = |mut key: Value, kid: &str| {
        key["kid"] = kid.into();
        key
    };
    let ids = |third: Value| -> Vec<String> {
        let keys = json!([named(rfc_p256(), "a"), named(rfc_ed25519(), "b"), third]);
        let set = KeySet::from_jwks(&json!({ "keys": keys }).to_string()).unwrap();
        set.iter()
            .map(|key| key.key_id().unwrap().to_owned())
            .collect()
    };
    let mut bad = named(rfc_p256(), "a");
    bad["x"] = "AAAA".into();
    assert_eq!(ids(bad), ["b"], "which of the two is meant nobody knows");
    let mut for_encryption = named(rfc_p256(), "a");
    for_encryption["use"] = "enc".into();
    assert_eq!(ids(for_encryption), ["a", "b"], "it is not one of ours");
}

#[test]
fn keys_rotate_while_old_tokens_live_on() {
    let (old, new) = (
        SigningKey::generate(Algorithm::ES256).unwrap(),
        SigningKey::generate(Algorithm::EdDSA).unwrap(),
    );
    let (before, _) = house(&old);
    let keys = SigningKeys::new(new.clone()).also(old.public().clone());
    let after = TokenIssuer::signed("bookings", keys)
        .audience("api://bookings")
        .clock(clock())
        .build()
        .unwrap();
    let jwt = JwtVerifier::builder()
        .issuer(after.issuer())
        .clock(clock())
        .build()
        .unwrap();
    assert!(jwt.verify(before.issue(&alice()).unwrap().as_str()).is_ok());
    assert!(jwt.verify(after.issue(&alice()).unwrap().as_str()).is_ok());
    let twice = SigningKeys::new(new.clone()).also(new.public().clone());
    let once = TokenIssuer::signed("bookings", twice).audience("a").build();
    assert_eq!(once.unwrap().jwks().matches("\"kid\"").count(), 1);
    let other = old.public().clone().id(new.public().key_id().unwrap());
    let clashing = SigningKeys::new(new.clone()).also(other);
    assert!(
        TokenIssuer::signed("bookings", clashing)
            .audience("a")
            .build()
            .is_err()
    );
    assert!(!format!("{new:?}").to_lowercase().contains("seed"));
    let _ = NOW;
}
