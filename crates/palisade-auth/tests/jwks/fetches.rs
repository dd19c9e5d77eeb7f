//! Fetches of keys, and the keys that are known after them. Time is paused.

use std::sync::atomic::Ordering;
use std::time::Duration;

use palisade_auth::{
    Algorithm, AuthLayer, Issuer, Jwks, JwksResponse, JwtVerifier, Refusal, SigningKey,
    SigningKeys, TokenIssuer,
};
use serde_json::json;
use tokio::time::{Instant, advance, sleep};

use super::source::{Source, idp, token};
use crate::support::{SECRET, claims_with, clock, hs256, through, with_token};

#[tokio::test(start_paused = true)]
async fn the_first_token_fetches_once_for_all_who_wait() {
    let (source, tokens) = (Source::default(), idp());
    source.publish(&tokens);
    let layer = AuthLayer::new().bearer(source.verifier());
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (layer, token) = (layer.clone(), token(&tokens));
            tokio::spawn(async move { through(&layer, with_token(&token)).await.status })
        })
        .collect();
    for task in waiting {
        assert_eq!(task.await.unwrap(), 200);
    }
    assert_eq!(source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_is_seen_at_once() {
    let (source, old, new) = (Source::default(), idp(), idp());
    source.publish(&old);
    let jwt = source.verifier();
    let known = token(&old);
    assert!(jwt.authenticate(&known).await.is_ok());
    source.publish(&new);
    advance(Duration::from_secs(31)).await;
    assert!(jwt.authenticate(&token(&new)).await.is_ok());
    assert_eq!(source.fetches(), 2);
    assert_eq!(
        jwt.authenticate(&known).await.err(),
        Some(Refusal::UnknownKey),
        "withdrawn, and out of the cache"
    );
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_unknown_kids_cause_one_fetch_in_thirty_seconds() {
    let (source, tokens) = (Source::default(), idp());
    source.publish(&tokens);
    let jwt = source.verifier();
    assert!(jwt.authenticate(&token(&tokens)).await.is_ok());
    advance(Duration::from_secs(31)).await;
    let before = source.fetches();
    let stranger = token(&idp());
    let (head, rest) = stranger.split_once('.').unwrap();
    let header = String::from_utf8(crate::support::unb64(head)).unwrap();
    let start = Instant::now();
    for number in 0..10_000 {
        let header = header.replace(r#""kid":""#, &format!(r#""kid":"{number}"#));
        let forged = format!("{}.{rest}", crate::support::b64(header));
        assert_eq!(
            jwt.authenticate(&forged).await.err(),
            Some(Refusal::UnknownKey)
        );
    }
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(source.fetches() - before, 1);
    let urls = source.urls.lock().unwrap();
    assert!(
        urls.iter().all(|url| url == "https://idp.example/jwks"),
        "no kid in a URL: {urls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_in_the_background_at_80_percent_of_their_age() {
    let (source, tokens) = (Source::default(), idp());
    source.publish(&tokens);
    let jwt = source.verifier();
    assert!(jwt.authenticate(&token(&tokens)).await.is_ok());
    advance(Duration::from_secs(799)).await;
    assert!(jwt.verify(&token(&tokens)).is_ok());
    assert_eq!(source.fetches(), 1);
    advance(Duration::from_secs(1)).await;
    assert!(jwt.verify(&token(&tokens)).is_ok(), "does not wait");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(source.fetches(), 2);
}

#[test]
fn a_published_secret_can_not_even_be_asked_for() {
    let jwks = Jwks::new("https://idp.example/jwks", |_| async {
        Err("unused".into())
    })
    .unwrap();
    let issuer = Issuer::jwks("idp", jwks)
        .audience("a")
        .algorithms([Algorithm::HS256]);
    assert!(JwtVerifier::builder().issuer(issuer).build().is_err());
    assert!(Jwks::new("http://idp.example/", |_| async { Err("unused".into()) }).is_err());
}

#[tokio::test(start_paused = true)]
async fn one_unknown_kid_is_not_looked_for_again_right_away() {
    let (source, tokens) = (Source::default(), idp());
    source.publish(&tokens);
    let jwt = source.verifier();
    assert!(jwt.authenticate(&token(&tokens)).await.is_ok());
    let stranger = token(&idp());
    advance(Duration::from_secs(31)).await;
    assert!(jwt.authenticate(&stranger).await.is_err());
    advance(Duration::from_secs(31)).await;
    assert!(jwt.authenticate(&stranger).await.is_err());
    assert_eq!(source.fetches(), 2);
    advance(Duration::from_secs(31)).await;
    assert!(jwt.authenticate(&stranger).await.is_err());
    assert_eq!(source.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_names_no_algorithm_is_for_those_of_the_issuers_list() {
    let key = SigningKey::from_pem(Algorithm::PS256, include_str!("../data/rsa2048.pem")).unwrap();
    let tokens = TokenIssuer::signed("idp", SigningKeys::new(key))
        .audience("api")
        .clock(clock())
        .build()
        .unwrap();
    let document = tokens.jwks().replace(r#""alg":"PS256","#, "");
    assert!(!document.contains("PS256"));
    for (listed, holds) in [(Algorithm::PS256, true), (Algorithm::RS256, false)] {
        let body = document.clone().into_bytes();
        let jwks = Jwks::new("https://idp.example/jwks", move |_| {
            let body = body.clone();
            async {
                Ok(JwksResponse {
                    body,
                    cache_control: None,
                })
            }
        });
        let issuer = Issuer::jwks("idp", jwks.unwrap())
            .algorithms([listed])
            .audience("api");
        let jwt = JwtVerifier::builder()
            .issuer(issuer)
            .clock(clock())
            .build()
            .unwrap();
        assert_eq!(
            jwt.authenticate(&token(&tokens)).await.is_ok(),
            holds,
            "{listed:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_under_the_same_kid_is_fetched_once_its_signature_does_not_hold() {
    let (source, old, new) = (Source::default(), idp(), idp());
    let kid = |tokens: &TokenIssuer| {
        let document: serde_json::Value = serde_json::from_str(&tokens.jwks()).unwrap();
        document["keys"][0]["kid"].as_str().unwrap().to_owned()
    };
    // The old key by the id that the new one will have.
    *source.document.lock().unwrap() = old.jwks().replace(&kid(&old), &kid(&new));
    let jwt = source.verifier();
    let before = jwt.authenticate(&token(&new)).await;
    assert_eq!(before.err(), Some(Refusal::BadSignature));
    source.publish(&new);
    let early = jwt.authenticate(&token(&new)).await;
    assert_eq!(early.err(), Some(Refusal::BadSignature), "the cool-down");
    advance(Duration::from_secs(31)).await;
    assert!(jwt.authenticate(&token(&new)).await.is_ok());
    assert_eq!(source.fetches(), 2);
    let forged = |tokens: &TokenIssuer| {
        let (good, other) = (token(&new), token(tokens));
        let (input, _) = good.rsplit_once('.').unwrap();
        let (_, signature) = other.rsplit_once('.').unwrap();
        format!("{input}.{signature}")
    };
    for _ in 0..100 {
        let asked = jwt.authenticate(&forged(&old)).await;
        assert_eq!(asked.err(), Some(Refusal::BadSignature));
    }
    assert_eq!(source.fetches(), 2, "forgeries cause no more");
    source.down.store(true, Ordering::Relaxed);
    advance(Duration::from_secs(31)).await;
    let asked = jwt.authenticate(&forged(&old)).await;
    assert_eq!(asked.err(), Some(Refusal::BadSignature), "no 503 for these");
    assert!(jwt.authenticate(&token(&new)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_no_other_key_could_help_causes_no_fetch() {
    let (source, tokens) = (Source::default(), idp());
    source.publish(&tokens);
    let jwt = source.verifier();
    assert!(jwt.authenticate(&token(&tokens)).await.is_ok());
    advance(Duration::from_secs(31)).await;
    let es256 = r#"{"alg":"ES256","kid":"a"}"#;
    let access = json!({"iss": "idp", "aud": "api"});
    for (header, claims, refusal) in [
        (
            r#"{"alg":"HS256","kid":"a"}"#,
            access.clone(),
            Refusal::AlgorithmNotAllowed,
        ),
        (
            r#"{"alg":"RS256","kid":"a"}"#,
            access,
            Refusal::AlgorithmNotAllowed,
        ),
        (
            es256,
            json!({"iss": "idp", "aud": "api", "typ": "Refresh"}),
            Refusal::WrongType,
        ),
        (
            es256,
            json!({"iss": "other", "aud": "api"}),
            Refusal::UnknownIssuer,
        ),
    ] {
        let forged = hs256(header, &claims_with(claims), SECRET);
        assert_eq!(jwt.authenticate(&forged).await.err(), Some(refusal));
    }
    assert_eq!(source.fetches(), 1);
}
