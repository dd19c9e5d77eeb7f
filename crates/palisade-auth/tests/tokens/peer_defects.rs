//! Defects of other implementations, each refused or done right here.

use crate::support::{HEADER, NOW, SECRET, claims, claims_with, clock, hs256, issuer};
use palisade_auth::{HmacKeys, JwtVerifier, Refusal, TokenType, VerifyingKey};
use serde_json::json;

/// As lenient as it gets here: an issuer of others, so that `typ` may be anything usual.
fn lenient() -> JwtVerifier {
    let issuer = issuer().token_type(TokenType::Common);
    JwtVerifier::builder()
        .issuer(issuer)
        .clock(clock())
        .build()
        .unwrap()
}

fn refused(header: &str, claims: &str) -> Refusal {
    lenient()
        .verify(&hs256(header, claims, SECRET))
        .unwrap_err()
}

#[test]
fn a_token_with_neither_audience_nor_issuer_is_refused() {
    let bare = json!({"sub": "alice", "exp": NOW + 60, "iat": NOW}).to_string();
    assert_eq!(refused(HEADER, &bare), Refusal::UnknownIssuer);
    let no_audience = json!({"iss": "bookings", "sub": "alice", "exp": NOW + 60, "iat": NOW});
    assert_eq!(
        refused(HEADER, &no_audience.to_string()),
        Refusal::WrongAudience
    );
}

#[test]
fn an_unknown_crit_is_refused() {
    let header = r#"{"alg":"HS256","crit":["http://example.com/UNDEFINED"],"http://example.com/UNDEFINED":true}"#;
    assert_eq!(
        refused(header, &claims().to_string()),
        Refusal::ExtensionRefused
    );
}

#[test]
fn an_unencoded_payload_is_refused() {
    assert_eq!(
        refused(r#"{"alg":"HS256","b64":false}"#, &claims().to_string()),
        Refusal::ExtensionRefused
    );
}

#[test]
fn a_refresh_token_is_no_access_token() {
    assert_eq!(
        refused(
            r#"{"alg":"HS256","typ":"refresh+jwt"}"#,
            &claims().to_string()
        ),
        Refusal::WrongType
    );
}

#[test]
fn a_token_of_the_future_is_refused() {
    assert_eq!(
        refused(HEADER, &claims_with(json!({"nbf": NOW + 3600}))),
        Refusal::NotYetValid
    );
}

#[test]
fn an_issuer_in_a_list_is_refused() {
    assert_eq!(
        refused(HEADER, &claims_with(json!({"iss": ["bookings"]}))),
        Refusal::ClaimsMalformed
    );
}

#[test]
fn an_empty_secret_is_refused() {
    assert!(HmacKeys::current("").is_err());
    assert!(VerifyingKey::hmac(palisade_auth::Algorithm::HS256, b"").is_err());
}

#[test]
fn placeholders_are_refused_in_any_case_and_with_any_separators() {
    for placeholder in [
        "your-secret-key-change-in-production",
        "YOUR_SECRET_KEY_CHANGE_IN_PRODUCTION",
        "Your.Secret Key/Change:In-Production",
        "changeme-changeme-changeme-changeme",
        "supersecretsupersecretsupersecret12",
        "00000000000000000000000000000000",
        "0123456789abcdef0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyzabcdef",
        "short",
        "                                        ",
    ] {
        let error = HmacKeys::current(placeholder).unwrap_err().to_string();
        assert!(error.starts_with("secret: "), "{error}");
        assert!(
            !error.contains(placeholder.trim()) || placeholder.trim().is_empty(),
            "{error}"
        );
    }
}

#[test]
fn an_api_key_costs_no_slow_hash() {
    let keys = palisade_auth::MemoryApiKeys::new("pal").unwrap();
    let owner = palisade_auth::ApiKeyOwner::new(palisade_core::Principal::service("", "partner"));
    let key = keys.create(owner).unwrap();
    // What is kept is one SHA-256 of the secret part, which takes well under a microsecond.
    let secret = key.as_str().split('_').nth(2).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, secret.as_bytes());
    assert_eq!(key.record().digests(), [digest.as_ref()]);
}
