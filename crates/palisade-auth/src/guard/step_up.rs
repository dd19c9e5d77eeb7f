//! Asks for a stronger or a more recent sign-in (RFC 9470).

use std::time::Duration;

use palisade_core::Handle;
use palisade_core::time::WallClock;

use super::{Config, Guard, GuardError, Rule, names};
use crate::Refusal;
use crate::counters::Counters;

/// Guards by how and when the user signed in: 401 `insufficient_user_authentication` otherwise, with what is wanted
/// (RFC 9470, section 3), so that the client can send the user to sign in again.
///
/// Both are read from the token's claims `acr` and `auth_time` (OpenID Connect Core, section 2). Who is known by something
/// else, such as an API key or a session without [`TokenClaims`](crate::TokenClaims), does not pass. Guards that stand
/// inside each other must both let pass.
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
        let error = format!("error=\"insufficient_user_authentication\"{wanted}");
        Guard(Some(Handle::new(Config {
            rule,
            refusal: Refusal::InsufficientAuthentication,
            error: Some(GuardError::new(error)),
            counters: Counters::default(),
        })))
    }
}
