//! Families of refresh tokens in Redis, against servers that the tests start for themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_auth::{Confirmation, HmacKeys, RedisRefreshTokens, Refusal, TokenClaims};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{ClientCertificate, EventKind, RequestScope};

use super::stores::{alice, families, store};
use crate::support::NOW;
use crate::support::redis::Server;

#[tokio::test]
async fn families_in_redis_rotate_forgive_and_revoke_as_those_in_memory_do() {
    let server = Server::start().await;
    let clock = Arc::new(AtomicU64::new(0));
    let revoked = store(&server).await;
    let (here, there) = (
        families(&server, &clock).await.revoking(revoked.clone()),
        families(&server, &clock).await,
    );
    let scope = RequestScope::detached();
    let first = here.begin(&alice()).await.unwrap();
    let session = first.principal().session_id().unwrap().to_owned();
    let second = there.rotate(first.as_str(), &scope).await.unwrap();
    let known = second.principal();
    assert!(known.has_scope("read") && known.has_role("user"));
    assert_eq!(
        (known.tenant_name(), known.session_id()),
        (Some("acme"), Some(&*session))
    );

    clock.store(10, Ordering::Relaxed);
    let again = here.rotate(first.as_str(), &scope).await.unwrap();
    assert_eq!(again.as_str(), second.as_str(), "an answer that got lost");
    assert!(scope.close().is_empty());

    let scope = RequestScope::detached();
    clock.store(11, Ordering::Relaxed);
    let reused = here.rotate(first.as_str(), &scope).await;
    assert_eq!(reused.err(), Some(Refusal::RefreshReused));
    let after = there.rotate(second.as_str(), &scope).await;
    assert_eq!(after.err(), Some(Refusal::RefreshInvalid));
    let kinds: Vec<EventKind> = scope
        .close()
        .iter()
        .map(palisade_core::SecurityEvent::kind)
        .collect();
    assert!(kinds.contains(&EventKind::RefreshReuse), "{kinds:?}");
}

#[tokio::test]
async fn claims_of_the_applications_own_are_kept_in_redis_as_in_memory() {
    let server = Server::start().await;
    let here = families(&server, &Arc::default()).await;
    let scope = RequestScope::detached();
    let own = serde_json::json!({"plan": {"name": "gold", "seats": 3}});
    let first = alice().claims(TokenClaims::of(&own).unwrap());
    let begun = here.begin(&first).await.unwrap();
    let rotated = here.rotate(begun.as_str(), &scope).await.unwrap();
    for token in [&begun, &rotated] {
        let kept = token.principal().claims_as::<TokenClaims>().unwrap();
        assert_eq!(kept.parse::<serde_json::Value>().unwrap(), own);
    }
    let plain = here.begin(&alice()).await.unwrap();
    assert!(!plain.principal().has_claims());
    // What cannot be kept is said when it begins, and not noticed when it is gone.
    let unknown = here.begin(&alice().claims(7_u32)).await;
    assert!(unknown.unwrap_err().to_string().contains("claims"));
}

#[tokio::test]
async fn of_many_uses_at_once_in_redis_one_rotates() {
    let server = Server::start().await;
    let clock = Arc::new(AtomicU64::new(0));
    let families = families(&server, &clock).await;
    let first = families.begin(&alice()).await.unwrap();
    let uses: Vec<_> = (0..200)
        .map(|_| {
            let (families, token) = (families.clone(), first.as_str().to_owned());
            tokio::spawn(async move {
                let scope = RequestScope::detached();
                families
                    .rotate(&token, &scope)
                    .await
                    .unwrap()
                    .as_str()
                    .to_owned()
            })
        })
        .collect();
    let mut successors = std::collections::HashSet::new();
    for used in uses {
        successors.insert(used.await.unwrap());
    }
    assert_eq!(successors.len(), 1);
}

#[tokio::test]
async fn a_family_in_redis_ends_by_idling_for_good_and_by_sign_out() {
    const DAY: u64 = 24 * 60 * 60;
    let server = Server::start().await;
    let clock = Arc::new(AtomicU64::new(0));
    let families = families(&server, &clock).await;
    let scope = RequestScope::detached();
    let idle = families.begin(&alice()).await.unwrap();
    clock.store(7 * DAY, Ordering::Relaxed);
    assert!(families.rotate(idle.as_str(), &scope).await.is_err());

    let mut used = families.begin(&alice()).await.unwrap();
    for day in (12..=32).step_by(5) {
        clock.store(day * DAY, Ordering::Relaxed);
        used = families.rotate(used.as_str(), &scope).await.unwrap();
    }
    clock.store(37 * DAY, Ordering::Relaxed);
    assert!(
        families.rotate(used.as_str(), &scope).await.is_err(),
        "30 days"
    );

    let out = families.begin(&alice()).await.unwrap();
    assert_eq!(families.revoke(out.as_str(), &scope).await, Ok(true));
    assert_eq!(families.revoke(out.as_str(), &scope).await, Ok(false));
    let out = families.begin(&alice()).await.unwrap();
    let session = out.principal().session_id().unwrap();
    assert_eq!(families.revoke_session(session, &scope).await, Ok(true));
    assert!(families.rotate(out.as_str(), &scope).await.is_err());
}

#[tokio::test]
async fn who_can_write_to_redis_cannot_give_himself_a_role() {
    let server = Server::start().await;
    let clock = Arc::new(AtomicU64::new(0));
    let families = families(&server, &clock).await;
    let scope = RequestScope::detached();
    let token = families.begin(&alice()).await.unwrap();
    let key = server.ask::<Vec<String>>(&["KEYS", "*"]).await.remove(0);
    let kept: String = server.ask(&["HGET", &key, "principal"]).await;
    let forged = kept.replace(r#"["user"]"#, r#"["admin"]"#);
    assert_ne!(forged, kept);
    let _: i64 = server.ask(&["HSET", &key, "principal", &forged]).await;
    let used = families.rotate(token.as_str(), &scope).await;
    assert_eq!(used.err(), Some(Refusal::RefreshInvalid));

    let everything: Vec<String> = server.ask(&["HGETALL", &key]).await;
    let secret = &token.as_str()[30..60];
    assert!(
        everything.iter().all(|kept| !kept.contains(secret)),
        "{everything:?}"
    );
}

#[tokio::test]
async fn a_refresh_while_redis_is_away_is_no_verdict_on_the_token() {
    let mut server = Server::start().await;
    let clock = Arc::new(AtomicU64::new(0));
    let families = families(&server, &clock).await;
    let token = families.begin(&alice()).await.unwrap();
    server.kill();
    let scope = RequestScope::detached();
    let refused = families.rotate(token.as_str(), &scope).await;
    assert_eq!(refused.err(), Some(Refusal::StoreUnavailable));
    assert_eq!(
        families.revoke(token.as_str(), &scope).await,
        Err(Refusal::StoreUnavailable)
    );
    assert!(families.begin(&alice()).await.is_err());
}

#[tokio::test]
async fn a_retry_at_another_instance_gets_the_same_successor_while_secrets_change() {
    const K1: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
    const K2: &str = "Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o";
    let server = Server::start().await;
    let clock = Arc::new(AtomicU64::new(0));
    let with = async |keys: HmacKeys| {
        let read = Arc::clone(&clock);
        RedisRefreshTokens::new(keys, server.connection().await)
            .timeout(Duration::from_secs(5))
            .clock(WallClock::from_fn(move || {
                UnixTime::from_secs(NOW + read.load(Ordering::Relaxed))
            }))
    };
    let a = with(HmacKeys::current(K1).unwrap().previous(K2).unwrap()).await;
    let b = with(HmacKeys::current(K2).unwrap().previous(K1).unwrap()).await;
    let scope = RequestScope::detached();
    let mut token = a.begin(&alice()).await.unwrap();
    for round in 0..6 {
        let (first, second) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let answered = first.rotate(token.as_str(), &scope).await.unwrap();
        let again = second.rotate(token.as_str(), &scope).await.unwrap();
        // A copy of the token with the MAC of the other key may be what is retried.
        token = if round % 3 == 0 { answered } else { again };
        clock.fetch_add(60, Ordering::Relaxed);
    }
    // Two texts of one token: the one is used, the other retried.
    let one = a.rotate(token.as_str(), &scope).await.unwrap();
    let other = b.rotate(token.as_str(), &scope).await.unwrap();
    assert_ne!(one.as_str(), other.as_str(), "each with its own MAC");
    let used = a.rotate(one.as_str(), &scope).await.unwrap();
    let retried = b.rotate(other.as_str(), &scope).await.unwrap();
    assert!(b.rotate(retried.as_str(), &scope).await.is_ok());
    assert!(
        a.rotate(used.as_str(), &scope).await.is_ok(),
        "within grace"
    );
    assert!(scope.close().is_empty(), "nobody was taken for a thief");
}

/// A key that a client has; which kind it is of makes no difference here.
fn key(number: u8) -> Confirmation {
    Confirmation::certificate(&ClientCertificate::from_der(&[number]))
}

#[tokio::test]
async fn a_bound_family_in_redis_is_of_use_with_its_key_alone() {
    let server = Server::start().await;
    let clock = Arc::new(AtomicU64::new(0));
    let (here, there) = (
        families(&server, &clock).await,
        families(&server, &clock).await,
    );
    let scope = RequestScope::detached();
    let first = here.begin_bound(&alice(), &key(1)).await.unwrap();
    let constrained = Some(Refusal::SenderConstrained);
    let without = there.rotate(first.as_str(), &scope).await;
    assert_eq!(without.err(), constrained);
    let with_another = there.rotate_bound(first.as_str(), &key(2), &scope).await;
    assert_eq!(with_another.err(), constrained);
    let events = scope.close();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].reason_code(), Some("sender_constrained"));
    assert_eq!(events[0].about(), Some("alice"));

    let scope = RequestScope::detached();
    let second = there.rotate_bound(first.as_str(), &key(1), &scope).await;
    let second = second.unwrap();
    clock.store(11, Ordering::Relaxed);
    let stolen = here.rotate(first.as_str(), &scope).await;
    assert_eq!(stolen.err(), constrained, "used, but not by its owner");
    let third = here.rotate_bound(second.as_str(), &key(1), &scope).await;
    let third = third.unwrap();
    let reused = here.rotate_bound(first.as_str(), &key(1), &scope).await;
    assert_eq!(reused.err(), Some(Refusal::RefreshReused));
    let ended = here.rotate_bound(third.as_str(), &key(1), &scope).await;
    assert_eq!(ended.err(), Some(Refusal::RefreshInvalid));

    let unbound = here.begin(&alice()).await.unwrap();
    let taken = there.rotate_bound(unbound.as_str(), &key(1), &scope).await;
    assert!(there.rotate(taken.unwrap().as_str(), &scope).await.is_ok());
}

#[tokio::test]
async fn who_can_write_to_redis_cannot_free_a_family_of_its_key() {
    let server = Server::start().await;
    let clock = Arc::new(AtomicU64::new(0));
    let families = families(&server, &clock).await;
    let scope = RequestScope::detached();
    for bound in ["", "made up"] {
        let token = families.begin_bound(&alice(), &key(1)).await.unwrap();
        let keys: Vec<String> = server.ask(&["KEYS", "*refresh*"]).await;
        let _: u64 = server.ask(&["HSET", &keys[0], "bound", bound]).await;
        let freed = families.rotate(token.as_str(), &scope).await;
        assert_eq!(freed.err(), Some(Refusal::SenderConstrained), "{bound:?}");
        assert!(families.revoke(token.as_str(), &scope).await.unwrap());
    }
}
