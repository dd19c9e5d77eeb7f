//! Marks outlive the tokens that they are about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{HEADER, NOW, SECRET, claims_with, claims_without, clock, hs256, issuer};
use palisade_auth::revocation::{
    Answer, CheckRevocation, MemoryRevocation, RevocationStatus, TokenRef,
};
use palisade_auth::{Issuer, JwtVerifier, Refusal, TokenType};
use palisade_core::time::{UnixTime, WallClock};
use serde_json::json;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn build(issuer: Issuer, store: impl CheckRevocation) -> Result<JwtVerifier, String> {
    let builder = JwtVerifier::builder().issuer(issuer).revocation(store);
    builder.build().map_err(|error| error.to_string())
}

#[test]
fn a_store_that_forgets_before_tokens_end_is_refused() {
    let error = build(issuer().max_lifetime(7 * DAY), MemoryRevocation::new()).unwrap_err();
    assert!(error.contains("issuers[0].max_lifetime"), "{error}");
    assert!(build(issuer().max_lifetime(DAY), MemoryRevocation::new()).is_ok());
    assert!(
        build(
            issuer().max_lifetime(7 * DAY),
            MemoryRevocation::lasting(7 * DAY)
        )
        .is_ok()
    );
    let short = MemoryRevocation::lasting(Duration::from_secs(899));
    assert!(build(issuer(), short).is_err(), "of 15 minutes by default");
}

struct Keeps;

impl CheckRevocation for Keeps {
    fn check(&self, _: &TokenRef<'_>) -> Answer {
        Answer::Now(RevocationStatus::Good)
    }
}

#[test]
fn a_store_that_forgets_nothing_fits_any_life() {
    assert!(build(issuer().max_lifetime(365 * DAY), Keeps).is_ok());
}

#[test]
fn a_token_of_unknown_age_does_not_outlive_its_marks() {
    let foreign = || issuer().token_type(TokenType::Common).max_lifetime(DAY);
    let token = hs256(HEADER, &claims_without("iat"), SECRET);
    let verify = |store: MemoryRevocation| {
        let builder = JwtVerifier::builder().issuer(foreign()).clock(clock());
        let jwt = builder.revocation(store).build().unwrap();
        jwt.verify(&token).err()
    };
    assert_eq!(
        verify(MemoryRevocation::new()),
        Some(Refusal::IssuedAtMissing)
    );
}

#[test]
fn a_token_of_a_fast_clock_is_revoked_to_its_very_end() {
    let seconds = Arc::new(AtomicU64::new(NOW));
    let read = Arc::clone(&seconds);
    let clock = WallClock::from_fn(move || UnixTime::from_secs(read.load(Ordering::Relaxed)));
    let life = Duration::from_secs(900);
    let store = MemoryRevocation::with_clock(life, clock.clone());
    let issuer = issuer().leeway(Issuer::MAX_LEEWAY);
    let builder = JwtVerifier::builder().issuer(issuer).clock(clock);
    let jwt = builder.revocation(store.clone()).build().unwrap();
    let ahead = claims_with(json!({"iat": NOW + 60, "exp": NOW + 960, "sid": "s-1"}));
    let token = hs256(HEADER, &ahead, SECRET);
    assert!(jwt.verify(&token).is_ok());
    store.revoke_session("bookings", "s-1");
    for after in [0, 900, 961, 1_019] {
        seconds.store(NOW + after, Ordering::Relaxed);
        // What makes the store forget what is over.
        for id in 0..64 {
            let id = format!("t-{after}-{id}");
            store.revoke_token("elsewhere", &id, UnixTime::from_secs(NOW + 9_000));
        }
        assert_eq!(jwt.verify(&token).err(), Some(Refusal::Revoked), "{after}");
    }
    seconds.store(NOW + 1_020, Ordering::Relaxed);
    assert_eq!(jwt.verify(&token).err(), Some(Refusal::TokenExpired));
}
