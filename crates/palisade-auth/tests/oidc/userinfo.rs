//! Claims of the userinfo endpoint.

use palisade_auth::Refusal;
use palisade_auth::oidc::{OidcError, Userinfo};
use serde_json::{Value, json};

use super::provider::{CLIENT, Provider, change};
use super::signed_in;
use crate::support::{Clock, NOW, b64};

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
async fn signed_claims_count_from_this_issuer_for_this_client_alone() {
    let provider = Provider::start().await;
    let builder = || {
        let builder = provider.builder(&Clock::default());
        builder.userinfo(Userinfo::Always)
    };
    let oidc = builder().build().unwrap();
    let header = json!({"alg": "RS256", "kid": "k1"});
    let good = json!({
        "iss": provider.url(), "aud": CLIENT, "sub": "alice",
        "email": "a@info.example", "email_verified": true,
    });
    let token = OidcError::Token;
    let day = 24 * 60 * 60;
    for (changes, expected) in [
        (json!({}), None),
        (json!({"aud": ["other", CLIENT]}), None),
        (json!({"iat": NOW, "exp": NOW + 60}), None),
        (json!({"iss": null}), Some(token(Refusal::UnknownIssuer))),
        (
            json!({"iss": "https://evil.example"}),
            Some(token(Refusal::UnknownIssuer)),
        ),
        (json!({"aud": null}), Some(token(Refusal::WrongAudience))),
        (json!({"aud": "other"}), Some(token(Refusal::WrongAudience))),
        (json!({"sub": null}), Some(token(Refusal::SubjectMissing))),
        (json!({"sub": "mallory"}), Some(OidcError::WrongSubject)),
        (json!({"exp": NOW - 60}), Some(token(Refusal::TokenExpired))),
        (json!({"nbf": NOW + 61}), Some(token(Refusal::NotYetValid))),
        (
            json!({"iat": NOW + 61}),
            Some(token(Refusal::IssuedInFuture)),
        ),
        (
            json!({"iat": NOW - day - 60}),
            Some(token(Refusal::LifetimeTooLong)),
        ),
        // An ID or a logout token is none.
        (json!({"nonce": "n"}), Some(token(Refusal::WrongType))),
        (json!({"at_hash": "x"}), Some(token(Refusal::WrongType))),
        (json!({"events": {}}), Some(token(Refusal::WrongType))),
    ] {
        let mut claims = good.clone();
        change(&mut claims, &changes);
        provider.said().userinfo_token = Some(provider.sign(&header, &claims));
        let found = signed_in(&provider, &oidc).await;
        assert_eq!(found.as_ref().err().copied(), expected, "{changes}");
        if let Ok(found) = found {
            let userinfo = found.identity.userinfo().unwrap();
            let email = userinfo.parse::<Value>().unwrap()["email"].clone();
            assert_eq!(email, "a@info.example");
        }
    }
    let forged = [
        (json!({"alg": "none"}), Refusal::AlgorithmNotAllowed),
        (
            json!({"alg": "HS256", "kid": "k1"}),
            Refusal::AlgorithmNotAllowed,
        ),
        (json!({"alg": "RS256", "kid": "k2"}), Refusal::UnknownKey),
        (
            json!({"alg": "RS256", "kid": "k1", "typ": "at+jwt"}),
            Refusal::WrongType,
        ),
    ];
    for (header, refusal) in forged {
        provider.said().userinfo_token = Some(provider.sign(&header, &good));
        let refused = signed_in(&provider, &oidc).await;
        assert_eq!(refused.err(), Some(token(refusal)), "{header}");
    }
    let tampered = provider.sign(&header, &good);
    let (input, signature) = tampered.rsplit_once('.').unwrap();
    let other =
        json!({"iss": provider.url(), "aud": CLIENT, "sub": "alice", "email": "b@x.example"});
    let head = input.split('.').next().unwrap();
    let tampered = format!("{head}.{}.{signature}", b64(other.to_string()));
    for (body, refusal) in [
        (tampered, Refusal::BadSignature),
        (good.to_string(), Refusal::TokenMalformed),
        (String::new(), Refusal::TokenMalformed),
    ] {
        provider.said().userinfo_token = Some(body);
        let refused = signed_in(&provider, &oidc).await;
        assert_eq!(refused.err(), Some(token(refusal)));
    }

    let strict = builder().require_signed_userinfo().build().unwrap();
    provider.said().userinfo_token = Some(provider.sign(&header, &good));
    assert_eq!(signed_in(&provider, &strict).await.err(), None);
    provider.said().userinfo_token = None;
    assert_eq!(signed_in(&provider, &oidc).await.err(), None);
    let refused = signed_in(&provider, &strict).await;
    assert_eq!(refused.err(), Some(OidcError::BadAnswer), "not signed");
}
