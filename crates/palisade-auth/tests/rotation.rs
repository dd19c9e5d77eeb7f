//! Keys of our own that change while the process runs.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_auth::{Algorithm, JwtVerifier, Refusal, SigningKey, SigningKeys, TokenIssuer};
use palisade_core::Principal;
use palisade_core::time::{UnixTime, WallClock};
use serde_json::Value;
use support::{NOW, unb64};

/// An issuer, and a verifier that was made of it at the start.
struct House {
    passed: Arc<AtomicU64>,
    keys: SigningKeys,
    tokens: TokenIssuer,
    jwt: JwtVerifier,
    first: SigningKey,
}

fn house() -> House {
    let passed = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&passed);
    let clock = WallClock::from_fn(move || UnixTime::from_secs(NOW + read.load(Ordering::Relaxed)));
    let first = SigningKey::generate(Algorithm::ES256).unwrap();
    let keys = SigningKeys::new(first.clone())
        .clock(clock.clone())
        .lead(Duration::from_secs(600))
        .keep(Duration::from_secs(960));
    let tokens = TokenIssuer::signed("bookings", keys.clone())
        .audience("api")
        .clock(clock.clone())
        .build()
        .unwrap();
    let jwt = JwtVerifier::builder().issuer(tokens.issuer()).clock(clock);
    let jwt = jwt.build().unwrap();
    House {
        passed,
        keys,
        tokens,
        jwt,
        first,
    }
}

impl House {
    fn at(&self, seconds: u64) {
        self.passed.store(seconds, Ordering::Relaxed);
    }

    fn issue(&self) -> String {
        let alice = Principal::user("bookings", "alice");
        self.tokens.issue(&alice).unwrap().into_string()
    }

    fn published(&self) -> Vec<String> {
        let set: Value = serde_json::from_str(&self.tokens.jwks()).unwrap();
        let keys = set["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn kid(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&unb64(header)).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn id(key: &SigningKey) -> String {
    key.public().key_id().unwrap().to_owned()
}

#[test]
fn the_next_key_is_published_before_it_signs_and_the_last_one_kept_until_its_tokens_have_ended() {
    let house = house();
    let next = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let (old, new) = (id(&house.first), id(&next));
    assert_eq!(house.published(), std::slice::from_ref(&old));

    let from = house.keys.rotate(next).unwrap();
    assert_eq!(from.as_secs(), NOW + 600);
    assert_eq!(house.published(), [old.clone(), new.clone()]);
    house.at(599);
    let last = house.issue();
    assert_eq!(kid(&last), old);

    house.at(600);
    let first = house.issue();
    assert_eq!(kid(&first), new);
    for token in [&last, &first] {
        assert!(house.jwt.verify(token).is_ok(), "whichever signed it");
    }
    house.at(600 + 899);
    assert!(house.jwt.verify(&last).is_ok(), "to its end, with leeway");
    assert_eq!(house.published(), [old, new.clone()]);

    house.at(600 + 960);
    assert_eq!(house.published(), [new]);
}

#[test]
fn a_key_that_has_leaked_is_withdrawn_with_all_its_tokens() {
    let house = house();
    let token = house.issue();
    assert!(house.jwt.verify(&token).is_ok());
    assert!(
        house.keys.withdraw(&id(&house.first)).is_err(),
        "nobody could sign"
    );
    assert!(house.jwt.verify(&token).is_ok());

    let next = SigningKey::generate(Algorithm::ES256).unwrap();
    house.keys.rotate(next.clone()).unwrap();
    assert_eq!(house.keys.withdraw("another"), Ok(false));
    assert_eq!(house.keys.withdraw(&id(&house.first)), Ok(true));
    assert_eq!(
        house.jwt.verify(&token).err(),
        Some(Refusal::UnknownKey),
        "also from the cache"
    );
    let token = house.issue();
    assert_eq!(kid(&token), id(&next), "without its lead");
    assert!(house.jwt.verify(&token).is_ok());
}

#[test]
fn the_last_key_signs_on_where_the_next_one_is_withdrawn() {
    let house = house();
    let next = SigningKey::generate(Algorithm::ES256).unwrap();
    house.keys.rotate(next.clone()).unwrap();
    assert_eq!(house.keys.withdraw(&id(&next)), Ok(true));
    house.at(100_000);
    let token = house.issue();
    assert_eq!(
        (kid(&token), house.published()),
        (id(&house.first), vec![id(&house.first)])
    );
    assert!(house.jwt.verify(&token).is_ok());
}

#[test]
fn rotations_that_follow_each_other_lose_no_token() {
    let house = house();
    let mut tokens = vec![house.issue()];
    for round in 1..=20 {
        let next = SigningKey::generate(Algorithm::EdDSA).unwrap();
        house.keys.rotate(next.clone()).unwrap();
        for second in [1, 299] {
            house.at(round * 300 + second);
            tokens.push(house.issue());
            // Those of the last 15 minutes pass, whichever key signed them.
            for token in tokens.iter().rev().take(5) {
                assert!(house.jwt.verify(token).is_ok(), "round {round}");
            }
        }
        assert!(
            house.published().len() <= 8,
            "{} keys",
            house.published().len()
        );
    }
}

#[test]
fn a_key_of_an_id_that_another_has_is_refused_and_nothing_changes() {
    let house = house();
    let other = SigningKey::generate(Algorithm::ES256).unwrap();
    let clashing = other.public().clone().id("next");
    let keys = house.keys.clone().also(clashing);
    let published = house.published();
    assert_eq!(published.len(), 2, "clones share their keys");
    // The same key again is no other.
    assert!(keys.rotate(house.first.clone()).is_ok());
    assert_eq!(house.published(), published);
}

#[test]
fn threads_that_issue_verify_and_rotate_agree() {
    let house = house();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let token = house.issue();
                    assert!(house.jwt.verify(&token).is_ok());
                }
            });
        }
        scope.spawn(|| {
            for round in 1..=50 {
                house
                    .keys
                    .rotate(SigningKey::generate(Algorithm::EdDSA).unwrap())
                    .unwrap();
                house.at(round);
            }
        });
    });
}
