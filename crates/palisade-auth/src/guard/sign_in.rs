//! The claims about how and when a user signed in (OpenID Connect Core, section 2).

use std::time::Duration;

use palisade_core::Principal;
use palisade_core::time::WallClock;
use serde::Deserialize;

use crate::TokenClaims;

/// The claims about the sign-in. One of another form counts as absent.
#[derive(Deserialize)]
struct SignIn {
    #[serde(default)]
    acr: serde_json::Value,
    #[serde(default)]
    auth_time: serde_json::Value,
}

fn sign_in(principal: &Principal) -> Option<SignIn> {
    principal.claims_as::<TokenClaims>()?.parse().ok()
}

pub(super) fn has_acr(principal: &Principal, values: &[Box<str>]) -> bool {
    sign_in(principal).is_some_and(|sign_in| {
        let acr = sign_in.acr.as_str();
        acr.is_some_and(|acr| values.iter().any(|value| **value == *acr))
    })
}

pub(super) fn signed_in_within(principal: &Principal, age: Duration, clock: &WallClock) -> bool {
    let now = clock.now().as_secs();
    sign_in(principal).is_some_and(|sign_in| {
        let time = sign_in.auth_time.as_f64();
        // A sign-in in the future is none, but for what clocks may differ by.
        time.is_some_and(|time| {
            let ago = now as f64 - time;
            (-60.0..=age.as_secs() as f64).contains(&ago)
        })
    })
}
