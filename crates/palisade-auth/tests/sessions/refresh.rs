//! Families of refresh tokens, as a service uses them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_auth::{HmacKeys, RefreshTokens, Refusal};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{EventKind, Principal, RequestScope, Severity};

use super::house::House;
use crate::support::{NOW, OTHER_SECRET, SECRET};

#[test]
fn each_use_gives_the_next_token_for_the_same_principal() {
    let house = House::new();
    let mut token = house.refresh.begin(House::alice()).unwrap();
    let session = token.principal().session_id().unwrap().to_owned();
    for _ in 0..5 {
        house.pass(60);
        token = house.refresh.rotate(token.as_str(), &house.scope).unwrap();
        assert!(token.principal().has_scope("read"));
        assert_eq!(token.principal().session_id(), Some(&*session));
    }
    assert!(house.scope.close().is_empty());
}

#[test]
fn reuse_revokes_the_family_and_its_access_tokens() {
    let house = House::new();
    let first = house.refresh.begin(House::alice()).unwrap();
    let second = house.refresh.rotate(first.as_str(), &house.scope).unwrap();
    let access = house.tokens.issue(second.principal()).unwrap();
    assert!(house.jwt.verify(access.as_str()).is_ok());

    house.pass(11);
    assert_eq!(
        house.refresh.rotate(first.as_str(), &house.scope).err(),
        Some(Refusal::RefreshReused)
    );
    assert_eq!(
        house.refresh.rotate(second.as_str(), &house.scope).err(),
        Some(Refusal::RefreshInvalid)
    );
    assert_eq!(
        house.jwt.verify(access.as_str()).err(),
        Some(Refusal::Revoked)
    );

    let events = house.scope.close();
    let reuse = events
        .iter()
        .find(|event| event.kind() == EventKind::RefreshReuse)
        .unwrap();
    assert_eq!(
        (reuse.about(), reuse.reason_code()),
        (Some("alice"), Some("refresh_reuse"))
    );
    assert_eq!(reuse.how_severe(), Severity::Critical);
}

#[test]
fn an_answer_that_got_lost_is_given_again() {
    let house = House::new();
    let first = house.refresh.begin(House::alice()).unwrap();
    let second = house.refresh.rotate(first.as_str(), &house.scope).unwrap();
    house.pass(10);
    let again = house.refresh.rotate(first.as_str(), &house.scope).unwrap();
    assert_eq!(again.as_str(), second.as_str());
    assert!(house.refresh.rotate(second.as_str(), &house.scope).is_ok());
}

#[test]
fn a_thousand_refreshes_at_once_make_one_successor() {
    let house = House::new();
    let first = house.refresh.begin(House::alice()).unwrap();
    let successors: HashSet<String> = std::thread::scope(|threads| {
        let run = || -> Vec<String> {
            let rotate = |_| house.refresh.rotate(first.as_str(), &house.scope).unwrap();
            (0..125).map(|n| rotate(n).as_str().to_owned()).collect()
        };
        let running: Vec<_> = (0..8).map(|_| threads.spawn(run)).collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(successors.len(), 1);
}

#[test]
fn forged_tokens_are_refused_and_revoke_nobody() {
    let house = House::new();
    let elsewhere = RefreshTokens::memory(HmacKeys::current(OTHER_SECRET).unwrap())
        .build()
        .unwrap();
    let forged = elsewhere.begin(House::alice()).unwrap();
    let unknown = House::new().refresh.begin(House::alice()).unwrap();
    let own = house.refresh.begin(House::alice()).unwrap();
    for token in [
        forged.as_str(),
        unknown.as_str(),
        "",
        "rt_",
        "rt_AAAA",
        own.principal().session_id().unwrap(),
    ] {
        assert_eq!(
            house.refresh.rotate(token, &house.scope).err(),
            Some(Refusal::RefreshInvalid)
        );
    }
    assert!(house.refresh.rotate(own.as_str(), &house.scope).is_ok());
}

#[test]
fn a_family_ends_by_idling_and_for_good() {
    let house = House::new();
    const DAY: u64 = 24 * 60 * 60;
    let idle = house.refresh.begin(House::alice()).unwrap();
    house.pass(7 * DAY);
    assert_eq!(
        house.refresh.rotate(idle.as_str(), &house.scope).err(),
        Some(Refusal::RefreshInvalid)
    );
    let mut used = house.refresh.begin(House::alice()).unwrap();
    for _ in 0..5 {
        house.pass(5 * DAY);
        used = house.refresh.rotate(used.as_str(), &house.scope).unwrap();
    }
    house.pass(5 * DAY);
    assert!(
        house.refresh.rotate(used.as_str(), &house.scope).is_err(),
        "30 days"
    );
}

#[test]
fn sign_out_ends_the_family_and_its_access_tokens() {
    let house = House::new();
    let refresh = house.refresh.begin(House::alice()).unwrap();
    let access = house.tokens.issue(refresh.principal()).unwrap();
    assert!(house.jwt.verify(access.as_str()).is_ok());
    assert!(house.refresh.revoke(refresh.as_str(), &house.scope));
    assert!(!house.refresh.revoke(refresh.as_str(), &house.scope));
    assert_eq!(
        house.jwt.verify(access.as_str()).err(),
        Some(Refusal::Revoked)
    );

    let by_session = house.refresh.begin(House::alice()).unwrap();
    let session = by_session.principal().session_id().unwrap();
    assert!(house.refresh.revoke_session(session, &house.scope));
    assert!(!house.refresh.revoke_session("nonsense", &house.scope));

    let bob = house
        .refresh
        .begin(Principal::user("bookings", "bob"))
        .unwrap();
    for _ in 0..3 {
        house.refresh.begin(House::alice()).unwrap();
    }
    assert_eq!(
        house
            .refresh
            .revoke_subject("bookings", "alice", &house.scope),
        3
    );
    assert!(house.refresh.rotate(bob.as_str(), &house.scope).is_ok());
}

#[test]
fn families_are_bounded() {
    let keys = HmacKeys::current(SECRET).unwrap();
    let refresh = RefreshTokens::memory(keys)
        .max_families(16)
        .build()
        .unwrap();
    let begun = (0..200)
        .filter(|_| refresh.begin(House::alice()).is_ok())
        .count();
    assert!(begun <= 16, "{begun}");
}

#[test]
fn families_are_bounded_together_and_those_that_are_over_make_room() {
    let seconds = Arc::new(AtomicU64::new(NOW));
    let read = Arc::clone(&seconds);
    let clock = WallClock::from_fn(move || UnixTime::from_secs(read.load(Ordering::Relaxed)));
    let refresh = RefreshTokens::memory(HmacKeys::current(SECRET).unwrap())
        .idle(Duration::from_secs(100))
        .max_families(40)
        .clock(clock)
        .build()
        .unwrap();
    let scope = RequestScope::detached();
    let begun: Vec<_> = (0..40)
        .map(|_| refresh.begin(House::alice()).unwrap())
        .collect();
    assert!(refresh.begin(House::alice()).is_err(), "the 41st");
    assert!(refresh.revoke(begun[0].as_str(), &scope));
    assert!(refresh.begin(House::alice()).is_ok(), "in its place");
    assert!(refresh.begin(House::alice()).is_err());
    seconds.fetch_add(100, Ordering::Relaxed);
    for _ in 0..40 {
        assert!(refresh.begin(House::alice()).is_ok(), "no hour later");
    }
    assert!(refresh.begin(House::alice()).is_err());
    let ended = refresh.revoke_subject("bookings", "alice", &scope);
    assert_eq!(ended, 40);
    assert!(refresh.begin(House::alice()).is_ok());
}
