//! Token responses, and what is sent for them.

use palisade_auth::Refusal;
use palisade_auth::oidc::OidcError;
use serde_json::json;

use super::id_tokens::AT_HASH;
use super::provider::{CLIENT, Provider};
use super::signed_in;
use crate::support::{Clock, NOW};

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
