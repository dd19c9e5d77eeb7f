//! Claims of the userinfo endpoint.

use palisade_auth::oidc::{OidcError, Userinfo};
use serde_json::{Value, json};

use super::provider::Provider;
use super::signed_in;
use crate::support::Clock;

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
