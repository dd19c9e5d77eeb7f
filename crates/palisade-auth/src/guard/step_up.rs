//! Asks for a stronger or a more recent sign-in (RFC 9470).

use std::time::Duration;

use http::HeaderValue;
use palisade_core::time::WallClock;
use palisade_core::{Handle, Principal};
use serde::Deserialize;

use super::{Config, Guard, Names, Rule, names};
use crate::counters::Counters;
use crate::{Refusal, TokenClaims};

/// Guards by how and when the user signed in: 401 `insufficient_user_authentication` otherwise, with what is wanted
/// (RFC 9470, section 3), so that the client can send the user to sign in again.
///
/// Both are read from the token's claims `acr` and `auth_time` (OpenID Connect Core, section 2). Who is known by something
/// else, such as an API key or a session without [`TokenClaims`], does not pass. Guards that stand inside each other must
/// both let pass.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use palisade_auth::RequireAuthentication;
///
/// // Phishing-resistant (OpenID Connect Extended Authentication Profile), and in the last five minutes.
/// let strong = RequireAuthentication::any_acr(["phr", "phrh"]);
/// let recent = RequireAuthentication::within(Duration::from_secs(5 * 60));
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequireAuthentication;

impl RequireAuthentication {
    /// Asks for one of these values of `acr`. An empty list lets nobody pass.
    #[must_use]
    pub fn any_acr<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> Guard {
        let values = names(values);
        // What could break out of the quotes is not named.
        let plain = |byte: u8| matches!(byte, b'!'..=b'~') && byte != b'"' && byte != b'\\';
        let wanted = match values.iter().all(|value| value.bytes().all(plain)) {
            true => format!(", acr_values=\"{}\"", values.join(" ")),
            false => String::new(),
        };
        Self::guard(Rule::AnyAcr(values), &wanted)
    }

    /// Asks for a sign-in (`auth_time`) no longer ago than this, in whole seconds.
    #[must_use]
    pub fn within(age: Duration) -> Guard {
        Self::within_by(age, WallClock::system())
    }

    /// The same, by a clock of the application's own.
    #[must_use]
    pub fn within_by(age: Duration, clock: WallClock) -> Guard {
        let wanted = format!(", max_age=\"{}\"", age.as_secs());
        Self::guard(Rule::SignedInWithin(age, clock), &wanted)
    }

    fn guard(rule: Rule, wanted: &str) -> Guard {
        let challenge = format!("Bearer error=\"insufficient_user_authentication\"{wanted}");
        Guard(Some(Handle::new(Config {
            rule,
            refusal: Refusal::InsufficientAuthentication,
            challenge: HeaderValue::try_from(challenge).ok(),
            counters: Counters::default(),
        })))
    }
}

/// What a token says of the sign-in. What has another form says nothing.
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

pub(super) fn has_acr(principal: &Principal, values: &Names) -> bool {
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
