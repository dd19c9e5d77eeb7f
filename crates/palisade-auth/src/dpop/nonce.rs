//! Nonces that a server hands out (RFC 9449, section 9). Pure: handed the time.

use std::time::Duration;

use palisade_core::secret;
use palisade_core::time::UnixTime;
use ring::hmac;

use crate::AuthError;
use crate::jwt::issuer::Issuer;
use crate::jwt::parse::{decode, encode};

/// The time for which a nonce is accepted: clients ask for one anew that often.
const LIFE: Duration = Duration::from_secs(5 * 60);

/// A time, and a tag over it that nobody else can make: nothing has to be kept.
#[derive(Clone)]
pub(super) struct Nonces(hmac::Key);

impl Nonces {
    pub(super) fn new(secret: &[u8]) -> Result<Self, AuthError> {
        secret::check(secret, 32).map_err(|weak| AuthError::one("nonces", weak.to_string()))?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    pub(super) fn make(&self, now: UnixTime) -> String {
        let time = now.as_secs().to_be_bytes();
        encode([&time[..], hmac::sign(&self.0, &message(time)).as_ref()].concat())
    }

    pub(super) fn accepts(&self, nonce: &str, now: UnixTime) -> bool {
        let Ok(bytes) = decode(nonce.as_bytes()) else {
            return false;
        };
        let Some((time, tag)) = bytes.split_first_chunk::<8>() else {
            return false;
        };
        let made = UnixTime::from_secs(u64::from_be_bytes(*time));
        let in_time = now.saturating_since(made) <= LIFE
            && made.saturating_since(now) <= Issuer::DEFAULT_LEEWAY;
        in_time && hmac::verify(&self.0, &message(*time), tag).is_ok()
    }
}

/// Tells nonces from whatever else the secret may be used for.
fn message(time: [u8; 8]) -> Vec<u8> {
    [&b"palisade-auth: DPoP nonce"[..], &time].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonces(secret: &str) -> Nonces {
        Nonces::new(secret.as_bytes()).unwrap()
    }

    #[test]
    fn a_nonce_is_accepted_for_five_minutes_by_who_has_the_secret() {
        let ours = nonces("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu");
        let other = nonces("Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o");
        let at = UnixTime::from_secs;
        let nonce = ours.make(at(1_000));
        assert!(ours.accepts(&nonce, at(1_000)) && ours.accepts(&nonce, at(1_300)));
        assert!(!ours.accepts(&nonce, at(1_301)));
        assert!(
            ours.accepts(&nonce, at(970)),
            "of an instance with a fast clock"
        );
        assert!(!ours.accepts(&nonce, at(969)));
        assert!(!other.accepts(&nonce, at(1_000)));
        for bad in ["", "AAAA", &nonce[1..], &format!("{nonce}A")] {
            assert!(!ours.accepts(bad, at(1_000)), "{bad}");
        }
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused() {
        assert!(Nonces::new(b"changeme").is_err());
    }
}
