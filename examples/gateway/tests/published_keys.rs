//! Access tokens that other services verify by the published keys.

mod support;

use palisade::Principal;
use palisade::auth::{
    Algorithm, Issuer, JwtVerifier, KeySet, SigningKey, SigningKeys, TokenIssuer,
};
use serde_json::Value;

use support::Gateway;

const PEM: &str = include_str!("../../../crates/palisade-auth/tests/data/ed25519.pem");

#[tokio::test]
async fn another_service_verifies_tokens_by_the_published_keys_alone() {
    let gateway = Gateway::start_with(&[("JWT_SIGNING_KEY", PEM)]);
    let response = gateway.get("/.well-known/jwks.json").await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "application/jwk-set+json"
    );
    assert_eq!(response.headers()["cache-control"], "public, max-age=300");
    let jwks = response.text().await.unwrap();
    assert!(!jwks.contains("\"d\""), "no private half");

    let keys = KeySet::from_jwks(&jwks).unwrap();
    let issuer = Issuer::keys("gateway", keys).audience("api://gateway");
    let elsewhere = JwtVerifier::builder().issuer(issuer).build().unwrap();
    let token = gateway.token("alice").await;
    let principal = elsewhere.verify(&token).unwrap();
    assert_eq!(
        (principal.subject(), principal.issuer()),
        ("alice", "gateway")
    );
    let me = gateway
        .client
        .get(gateway.at("/api/me"))
        .bearer_auth(&token);
    assert_eq!(
        me.send().await.unwrap().status(),
        200,
        "and so does the gateway itself"
    );

    let stranger = SigningKeys::new(SigningKey::generate(Algorithm::EdDSA).unwrap());
    let forged = TokenIssuer::signed("gateway", stranger)
        .audience("api://gateway")
        .build()
        .unwrap();
    let forged = forged.issue(&Principal::user("gateway", "alice")).unwrap();
    let me = gateway.client.get(gateway.at("/api/me"));
    let response = me.bearer_auth(forged.as_str()).send().await.unwrap();
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn a_shared_secret_is_never_published() {
    let gateway = Gateway::start();
    let jwks: Value = gateway
        .get("/.well-known/jwks.json")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(jwks, serde_json::json!({ "keys": [] }));
}

#[tokio::test]
async fn a_key_that_cannot_sign_is_named_at_the_start() {
    let public = include_str!("../../../crates/palisade-auth/tests/data/ed25519-public.pem");
    let (code, said) = support::refused_start(&[("JWT_SIGNING_KEY", public)]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("JWT_SIGNING_KEY") && !said.contains("BEGIN"),
        "{said}"
    );
}
