//! Keys of our own that change while the process runs.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_auth::{
    Algorithm, HmacKeys, JwtVerifier, RefreshTokens, Refusal, SigningKey, SigningKeys, TokenIssuer,
};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{Principal, RequestScope};
use serde_json::{Value, json};
use support::{Clock, HEADER, NOW, OTHER_SECRET, SECRET, hs256, unb64};

const THIRD_SECRET: &str = "qW8eRt5yUi2oPa9sDf6gHj3kLz0xCv7b";

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

/// An issuer with a shared secret, a verifier and families that were made of it at the start.
struct Shared {
    clock: Clock,
    keys: HmacKeys,
    tokens: TokenIssuer,
    jwt: JwtVerifier,
    families: RefreshTokens,
}

fn shared() -> Shared {
    let clock = Clock::default();
    let keys = HmacKeys::current(SECRET)
        .unwrap()
        .clock(clock.wall())
        .lead(Duration::from_secs(60));
    let tokens = TokenIssuer::hmac("bookings", keys.clone())
        .audience("api")
        .clock(clock.wall())
        .build()
        .unwrap();
    let jwt = JwtVerifier::builder()
        .issuer(tokens.issuer())
        .clock(clock.wall());
    let families = RefreshTokens::memory(keys.clone()).clock(clock.wall());
    Shared {
        tokens,
        jwt: jwt.build().unwrap(),
        families: families.build().unwrap(),
        clock,
        keys,
    }
}

impl Shared {
    fn issue(&self) -> String {
        let alice = Principal::user("bookings", "alice");
        self.tokens.issue(&alice).unwrap().into_string()
    }

    fn accepts(&self, token: &str) -> bool {
        self.jwt.verify(token).is_ok()
    }
}

/// A token under this secret, as another instance makes it that has rotated already.
fn made_elsewhere(secret: &str) -> String {
    let payload = json!({
        "iss": "bookings", "sub": "alice", "aud": "api", "iat": NOW, "exp": NOW + 600,
    });
    hs256(HEADER, &payload.to_string(), secret)
}

#[test]
fn the_next_secret_is_accepted_at_once_and_signs_after_its_lead() {
    let shared = shared();
    let (first, elsewhere) = (shared.issue(), made_elsewhere(OTHER_SECRET));
    assert!(shared.accepts(&first) && !shared.accepts(&elsewhere));
    let from = shared.keys.rotate(OTHER_SECRET).unwrap();
    assert_eq!(from, UnixTime::from_secs(NOW + 60));
    assert!(shared.accepts(&first), "out of the cache or not");
    assert!(shared.accepts(&elsewhere), "another instance was sooner");
    shared.clock.pass(59);
    assert_eq!(kid(&shared.issue()), kid(&first));
    shared.clock.pass(1);
    let next = shared.issue();
    assert_ne!(kid(&next), kid(&first));
    assert!(
        [&first, &next, &elsewhere]
            .iter()
            .all(|token| shared.accepts(token))
    );

    shared.keys.rotate(THIRD_SECRET).unwrap();
    assert!(shared.accepts(&next));
    assert!(
        !shared.accepts(&first),
        "the one before the last is forgotten"
    );
    assert!(shared.accepts(&elsewhere));
}

#[test]
fn refresh_tokens_outlive_a_rotation_and_their_successors_are_under_the_next_secret() {
    let shared = shared();
    let scope = RequestScope::detached();
    let begun = shared
        .families
        .begin(Principal::user("bookings", "alice"))
        .unwrap();
    shared.keys.rotate(OTHER_SECRET).unwrap();
    let second = shared.families.rotate(begun.as_str(), &scope).unwrap();
    shared.clock.pass(60);
    let third = shared.families.rotate(second.as_str(), &scope).unwrap();
    shared.keys.rotate(THIRD_SECRET).unwrap();
    assert!(shared.families.rotate(third.as_str(), &scope).is_ok());
    assert!(shared.families.rotate(begun.as_str(), &scope).is_err());
}

#[test]
fn a_secret_that_has_leaked_is_replaced_with_all_its_tokens() {
    let shared = shared();
    let leaked = shared.issue();
    assert!(shared.accepts(&leaked));
    shared.keys.replace(OTHER_SECRET).unwrap();
    assert!(
        !shared.accepts(&leaked),
        "the cache does not know it either"
    );
    assert!(shared.accepts(&shared.issue()));
    assert!(shared.accepts(&made_elsewhere(OTHER_SECRET)));
}

#[test]
fn a_secret_that_is_weak_or_known_leaves_the_secrets_as_they_are() {
    let shared = shared();
    let token = shared.issue();
    for bad in [
        "",
        "changeme",
        SECRET,
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        assert!(
            shared.keys.rotate(bad).is_err() && shared.keys.replace(bad).is_err(),
            "{bad}"
        );
    }
    assert!(shared.accepts(&token) && kid(&shared.issue()) == kid(&token));
}

#[test]
fn a_secret_that_comes_within_the_lead_of_the_last_one_takes_its_place() {
    let shared = shared();
    let first = shared.issue();
    shared.keys.rotate(OTHER_SECRET).unwrap();
    shared.clock.pass(30);
    shared.keys.rotate(THIRD_SECRET).unwrap();
    assert!(shared.accepts(&first) && shared.accepts(&made_elsewhere(THIRD_SECRET)));
    assert!(!shared.accepts(&made_elsewhere(OTHER_SECRET)));
    shared.clock.pass(59);
    assert_eq!(kid(&shared.issue()), kid(&first), "its own lead counts");
    shared.clock.pass(1);
    assert_ne!(kid(&shared.issue()), kid(&first));
}

#[test]
fn a_setting_that_comes_after_a_clone_holds_for_every_clone() {
    let lead = Duration::from_secs(5);
    let late = Clock::default();
    late.pass(1_000);
    let secrets = HmacKeys::current(SECRET).unwrap();
    let _ = secrets.clone().lead(lead).clock(late.wall());
    let from = secrets.rotate(OTHER_SECRET).unwrap();
    assert_eq!(from, UnixTime::from_secs(NOW + 1_005));

    let keys = SigningKeys::new(SigningKey::generate(Algorithm::EdDSA).unwrap());
    let of_clone = keys.clone().lead(lead).clock(late.wall());
    let _ = of_clone.keep(Duration::from_secs(60));
    let from = keys.rotate(SigningKey::generate(Algorithm::EdDSA).unwrap());
    assert_eq!(from.unwrap(), UnixTime::from_secs(NOW + 1_005));
    late.pass(64);
    assert_eq!(keys.verifying().unwrap().iter().count(), 2);
    late.pass(1);
    assert_eq!(
        keys.verifying().unwrap().iter().count(),
        1,
        "5 and 60 s later"
    );
}
