//! Published vectors: RFC 7515 appendix A, RFC 7638 section 3.1, RFC 8037 appendix A; and keys made by OpenSSL.

mod support;

use palisade_auth::{
    Algorithm, JwtVerifier, KeySet, Refusal, SigningKey, SigningKeys, TokenIssuer, VerifyingKey,
};
use palisade_core::Principal;
use ring::hmac;
use serde_json::{Value, json};
use support::{NOW, b64, claims_with, clock, unb64};

/// RFC 7515, A.1 to A.3.
const PAYLOAD: &str =
    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

fn payload_of(jwk: &Value, jws: &str) -> Result<String, Refusal> {
    let key = VerifyingKey::from_jwk(&jwk.to_string()).unwrap();
    key.verify_jws(jws)
        .map(|payload| String::from_utf8(payload).unwrap())
}

#[test]
fn rfc_7515_a_1_hs256() {
    let jwk = json!({"kty": "oct",
        "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"});
    let jws = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(payload_of(&jwk, jws).as_deref(), Ok(PAYLOAD));
}

fn rfc_rsa() -> Value {
    json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"})
}

#[test]
fn rfc_7515_a_2_rs256() {
    let jws = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    assert_eq!(payload_of(&rfc_rsa(), jws).as_deref(), Ok(PAYLOAD));
}

fn rfc_p256() -> Value {
    json!({"kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

#[test]
fn rfc_7515_a_3_es256() {
    let jws = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert_eq!(payload_of(&rfc_p256(), jws).as_deref(), Ok(PAYLOAD));
}

#[test]
fn rfc_7515_a_4_es512_is_not_supported_and_so_refused() {
    let jwk = json!({"kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"});
    assert!(VerifyingKey::from_jwk(&jwk.to_string()).is_err());
    let jws = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    assert_eq!(
        payload_of(&rfc_p256(), jws),
        Err(Refusal::AlgorithmNotAllowed)
    );
}

#[test]
fn rfc_7515_a_5_none_is_refused() {
    let jws = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    assert_eq!(payload_of(&rfc_p256(), jws), Err(Refusal::BadSignature));
    assert_eq!(
        payload_of(&rfc_p256(), &format!("{jws}AA")),
        Err(Refusal::AlgorithmNotAllowed)
    );
}

fn rfc_ed25519() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

#[test]
fn rfc_8037_a_4_and_a_5_eddsa() {
    let jws = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(
        payload_of(&rfc_ed25519(), jws).as_deref(),
        Ok("Example of Ed25519 signing")
    );
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    let of = |jwk: &Value| {
        VerifyingKey::from_jwk(&jwk.to_string())
            .unwrap()
            .thumbprint()
            .unwrap()
    };
    // RFC 8037, A.3.
    assert_eq!(
        of(&rfc_ed25519()),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    // RFC 7638, 3.1.
    let rsa = json!({"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"});
    assert_eq!(of(&rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

/// Every asymmetric algorithm, with a private and a public key made by OpenSSL.
fn key_pairs() -> Vec<(Algorithm, SigningKey, VerifyingKey)> {
    use Algorithm as A;
    let rsa = (
        include_str!("data/rsa2048.pem"),
        include_str!("data/rsa2048-public.pem"),
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
                include_str!("data/p256.pem"),
                include_str!("data/p256-public.pem"),
            ),
        ),
        (
            A::ES384,
            (
                include_str!("data/p384.pem"),
                include_str!("data/p384-public.pem"),
            ),
        ),
        (
            A::EdDSA,
            (
                include_str!("data/ed25519.pem"),
                include_str!("data/ed25519-public.pem"),
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
    let public = include_str!("data/rsa2048-public.pem");
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
fn keys_of_another_kind_or_strength_are_refused() {
    let p256 = include_str!("data/p256-public.pem");
    let rsa = include_str!("data/rsa2048-public.pem");
    let weak = include_str!("data/rsa1024-public.pem");
    let private = include_str!("data/rsa2048.pem");
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
            include_str!("data/rsa2048-public-pkcs1.pem")
        )
        .is_ok()
    );
    assert!(SigningKey::from_pem(Algorithm::RS256, include_str!("data/rsa2048-pkcs1.pem")).is_ok());
    for (algorithm, pem) in [
        (Algorithm::RS256, include_str!("data/rsa1024.pem")),
        (Algorithm::RS256, include_str!("data/p256.pem")),
        (Algorithm::ES256, include_str!("data/p384.pem")),
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
