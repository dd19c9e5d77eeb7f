//! Access tokens end with their revocation, also those in the cache.

use palisade_auth::revocation::{Answer, CheckRevocation, RevocationStatus, TokenRef};
use palisade_auth::{AuthLayer, JwtVerifier, Refusal};
use palisade_core::EventKind;

use super::house::House;
use crate::support::{good_token, issuer, through, with_token};

#[tokio::test]
async fn a_token_in_the_cache_is_refused_on_the_next_request_after_its_revocation() {
    let house = House::new();
    let layer = AuthLayer::new().bearer(house.jwt.clone());
    let access = house.tokens.issue(&House::alice()).unwrap();
    for _ in 0..100 {
        assert_eq!(
            through(&layer, with_token(access.as_str())).await.status,
            200
        );
    }
    house
        .revoked
        .revoke_token("bookings", access.id(), access.expires_at());
    for _ in 0..10_000 {
        let answered = through(&layer, with_token(access.as_str())).await;
        assert_eq!(answered.status, 401);
    }
    let answered = through(&layer, with_token(access.as_str())).await;
    assert_eq!(answered.reason(), "token_revoked");
    assert_eq!(answered.events[0].kind(), EventKind::RevokedTokenUse);
}

#[tokio::test]
async fn a_token_in_the_cache_expires_all_the_same() {
    let house = House::new();
    let layer = AuthLayer::new().bearer(house.jwt.clone());
    let access = house.tokens.issue(&House::alice()).unwrap();
    assert_eq!(
        through(&layer, with_token(access.as_str())).await.status,
        200
    );
    house.pass(900 + 29);
    assert_eq!(
        through(&layer, with_token(access.as_str())).await.status,
        200,
        "leeway"
    );
    house.pass(1);
    assert_eq!(
        through(&layer, with_token(access.as_str())).await.reason(),
        "token_expired"
    );
}

/// Answers after a while, as a store over the network does.
struct Remote(RevocationStatus);

impl CheckRevocation for Remote {
    fn check(&self, token: &TokenRef<'_>) -> Answer {
        assert_eq!(
            (token.issuer, token.subject, token.id),
            ("bookings", "alice", Some("t-1"))
        );
        let status = self.0;
        Answer::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            status
        }))
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_a_503_and_never_a_pass() {
    for (revocation, status) in [
        (RevocationStatus::Good, 200),
        (RevocationStatus::Revoked, 401),
        (RevocationStatus::Unknown, 503),
    ] {
        let jwt = JwtVerifier::builder()
            .issuer(issuer())
            .revocation(Remote(revocation))
            .clock(crate::support::clock())
            .build()
            .unwrap();
        let layer = AuthLayer::new().bearer(jwt.clone());
        for _ in 0..2 {
            assert_eq!(
                through(&layer, with_token(&good_token())).await.status,
                status
            );
        }
        assert_eq!(
            jwt.verify(&good_token()).err(),
            Some(Refusal::StoreUnavailable),
            "cannot wait"
        );
        assert_eq!(jwt.authenticate(&good_token()).await.is_ok(), status == 200);
    }
}

#[tokio::test]
async fn an_outage_lets_tokens_pass_only_when_told_to() {
    let with = |status| {
        let builder = JwtVerifier::builder()
            .issuer(issuer())
            .revocation(Remote(status));
        builder
            .insecure_allow_on_outage()
            .clock(crate::support::clock())
            .build()
            .unwrap()
    };
    assert!(
        with(RevocationStatus::Unknown)
            .authenticate(&good_token())
            .await
            .is_ok()
    );
    assert_eq!(
        with(RevocationStatus::Revoked)
            .authenticate(&good_token())
            .await
            .err(),
        Some(Refusal::Revoked)
    );
}
