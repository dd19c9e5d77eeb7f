//! The ID tokens that are believed.

use std::time::Duration;

use palisade_auth::Refusal;
use palisade_auth::oidc::OidcError;
use ring::hmac;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::KeyPair as _;
use serde_json::json;

use super::provider::{CLIENT, Provider, rs256};
use super::signed_in;
use crate::support::{Clock, NOW, b64};

/// The left half of the SHA-256 of `access-1`, as `printf access-1 | openssl dgst -sha256 -binary | head -c 16 | base64`
/// says.
pub(super) const AT_HASH: &str = "9MKET0Y7WpOlF96BtnoJyA";

#[tokio::test]
async fn an_id_token_that_does_not_hold_signs_nobody_in() {
    let provider = Provider::start().await;
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    let token = OidcError::Token;
    for (claims, expected) in [
        (json!({"nonce": "other"}), OidcError::WrongNonce),
        (json!({"nonce": null}), OidcError::WrongNonce),
        (json!({"aud": "other"}), token(Refusal::WrongAudience)),
        (json!({"aud": ["other"]}), token(Refusal::WrongAudience)),
        (json!({"aud": null}), token(Refusal::WrongAudience)),
        (json!({"aud": [CLIENT, "other"]}), OidcError::WrongParty),
        (
            json!({"aud": [CLIENT, "other"], "azp": CLIENT}),
            OidcError::WrongParty,
        ),
        (json!({"aud": [CLIENT, "reports"]}), OidcError::WrongParty),
        (
            json!({"aud": [CLIENT, "reports"], "azp": "reports"}),
            OidcError::WrongParty,
        ),
        (json!({"azp": "other"}), OidcError::WrongParty),
        (
            json!({"iss": "https://evil.example"}),
            token(Refusal::UnknownIssuer),
        ),
        (json!({"exp": NOW - 60}), token(Refusal::TokenExpired)),
        (json!({"exp": null}), token(Refusal::ExpiryMissing)),
        (json!({"iat": NOW + 61}), token(Refusal::IssuedInFuture)),
        (json!({"iat": null}), token(Refusal::IssuedAtMissing)),
        (json!({"iat": NOW - 301}), OidcError::TooOld),
        (json!({"nbf": NOW + 61}), token(Refusal::NotYetValid)),
        (json!({"sub": null}), token(Refusal::SubjectMissing)),
        (json!({"sub": ""}), token(Refusal::SubjectMissing)),
        (
            json!({"at_hash": b64([0; 16])}),
            OidcError::WrongAccessToken,
        ),
        (json!({"token_use": "refresh"}), token(Refusal::WrongType)),
        (json!({"events": {}}), token(Refusal::WrongType)),
        (
            json!({"cnf": {"jkt": "x"}}),
            token(Refusal::SenderConstrained),
        ),
    ] {
        provider.said().claims = claims.clone();
        let refused = signed_in(&provider, &oidc).await;
        assert_eq!(refused.err(), Some(expected), "{claims}");
    }
    for claims in [
        json!({"aud": [CLIENT]}),
        json!({"azp": CLIENT, "token_use": "id", "at_hash": AT_HASH}),
        json!({"iat": NOW - 300}),
        json!({"iat": NOW + 60, "exp": NOW - 59 + 3600}),
    ] {
        provider.said().claims = claims.clone();
        let good = signed_in(&provider, &oidc).await;
        assert_eq!(good.err(), None, "{claims}");
    }
    let trusting = provider
        .builder(&Clock::default())
        .add_trusted_audience("reports");
    let trusting = trusting.build().unwrap();
    for (azp, expected) in [
        (json!(CLIENT), None),
        (json!(null), Some(OidcError::WrongParty)),
        (json!("reports"), Some(OidcError::WrongParty)),
    ] {
        provider.said().claims = json!({"aud": [CLIENT, "reports"], "azp": azp});
        assert_eq!(
            signed_in(&provider, &trusting).await.err(),
            expected,
            "{azp}"
        );
    }
}

#[tokio::test]
async fn a_forged_id_token_signs_nobody_in() {
    let stripped = |input: &str, _: &KeyPair| format!("{input}.");
    let confused = |input: &str, key: &KeyPair| {
        let public = PublicKeyComponents::<Vec<u8>>::from(key.public_key());
        let key = hmac::Key::new(hmac::HMAC_SHA256, &public.n);
        format!("{input}.{}", b64(hmac::sign(&key, input.as_bytes())))
    };
    let tampered = |input: &str, key: &KeyPair| {
        let mut signature = rs256(input, key);
        signature[9] ^= 1;
        format!("{input}.{}", b64(signature))
    };
    type Forge = fn(&str, &KeyPair) -> String;
    let provider = Provider::start().await;
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    for (header, forge, refusal) in [
        (
            json!({"alg": "none"}),
            stripped as Forge,
            Refusal::BadSignature,
        ),
        (
            json!({"alg": "none"}),
            tampered,
            Refusal::AlgorithmNotAllowed,
        ),
        (
            json!({"alg": "HS256", "kid": "k1"}),
            confused,
            Refusal::AlgorithmNotAllowed,
        ),
        (
            json!({"alg": "RS256", "kid": "k1"}),
            tampered,
            Refusal::BadSignature,
        ),
        (
            json!({"alg": "RS384", "kid": "k1"}),
            tampered,
            Refusal::AlgorithmNotAllowed,
        ),
    ] {
        provider.said().header = header.clone();
        provider.said().forge = Some(forge);
        let refused = signed_in(&provider, &oidc).await;
        assert_eq!(refused.err(), Some(OidcError::Token(refusal)), "{header}");
    }
    provider.said().forge = None;
    for (header, refusal) in [
        (json!({"alg": "RS256", "kid": "k2"}), Refusal::UnknownKey),
        (
            json!({"alg": "RS256", "kid": "k1", "typ": "at+jwt"}),
            Refusal::WrongType,
        ),
        (
            json!({"alg": "RS256", "kid": "k1", "typ": "logout+jwt"}),
            Refusal::WrongType,
        ),
        (
            json!({"alg": "RS256", "kid": "k1", "crit": ["x"]}),
            Refusal::ExtensionRefused,
        ),
    ] {
        provider.said().header = header.clone();
        let refused = signed_in(&provider, &oidc).await;
        assert_eq!(refused.err(), Some(OidcError::Token(refusal)), "{header}");
    }
    provider.said().header = json!({"alg": "RS256", "kid": "k1", "typ": "JWT"});
    assert!(signed_in(&provider, &oidc).await.is_ok());
}

#[tokio::test]
async fn a_sign_in_must_be_recent_where_that_was_asked_for() {
    let provider = Provider::start().await;
    let recent = provider
        .builder(&Clock::default())
        .max_age(Duration::from_secs(300));
    let oidc = recent.build().unwrap();
    let begun = super::begun(&oidc).await;
    assert!(begun.location.contains("&max_age=300"));
    for (time, expected) in [
        (json!(null), Some(OidcError::TooOld)),
        (json!(NOW - 361), Some(OidcError::TooOld)),
        (json!(NOW - 360), None),
    ] {
        provider.said().claims = json!({"auth_time": time});
        assert_eq!(signed_in(&provider, &oidc).await.err(), expected, "{time}");
    }
}
