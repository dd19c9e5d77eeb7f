//! The shared secrets of an issuer, which change while it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use palisade_core::time::{UnixTime, WallClock};
use ring::hmac;

use super::key_set::KeySet;
use super::keys::{VerifyingKey, hmac_key};
use super::parse::encode;
use super::rotation::Rotation;
use super::signing_keys::header;
use crate::AuthError;

/// The shared secret of an issuer, and the one before it while tokens made with that are still alive.
///
/// Each has an id derived from it, which our own tokens name; tokens without one are tried against both.
///
/// # Example
///
/// ```
/// use palisade_auth::HmacKeys;
///
/// let keys = HmacKeys::current("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu")?
///     .previous("Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o")?;
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
///
/// A placeholder is an error of the first line, in any case and with any separators:
///
/// ```
/// # use palisade_auth::HmacKeys;
/// assert!(HmacKeys::current("Your_Secret_Key-Change-In-Production").is_err());
/// ```
///
/// # Rotation
///
/// [`rotate`](Self::rotate) brings in the next secret while the process runs. Clones share their secrets, and so does
/// everything that was made of them, so keep one:
///
/// ```
/// use palisade_auth::{HmacKeys, JwtVerifier, TokenIssuer};
/// use palisade_core::Principal;
///
/// let keys = HmacKeys::current("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu")?;
/// let tokens = TokenIssuer::hmac("bookings", keys.clone())
///     .audience("api://bookings")
///     .build()?;
/// let jwt = JwtVerifier::builder().issuer(tokens.issuer()).build()?;
/// let issued = tokens.issue(&Principal::user("bookings", "alice"))?;
/// // When the next secret has come from a store of secrets.
/// keys.rotate("Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o")?;
/// assert!(jwt.verify(issued.as_str()).is_ok());
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct HmacKeys(Arc<Rotation<State>>);

struct State {
    secrets: Arc<Secrets>,
    /// The time from which on the other secret signs instead of the one that does.
    turns_at: Option<UnixTime>,
}

/// The secrets at one time. What is done with several of them takes them once.
pub(crate) struct Secrets {
    algorithm: Algorithm,
    signing: (Box<str>, hmac::Key),
    /// The one before, or the next one.
    other: Option<(Box<str>, hmac::Key)>,
    /// The header of every token that is signed, encoded once.
    pub(crate) header: Box<str>,
    pub(crate) verifying: KeySet,
}

impl HmacKeys {
    /// The secret for `HS256`: at least 32 bytes from a random generator.
    ///
    /// # Errors
    ///
    /// Refuses a secret that is too short, a well-known placeholder, or too regular to be random.
    pub fn current(secret: impl AsRef<[u8]>) -> Result<Self, AuthError> {
        Self::current_for(Algorithm::HS256, secret)
    }

    /// The secret for `HS256`, `HS384` or `HS512`: at least 32, 48 or 64 bytes.
    ///
    /// # Errors
    ///
    /// As for [`current`](Self::current), and refuses other algorithms.
    pub fn current_for(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, AuthError> {
        let signing = named(algorithm, secret.as_ref())?;
        Ok(Self(Rotation::new(State {
            secrets: Arc::new(Secrets::new(algorithm, signing, None)),
            turns_at: None,
        })))
    }

    /// The secret used until now, whose tokens are accepted but no longer made. Drop it once they have expired.
    ///
    /// # Errors
    ///
    /// As for [`current`](Self::current); one that equals the current secret is refused as well.
    pub fn previous(self, secret: impl AsRef<[u8]>) -> Result<Self, AuthError> {
        let secrets = self.secrets();
        let previous = named(secrets.algorithm, secret.as_ref())?;
        if previous.0 == secrets.signing.0 {
            return Err(AuthError::one("previous", "is the current secret"));
        }
        self.put(
            &mut self.0.write().keys,
            secrets.signing.clone(),
            Some(previous),
            None,
        );
        Ok(self)
    }

    /// Sets how long a secret is accepted before it signs; default 10 minutes. No less than the time after which every other
    /// instance has it too, or they refuse what this one signs. Holds for all clones, from the next rotation on.
    #[must_use]
    pub fn lead(self, lead: Duration) -> Self {
        self.0.set_lead(lead);
        self
    }

    /// Sets the clock of all clones; default the system's.
    #[must_use]
    pub fn clock(self, clock: WallClock) -> Self {
        self.0.set_clock(clock);
        self
    }

    /// Accepts the next secret now, and signs with it after the [lead](Self::lead); the one that signs until then is accepted
    /// for as long as no other follows. Says when the next one begins to sign. Every clone, and every
    /// [`TokenIssuer`](crate::TokenIssuer), verifier and store that was made of one, goes along.
    ///
    /// Two secrets are kept: the one before the current one is forgotten, with the tokens that it has signed. So rotate no
    /// more often than refresh tokens and sessions live. A secret that comes within the lead of the last one takes its
    /// place.
    ///
    /// # Errors
    ///
    /// As for [`current`](Self::current), and refuses the secret that signs. The secrets then stay as they are.
    pub fn rotate(&self, next: impl AsRef<[u8]>) -> Result<UnixTime, AuthError> {
        let secrets = self.secrets();
        let next = named(secrets.algorithm, next.as_ref())?;
        let mut held = self.0.write();
        let from = held.next_from();
        let signing = held.keys.secrets.signing.clone();
        if next.0 == signing.0 {
            return Err(AuthError::one("next", "is the current secret"));
        }
        match held.lead.is_zero() {
            true => self.put(&mut held.keys, next, Some(signing), None),
            false => self.put(&mut held.keys, signing, Some(next), Some(from)),
        }
        Ok(from)
    }

    /// Signs with the next secret at once and accepts no other, for one that has leaked: all tokens that were made with it
    /// fall.
    ///
    /// # Errors
    ///
    /// As for [`rotate`](Self::rotate).
    pub fn replace(&self, next: impl AsRef<[u8]>) -> Result<(), AuthError> {
        let secrets = self.secrets();
        let next = named(secrets.algorithm, next.as_ref())?;
        let mut held = self.0.write();
        if next.0 == held.keys.secrets.signing.0 {
            return Err(AuthError::one("next", "is the current secret"));
        }
        self.put(&mut held.keys, next, None, None);
        Ok(())
    }

    /// The secrets as of now.
    pub(crate) fn secrets(&self) -> Arc<Secrets> {
        let held = self.0.read();
        match held.keys.turns_at {
            Some(at) if at <= held.now() => {}
            _ => return Arc::clone(&held.keys.secrets),
        }
        drop(held);
        self.turn()
    }

    #[cold]
    fn turn(&self) -> Arc<Secrets> {
        let mut held = self.0.write();
        let now = held.now();
        let state = &mut held.keys;
        if state.turns_at.is_some_and(|at| at <= now) {
            let (signing, other) = (state.secrets.signing.clone(), state.secrets.other.clone());
            match other {
                Some(next) => self.put(state, next, Some(signing), None),
                None => state.turns_at = None,
            }
        }
        Arc::clone(&state.secrets)
    }

    fn put(
        &self,
        state: &mut State,
        signing: (Box<str>, hmac::Key),
        other: Option<(Box<str>, hmac::Key)>,
        turns_at: Option<UnixTime>,
    ) {
        let algorithm = state.secrets.algorithm;
        state.secrets = Arc::new(Secrets::new(algorithm, signing, other));
        state.turns_at = turns_at;
        self.0.changed();
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.secrets().algorithm
    }

    /// Changes whenever the secrets do.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation()
    }
}

impl Secrets {
    fn new(
        algorithm: Algorithm,
        signing: (Box<str>, hmac::Key),
        other: Option<(Box<str>, hmac::Key)>,
    ) -> Self {
        let keys = std::iter::once(&signing).chain(&other);
        let keys = keys.map(|(id, key)| VerifyingKey::of_hmac(id, algorithm, key.clone()));
        Self {
            algorithm,
            header: header(algorithm, Some(&signing.0)),
            verifying: KeySet::of_secrets(keys.collect()),
            signing,
            other,
        }
    }

    pub(crate) const fn signing(&self) -> &hmac::Key {
        &self.signing.1
    }

    /// The key that signs, then the other one.
    pub(crate) fn all(&self) -> impl Iterator<Item = &hmac::Key> {
        std::iter::once(&self.signing)
            .chain(&self.other)
            .map(|(_, key)| key)
    }
}

/// An id that tells keys apart and no more of them than any token of theirs does.
fn named(algorithm: Algorithm, secret: &[u8]) -> Result<(Box<str>, hmac::Key), AuthError> {
    let key = hmac_key(algorithm, secret)?;
    let tag = hmac::sign(&key, b"palisade-auth: id of an HMAC key");
    let id = encode(&tag.as_ref()[..9]);
    Ok((id.into(), key))
}

impl fmt::Debug for HmacKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets = self.secrets();
        f.debug_struct("HmacKeys")
            .field("algorithm", &secrets.algorithm)
            .field("current", &secrets.signing.0)
            .field("other", &secrets.other.as_ref().map(|(id, _)| id))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEukD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aE!";

    #[test]
    fn debug_says_nothing_of_a_secret() {
        let keys = HmacKeys::current(SECRET).unwrap();
        let debug = format!("{keys:?} {:?}", keys.secrets().verifying);
        assert!(!debug.contains("kD2v"), "{debug}");
    }

    #[test]
    fn the_previous_secret_must_be_another() {
        assert!(HmacKeys::current(SECRET).unwrap().previous(SECRET).is_err());
    }
}
