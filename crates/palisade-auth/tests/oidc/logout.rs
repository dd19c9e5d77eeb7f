//! Logout at the provider and by it, without a framework.

use palisade_auth::Refusal;
use palisade_auth::oidc::OidcError;
use serde_json::json;

use super::provider::{CLIENT, Provider, form};
use crate::support::{Clock, NOW};

#[tokio::test]
async fn only_logout_tokens_of_their_form_end_anything_and_once() {
    let provider = Provider::start().await;
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    let header = json!({"alg": "RS256", "kid": "k1", "typ": "logout+jwt"});
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let token = OidcError::Token;
    for (number, (changes, expected)) in [
        (json!({"nonce": "n"}), token(Refusal::WrongType)),
        (json!({"events": null}), token(Refusal::WrongType)),
        (json!({"at_hash": "x"}), token(Refusal::WrongType)),
        (json!({"events": {"other": {}}}), OidcError::WrongEvent),
        (json!({"events": {event: "x"}}), OidcError::WrongEvent),
        (json!({"events": [event]}), OidcError::WrongEvent),
        (json!({"sub": null, "sid": null}), OidcError::WrongEvent),
        (json!({"sub": null, "sid": ""}), OidcError::WrongEvent),
        (json!({"jti": null}), OidcError::WrongEvent),
        (json!({"iat": null}), token(Refusal::IssuedAtMissing)),
        (json!({"exp": null}), token(Refusal::ExpiryMissing)),
        (json!({"exp": NOW - 60}), token(Refusal::TokenExpired)),
        (json!({"exp": NOW + 3601}), token(Refusal::LifetimeTooLong)),
        (json!({"aud": "other"}), token(Refusal::WrongAudience)),
        (
            json!({"iss": "https://evil.example"}),
            token(Refusal::UnknownIssuer),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut changes = changes;
        if changes.get("jti").is_none() {
            changes["jti"] = format!("bad-{number}").into();
        }
        let given = provider.logout_token(&header, &changes);
        let refused = oidc.logout_token(&given).await;
        assert_eq!(refused.err(), Some(expected), "{changes}");
    }
    for (typ, expected) in [("at+jwt", true), ("JWT", false), ("logout+jwt", false)] {
        let header = json!({"alg": "RS256", "kid": "k1", "typ": typ});
        let given = provider.logout_token(&header, &json!({"jti": typ}));
        assert_eq!(oidc.logout_token(&given).await.is_err(), expected, "{typ}");
    }

    let good = provider.logout_token(&header, &json!({"sub": null}));
    let logout = oidc.logout_token(&good).await.unwrap();
    assert_eq!(logout.issuer, provider.url());
    assert_eq!(
        (logout.subject, logout.session.as_deref()),
        (None, Some("at-provider-1"))
    );
    assert_eq!(oidc.logout_token(&good).await, Err(OidcError::Replayed));
}

#[tokio::test]
async fn a_browser_is_sent_to_the_providers_logout_if_it_has_one() {
    let provider = Provider::start().await;
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    let there = "https://bookings.example/bye?a=b";
    let url = oidc
        .logout_url(Some("id.to.ken"), Some(there))
        .await
        .unwrap()
        .unwrap();
    let (endpoint, query) = url.split_once('?').unwrap();
    assert_eq!(endpoint, format!("{}/end", provider.url()));
    let query = form(query);
    assert_eq!(query["id_token_hint"], "id.to.ken");
    assert_eq!(query["post_logout_redirect_uri"], there);
    assert_eq!(query["client_id"], CLIENT);
    provider.said().metadata["end_session_endpoint"] = json!(null);
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    assert_eq!(oidc.logout_url(None, None).await, Ok(None));
}
