//! Which ID tokens, token responses and claims are believed.

use std::time::Duration;

use palisade_auth::Refusal;
use palisade_auth::oidc::{OidcError, Userinfo};
use ring::hmac;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::KeyPair as _;
use serde_json::{Value, json};

use super::provider::{CLIENT, Provider, rs256};
use super::signed_in;
use crate::support::{Clock, NOW, b64};

/// The left half of the SHA-256 of `access-1`, as `printf access-1 | openssl dgst -sha256 -binary | head -c 16 | base64`
/// says.
const AT_HASH: &str = "9MKET0Y7WpOlF96BtnoJyA";

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

#[tokio::test]
async fn an_answer_of_the_token_endpoint_is_told_by_its_form_and_never_repeated() {
    let provider = Provider::start().await;
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    let error = |error: &str| json!({"error": error, "error_description": "canary"});
    for (status, answer, expected) in [
        (400, error("invalid_grant"), OidcError::GrantRefused),
        (401, error("invalid_client"), OidcError::ClientRefused),
        (401, json!("canary"), OidcError::ClientRefused),
        (400, error("unauthorized_client"), OidcError::ClientRefused),
        (400, error("canary"), OidcError::BadAnswer),
        (500, json!({}), OidcError::Unavailable),
        (302, json!({}), OidcError::BadAnswer),
        (
            200,
            json!({"access_token": "a", "token_type": "Bearer"}),
            OidcError::BadAnswer,
        ),
        (
            200,
            json!({"access_token": "a", "token_type": "mac", "id_token": "a"}),
            OidcError::BadAnswer,
        ),
        (200, json!([]), OidcError::BadAnswer),
        (
            200,
            json!({"access_token": "a", "token_type": "Bearer", "id_token": "canary"}),
            OidcError::Token(Refusal::TokenMalformed),
        ),
    ] {
        provider.said().answer = Some((status, answer.clone()));
        let refused = signed_in(&provider, &oidc).await.unwrap_err();
        assert_eq!(refused, expected, "{status} {answer}");
        assert!(!format!("{refused} {refused:?}").contains("canary"));
    }
    provider.said().answer = None;
    let wrong = provider
        .builder(&Clock::default())
        .client(CLIENT, "wrong")
        .build()
        .unwrap();
    let refused = signed_in(&provider, &wrong).await;
    assert_eq!(refused.err(), Some(OidcError::ClientRefused));
}

#[tokio::test]
async fn a_secret_goes_into_the_body_only_where_the_provider_wants_it_there() {
    let provider = Provider::start().await;
    for (methods, public, expected, has_basic) in [
        (
            json!(["client_secret_post"]),
            false,
            "&client_id=bookings&client_secret=client%3Asecret",
            false,
        ),
        (
            json!(["client_secret_post", "client_secret_basic"]),
            false,
            "",
            true,
        ),
        (json!(["none"]), true, "&client_id=bookings", false),
    ] {
        provider.said().metadata["token_endpoint_auth_methods_supported"] = methods.clone();
        let builder = provider.builder(&Clock::default());
        let builder = if public {
            builder.public_client(CLIENT)
        } else {
            builder
        };
        let _ = signed_in(&provider, &builder.build().unwrap()).await;
        let said = provider.said();
        let asked = said
            .asked
            .iter()
            .rfind(|(head, _)| head.starts_with("POST /token "));
        let (head, body) = asked.unwrap();
        assert_eq!(
            head.contains("authorization: Basic "),
            has_basic,
            "{methods}"
        );
        assert!(body.contains(expected), "{body}");
        assert_eq!(
            body.contains("client_secret"),
            expected.contains("client_secret"),
            "{methods}"
        );
    }
    provider.said().metadata["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]);
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    let refused = signed_in(&provider, &oidc).await;
    assert_eq!(refused.err(), Some(OidcError::ClientRefused));
}

#[tokio::test]
async fn claims_of_the_userinfo_endpoint_count_for_the_same_subject_alone() {
    let provider = Provider::start().await;
    let builder = |userinfo| provider.builder(&Clock::default()).userinfo(userinfo);
    let oidc = builder(Userinfo::default()).build().unwrap();
    provider.said().claims = json!({"email": null, "email_verified": null});
    let good = json!({"sub": "alice", "email": "a@info.example", "email_verified": true});
    for (status, answer, expected) in [
        (
            200,
            json!({"sub": "mallory", "email": "alice@example.com"}),
            OidcError::WrongSubject,
        ),
        (
            200,
            json!({"email": "a@info.example"}),
            OidcError::BadAnswer,
        ),
        (200, json!("eyJhbGciOiJub25lIn0.e30."), OidcError::BadAnswer),
        (401, good.clone(), OidcError::BadAnswer),
        (503, good.clone(), OidcError::Unavailable),
    ] {
        provider.said().userinfo = (status, answer.clone());
        let refused = signed_in(&provider, &oidc).await;
        assert_eq!(refused.err(), Some(expected), "{status} {answer}");
    }
    provider.said().userinfo = (200, good);
    let identity = signed_in(&provider, &oidc).await.unwrap().identity;
    assert_eq!(identity.verified_email(), Some("a@info.example"));
    assert!(identity.userinfo().unwrap().parse::<Value>().is_ok());
    {
        let said = provider.said();
        let asked = said
            .asked
            .iter()
            .rfind(|(head, _)| head.starts_with("GET /userinfo "));
        assert!(
            asked
                .unwrap()
                .0
                .contains("authorization: Bearer access-1\r\n")
        );
    }

    let asked = |provider: &Provider| {
        let paths = provider.paths();
        paths.iter().filter(|path| *path == "/userinfo").count()
    };
    let before = asked(&provider);
    let never = builder(Userinfo::Never).build().unwrap();
    let identity = signed_in(&provider, &never).await.unwrap().identity;
    assert_eq!((identity.claimed_email(), asked(&provider)), (None, before));
    provider.said().claims = json!({});
    let always = builder(Userinfo::Always).build().unwrap();
    let identity = signed_in(&provider, &always).await.unwrap().identity;
    assert_eq!(
        identity.verified_email(),
        Some("alice@example.com"),
        "one place for both"
    );
    assert_eq!(asked(&provider), before + 1);
}

#[tokio::test]
async fn tokens_are_renewed_for_the_same_subject_alone() {
    let provider = Provider::start().await;
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    let first = signed_in(&provider, &oidc).await.unwrap();
    assert_eq!(first.tokens.expires_at().unwrap().as_secs(), NOW + 300);
    let renewed = oidc.refresh(&first.identity, &first.tokens).await.unwrap();
    assert_eq!(renewed.access_token(), "access-2");
    assert_eq!(
        renewed.refresh_token(),
        Some("refresh-1"),
        "the old one stays"
    );
    for (claims, expected) in [
        (json!({"sub": "mallory"}), OidcError::WrongSubject),
        (
            json!({"aud": "other"}),
            OidcError::Token(Refusal::WrongAudience),
        ),
        (json!({"at_hash": AT_HASH}), OidcError::WrongAccessToken),
    ] {
        provider.said().claims = claims.clone();
        let refused = oidc.refresh(&first.identity, &renewed).await;
        assert_eq!(refused.err(), Some(expected), "{claims}");
    }
    provider.said().answer = Some((400, json!({"error": "invalid_grant"})));
    let refused = oidc.refresh(&first.identity, &renewed).await;
    assert_eq!(refused.err(), Some(OidcError::GrantRefused));
    let shown = format!("{first:?} {renewed:?}");
    for secret in ["access-", "refresh-1", "alice@", "eyJ"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
