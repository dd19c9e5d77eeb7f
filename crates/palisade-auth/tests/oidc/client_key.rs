//! Clients that authenticate by a key of their own (`private_key_jwt`).

use palisade_auth::oidc::{Oidc, OidcError};
use palisade_auth::{Algorithm, SigningKey, SigningKeys};
use palisade_core::ClientCertificate;
use serde_json::{Value, json};

use super::provider::{CLIENT, Provider, form};
use super::signed_in;
use crate::support::{Clock, NOW, unb64};

fn keys(clock: &Clock) -> SigningKeys {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    SigningKeys::new(key).clock(clock.wall())
}

fn oidc(provider: &Provider, clock: &Clock, keys: &SigningKeys) -> Oidc {
    let builder = provider.builder(clock);
    let builder = builder.private_key_client(CLIENT, keys.clone());
    builder.build().unwrap()
}

/// The heads and forms that the token endpoint was sent.
fn asked(provider: &Provider) -> Vec<(String, std::collections::HashMap<String, String>)> {
    let said = provider.said();
    let all = said.asked.iter();
    all.filter(|(head, _)| head.starts_with("POST /token "))
        .map(|(head, body)| (head.clone(), form(body)))
        .collect()
}

fn part(token: &str, number: usize) -> Value {
    serde_json::from_slice(&unb64(token.split('.').nth(number).unwrap())).unwrap()
}

#[tokio::test]
async fn a_client_proves_itself_by_a_token_of_one_use_and_one_minute() {
    let (provider, clock) = (Provider::start().await, Clock::default());
    let keys = keys(&clock);
    provider.said().client_keys = Some(keys.clone());
    let oidc = oidc(&provider, &clock, &keys);
    let first = signed_in(&provider, &oidc).await.unwrap();
    oidc.refresh(&first.identity, &first.tokens).await.unwrap();
    let asked = asked(&provider);
    let mut ids = Vec::new();
    for (head, form) in &asked {
        assert!(!head.contains("authorization:"), "{head}");
        assert_eq!(
            form["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        assert_eq!(form["client_id"], CLIENT);
        assert!(!form.contains_key("client_secret"));
        let assertion = &form["client_assertion"];
        let kid = keys.verifying().unwrap();
        let kid = kid.iter().next().unwrap().key_id().unwrap().to_owned();
        let header = json!({"alg": "ES256", "kid": kid, "typ": "JWT"});
        assert_eq!(part(assertion, 0), header);
        let mut claims = part(assertion, 1);
        // 16 random bytes in base64url.
        let id = claims["jti"].take();
        assert_eq!(id.as_str().unwrap().len(), 22);
        ids.push(id);
        let expected = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": format!("{}/token", provider.url()),
            "iat": NOW, "exp": NOW + 60, "jti": null,
        });
        assert_eq!(claims, expected);
    }
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_client_signs_with_the_key_of_the_time() {
    let (provider, clock) = (Provider::start().await, Clock::default());
    let keys = keys(&clock);
    provider.said().client_keys = Some(keys.clone());
    let oidc = oidc(&provider, &clock, &keys);
    assert_eq!(signed_in(&provider, &oidc).await.err(), None);
    keys.rotate(SigningKey::generate(Algorithm::ES256).unwrap())
        .unwrap();
    clock.pass(SigningKeys::DEFAULT_LEAD.as_secs());
    provider.said().claims = json!({"iat": NOW + 600, "exp": NOW + 700});
    assert_eq!(signed_in(&provider, &oidc).await.err(), None);
    let used: std::collections::HashSet<String> = asked(&provider)
        .iter()
        .map(|(_, form)| part(&form["client_assertion"], 0)["kid"].to_string())
        .collect();
    assert_eq!(used.len(), 2);
    // A key that the provider does not know.
    let other = self::keys(&clock);
    let refused = signed_in(&provider, &self::oidc(&provider, &clock, &other)).await;
    assert_eq!(refused.err(), Some(OidcError::ClientRefused));
}

#[tokio::test]
async fn a_client_whose_key_has_a_certificate_is_known_by_it() {
    let (provider, clock) = (Provider::start().await, Clock::default());
    let with = |der: &[u8]| {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        key.certificate(ClientCertificate::from_der(der))
    };
    let keys = SigningKeys::new(with(b"abc")).clock(clock.wall());
    provider.said().client_keys = Some(keys.clone());
    let oidc = oidc(&provider, &clock, &keys);
    assert_eq!(signed_in(&provider, &oidc).await.err(), None);
    keys.rotate(with(b"")).unwrap();
    clock.pass(SigningKeys::DEFAULT_LEAD.as_secs());
    provider.said().claims = json!({"iat": NOW + 600, "exp": NOW + 700});
    assert_eq!(signed_in(&provider, &oidc).await.err(), None);
    let headers: Vec<Value> = asked(&provider)
        .iter()
        .map(|(_, form)| part(&form["client_assertion"], 0))
        .collect();
    // SHA-256 of these bytes (FIPS 180-4, examples), each certificate with its key.
    assert_eq!(
        headers,
        [
            json!({"alg": "ES256", "typ": "JWT", "x5t#S256": "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"}),
            json!({"alg": "ES256", "typ": "JWT", "x5t#S256": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}),
        ]
    );
}

#[tokio::test]
async fn a_client_with_a_key_falls_back_to_nothing_weaker() {
    let (provider, clock) = (Provider::start().await, Clock::default());
    let keys = keys(&clock);
    provider.said().client_keys = Some(keys.clone());
    for (member, value, expected) in [
        (
            "token_endpoint_auth_methods_supported",
            json!(["client_secret_basic", "none"]),
            Some(OidcError::ClientRefused),
        ),
        (
            "token_endpoint_auth_signing_alg_values_supported",
            json!(["RS256"]),
            Some(OidcError::ClientRefused),
        ),
        (
            "token_endpoint_auth_signing_alg_values_supported",
            json!(["RS256", "ES256"]),
            None,
        ),
        (
            "token_endpoint_auth_methods_supported",
            json!(["private_key_jwt"]),
            None,
        ),
    ] {
        provider.said().metadata[member] = value.clone();
        let oidc = oidc(&provider, &clock, &keys);
        let before = asked(&provider).len();
        assert_eq!(signed_in(&provider, &oidc).await.err(), expected, "{value}");
        let sent = asked(&provider).len() - before;
        assert_eq!(sent, usize::from(expected.is_none()), "{value}");
        provider.said().metadata[member] = json!(null);
    }
    let builder = provider.builder(&clock);
    let builder = builder.private_key_client(CLIENT, keys);
    let issuer = builder.assertion_audience(provider.url()).build().unwrap();
    assert_eq!(signed_in(&provider, &issuer).await.err(), None);
    let (_, form) = asked(&provider).pop().unwrap();
    let claims = part(&form["client_assertion"], 1);
    assert_eq!(claims["aud"], provider.url());
    assert!(!format!("{issuer:?}").contains("eyJ"));
}
