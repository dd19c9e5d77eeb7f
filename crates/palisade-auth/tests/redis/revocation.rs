//! Revocation in Redis, against servers that the tests start for themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_auth::revocation::{MemoryRevocation, RedisRevocation, SubjectRevocation};
use palisade_auth::{AuthLayer, JwtVerifier, Refusal};
use palisade_core::time::UnixTime;
use palisade_core::{Principal, RequestScope};
use serde_json::json;

use super::stores::{alice, families, store};
use crate::support::redis::Server;
use crate::support::{
    HEADER, NOW, SECRET, claims_with, clock, good_token, hs256, issuer, through, with_token,
};

fn verifier(store: &RedisRevocation) -> JwtVerifier {
    let builder = JwtVerifier::builder()
        .issuer(issuer())
        .revocation(store.clone());
    builder.clock(clock()).build().unwrap()
}

fn in_session() -> String {
    hs256(HEADER, &claims_with(json!({"sid": "s-1"})), SECRET)
}

#[tokio::test]
async fn a_token_is_found_in_redis_by_id_by_session_and_by_subject() {
    let server = Server::start().await;
    let token = in_session();
    for kind in ["token", "session", "subject"] {
        let store = store(&server).await.prefix(kind);
        let jwt = verifier(&store);
        assert!(jwt.authenticate(&token).await.is_ok());
        match kind {
            "token" => {
                store
                    .revoke_token("bookings", "t-1", UnixTime::from_secs(NOW + 600))
                    .await
            }
            "session" => store.revoke_session("bookings", "s-1").await,
            _ => store.revoke_subject("bookings", "alice").await,
        }
        .unwrap();
        assert_eq!(
            jwt.authenticate(&token).await.err(),
            Some(Refusal::Revoked),
            "{kind}"
        );
        let elsewhere = verifier(&self::store(&server).await.prefix("another"));
        assert!(elsewhere.authenticate(&token).await.is_ok(), "{kind}");
    }
    let keys: Vec<String> = server.ask(&["KEYS", "*"]).await;
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| !key.contains("alice")), "{keys:?}");
}

#[tokio::test]
async fn another_instance_refuses_on_the_next_request() {
    let server = Server::start().await;
    let (here, there) = (store(&server).await, store(&server).await);
    let layer = AuthLayer::new().bearer(verifier(&there));
    for _ in 0..20 {
        assert_eq!(through(&layer, with_token(&good_token())).await.status, 200);
    }
    here.revoke_token("bookings", "t-1", UnixTime::from_secs(NOW + 600))
        .await
        .unwrap();
    let answered = through(&layer, with_token(&good_token())).await;
    assert_eq!((answered.status, answered.reason()), (401, "token_revoked"));
}

#[tokio::test]
async fn marks_live_as_long_as_tokens_and_are_only_ever_extended() {
    let server = Server::start().await;
    let store = store(&server).await.max_lifetime(Duration::from_secs(900));
    store
        .revoke_token("bookings", "t-1", UnixTime::from_secs(NOW + 600))
        .await
        .unwrap();
    store
        .revoke_token("bookings", "t-1", UnixTime::from_secs(NOW + 60))
        .await
        .unwrap();
    let keys: Vec<String> = server.ask(&["KEYS", "*"]).await;
    let left: u64 = server.ask(&["TTL", &keys[0]]).await;
    // 600 seconds and a minute of leeway.
    assert!((650..=660).contains(&left), "{left}");

    store.revoke_subject("bookings", "alice").await.unwrap();
    let subject = server
        .ask::<Vec<String>>(&["KEYS", "*subject*"])
        .await
        .remove(0);
    let not_before: u64 = server.ask(&["GET", &subject]).await;
    let left: u64 = server.ask(&["TTL", &subject]).await;
    assert_eq!(not_before, NOW);
    // 900 seconds, a minute for a clock that is fast and a minute of leeway.
    assert!((1_010..=1_020).contains(&left), "{left}");
    let _: String = server
        .ask(&["SET", &subject, "1900000000", "EX", "5000"])
        .await;
    store.revoke_subject("bookings", "alice").await.unwrap();
    let kept: u64 = server.ask(&["GET", &subject]).await;
    assert_eq!(kept, 1_900_000_000, "a clock that is behind frees nobody");
}

#[tokio::test]
async fn a_redis_that_was_killed_refuses_with_503_and_is_used_again_once_it_is_back() {
    let mut server = Server::start().await;
    let store = store(&server).await;
    let layer = AuthLayer::new().bearer(verifier(&store));
    assert_eq!(through(&layer, with_token(&good_token())).await.status, 200);

    server.kill();
    for _ in 0..10 {
        let answered = through(&layer, with_token(&good_token())).await;
        assert_eq!(
            (answered.status, answered.reason()),
            (503, "store_unavailable")
        );
        assert_eq!(answered.header("retry-after"), Some("1"));
    }
    let told = store.revoke_subject("bookings", "alice").await;
    assert_eq!(
        told,
        Err(Refusal::StoreUnavailable),
        "whoever revokes learns that it failed"
    );

    server.restart().await;
    for _ in 0..500 {
        if through(&layer, with_token(&good_token())).await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it is not used again");
}

#[tokio::test]
async fn an_outage_passes_tokens_only_when_told_to() {
    let mut server = Server::start().await;
    let store = store(&server).await;
    let lenient = JwtVerifier::builder()
        .issuer(issuer())
        .revocation(store)
        .insecure_allow_on_outage()
        .clock(clock())
        .build()
        .unwrap();
    server.kill();
    assert!(lenient.authenticate(&good_token()).await.is_ok());
}

#[tokio::test]
async fn one_call_ends_everything_of_a_subject_in_every_store() {
    let server = Server::start().await;
    let clock = Arc::new(AtomicU64::new(0));
    let (here, there) = (
        families(&server, &clock).await,
        families(&server, &clock).await,
    );
    let revoked = store(&server).await;
    let accounts = SubjectRevocation::new()
        .store(revoked.clone())
        .store(here.clone());
    let scope = RequestScope::detached();
    let alice_token = there.begin(&alice()).await.unwrap();
    let other_issuer = Principal::user("other", "alice");
    let namesake = there.begin(&other_issuer).await.unwrap();
    let mallory = there
        .begin(&Principal::user("bookings", "mallory"))
        .await
        .unwrap();

    accounts.revoke("bookings", "alice", &scope).await.unwrap();

    let refused = there.rotate(alice_token.as_str(), &scope).await;
    assert_eq!(refused.unwrap_err(), Refusal::RefreshInvalid);
    let again = there.rotate(alice_token.as_str(), &scope).await;
    assert_eq!(
        again.unwrap_err(),
        Refusal::RefreshInvalid,
        "the family is gone"
    );
    assert!(there.rotate(namesake.as_str(), &scope).await.is_ok());
    assert!(there.rotate(mallory.as_str(), &scope).await.is_ok());
    let jwt = JwtVerifier::builder()
        .issuer(issuer())
        .revocation(revoked)
        .clock(crate::support::clock())
        .build()
        .unwrap();
    assert_eq!(
        jwt.authenticate(&good_token()).await.unwrap_err(),
        Refusal::Revoked
    );

    // Whoever signs in afterwards has a family that lives.
    clock.store(1, Ordering::Relaxed);
    let fresh = here.begin(&alice()).await.unwrap();
    assert!(there.rotate(fresh.as_str(), &scope).await.is_ok());
}

#[tokio::test]
async fn a_store_that_is_away_is_said_and_the_others_are_told_all_the_same() {
    let mut server = Server::start().await;
    let clock = Arc::new(AtomicU64::new(0));
    let there = families(&server, &clock).await;
    let here = MemoryRevocation::with_clock(Duration::from_secs(900), crate::support::clock());
    let accounts = SubjectRevocation::new().store(there).store(here.clone());
    server.kill();
    let scope = RequestScope::detached();
    let told = accounts.revoke("bookings", "alice", &scope).await;
    assert_eq!(told, Err(Refusal::StoreUnavailable));
    let jwt = JwtVerifier::builder()
        .issuer(issuer())
        .revocation(here)
        .clock(crate::support::clock())
        .build()
        .unwrap();
    assert_eq!(jwt.verify(&good_token()).unwrap_err(), Refusal::Revoked);
}
