//! The private keys of an issuer, which change while it runs. The plan is pure: handed the time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use palisade_core::time::{UnixTime, WallClock};

use super::key_set::KeySet;
use super::keys::VerifyingKey;
use super::parse::encode;
use super::rotation::{self, Held, Rotation};
use super::signing::SigningKey;
use crate::AuthError;

/// The key that signs, and those whose tokens are still alive or that will sign next: all of them are published.
///
/// # Example
///
/// ```
/// use palisade_auth::{Algorithm, JwtVerifier, SigningKey, SigningKeys, TokenIssuer};
/// use palisade_core::Principal;
///
/// let keys = SigningKeys::new(SigningKey::generate(Algorithm::EdDSA)?);
/// let tokens = TokenIssuer::signed("https://bookings.example/", keys)
///     .audience("api://bookings")
///     .build()?;
/// assert!(tokens.jwks().contains(r#""crv":"Ed25519""#));
///
/// let jwt = JwtVerifier::builder().issuer(tokens.issuer()).build()?;
/// let issued = tokens.issue(&Principal::user("", "alice"))?;
/// assert!(jwt.verify(issued.as_str()).is_ok());
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
///
/// # Rotation
///
/// [`rotate`](Self::rotate) brings in the next key while the process runs. Clones share their keys, so keep one:
///
/// ```
/// use palisade_auth::{Algorithm, SigningKey, SigningKeys, TokenIssuer};
///
/// let keys = SigningKeys::new(SigningKey::generate(Algorithm::EdDSA)?);
/// let tokens = TokenIssuer::signed("https://bookings.example/", keys.clone())
///     .audience("api://bookings")
///     .build()?;
/// // When a new key was made, or has come from a store of secrets.
/// keys.rotate(SigningKey::generate(Algorithm::EdDSA)?)?;
/// assert_eq!(tokens.jwks().matches("\"kid\"").count(), 2);
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct SigningKeys(Arc<Rotation<State>>);

struct State {
    keep: Duration,
    entries: Vec<Entry>,
    view: Arc<View>,
}

#[derive(Clone)]
struct Entry {
    public: VerifyingKey,
    /// The private half, and from when on it signs.
    signs: Option<(SigningKey, UnixTime)>,
    /// The time at which it is forgotten.
    until: Option<UnixTime>,
}

/// The keys at one time.
pub(crate) struct View {
    pub(crate) current: SigningKey,
    /// The header of every token that it signs, encoded once.
    pub(crate) header: Box<str>,
    pub(crate) published: KeySet,
    /// The reason for which the keys cannot be used together.
    problem: Option<AuthError>,
    changes_at: Option<UnixTime>,
}

impl SigningKeys {
    /// 10 minutes from when a key is published to when it signs: serve the set with a `max-age` of no more than that.
    pub const DEFAULT_LEAD: Duration = rotation::DEFAULT_LEAD;
    /// 24 hours and a minute, for which a key is kept after it has signed last: the longest life of a token, and what
    /// clocks may differ by.
    pub const DEFAULT_KEEP: Duration = Duration::from_secs(24 * 60 * 60 + 60);

    /// Signs with this key.
    #[must_use]
    pub fn new(current: SigningKey) -> Self {
        let entry = Entry {
            public: current.public().clone(),
            signs: Some((current.clone(), UnixTime::from_secs(0))),
            until: None,
        };
        let entries = vec![entry];
        let view = View::at(&entries, current, UnixTime::from_secs(0));
        Self(Rotation::new(State {
            keep: Self::DEFAULT_KEEP,
            entries,
            view: Arc::new(view),
        }))
    }

    /// Publishes and accepts one more key for as long as the process runs: the one before, until its tokens have expired,
    /// or the next one, some time before it signs, so that everybody has fetched it by then.
    #[must_use]
    pub fn also(self, key: VerifyingKey) -> Self {
        let entry = Entry {
            public: key,
            signs: None,
            until: None,
        };
        let mut held = self.0.write();
        held.keys.entries.push(entry);
        self.look(&mut held);
        drop(held);
        self
    }

    /// Sets how long a key is published before it signs; default 10 minutes. Holds for all clones, from the next rotation on.
    #[must_use]
    pub fn lead(self, lead: Duration) -> Self {
        self.0.set_lead(lead);
        self
    }

    /// Sets how long a key is kept after it has signed last; default a minute over 24 hours. No less than the tokens live,
    /// or those of the last key fall before their time. Holds for all clones, from the next rotation on.
    #[must_use]
    pub fn keep(self, keep: Duration) -> Self {
        self.0.write().keys.keep = keep;
        self
    }

    /// Sets the clock of all clones; default the system's.
    #[must_use]
    pub fn clock(self, clock: WallClock) -> Self {
        self.0.set_clock(clock);
        self
    }

    /// Publishes the next key now, signs with it after the [lead](Self::lead), and forgets those that signed before once
    /// their tokens have ended. Says when it begins to sign. Every clone, and every
    /// [`TokenIssuer`](crate::TokenIssuer) and verifier that was made of one, goes along.
    ///
    /// # Errors
    ///
    /// Refuses a key with the id of another one. The keys then stay as they are.
    pub fn rotate(&self, next: SigningKey) -> Result<UnixTime, AuthError> {
        let mut held = self.0.write();
        let from = held.next_from();
        let until = from.saturating_add(held.keys.keep);
        let mut entries = held.keys.entries.clone();
        for entry in entries.iter_mut().filter(|entry| entry.signs.is_some()) {
            entry.until.get_or_insert(until);
        }
        entries.push(Entry {
            public: next.public().clone(),
            signs: Some((next, from)),
            until: None,
        });
        published(&entries)?;
        held.keys.entries = entries;
        self.look(&mut held);
        Ok(from)
    }

    /// Takes a key away at once, such as one that has leaked, and all tokens that it signed. If it is the one that signs,
    /// the next one takes over without its lead. `false` if there is no such key.
    ///
    /// # Errors
    ///
    /// Refuses to take the only key that could sign: [`rotate`](Self::rotate) first.
    pub fn withdraw(&self, kid: &str) -> Result<bool, AuthError> {
        let mut held = self.0.write();
        let now = held.now();
        let mut entries = held.keys.entries.clone();
        entries.retain(|entry| entry.public.key_id() != Some(kid));
        if entries.len() == held.keys.entries.len() {
            return Ok(false);
        }
        // They stand in the order in which they begin.
        let mut signing = entries.iter_mut().filter(|entry| entry.signs.is_some());
        let Some(first) = signing.next() else {
            return Err(AuthError::one("kid", "is that of the only key that signs"));
        };
        if let Some((_, from)) = &mut first.signs {
            *from = now.min(*from);
        }
        // Nobody follows the last one any more.
        signing.next_back().unwrap_or(first).until = None;
        held.keys.entries = entries;
        self.look(&mut held);
        Ok(true)
    }

    /// Every key, for verifying, as of now.
    ///
    /// # Errors
    ///
    /// Refuses two keys of one id, and a shared secret among them.
    pub fn verifying(&self) -> Result<KeySet, AuthError> {
        let view = self.view();
        match &view.problem {
            Some(problem) => Err(problem.clone()),
            None => Ok(view.published.clone()),
        }
    }

    /// The keys as of now.
    pub(crate) fn view(&self) -> Arc<View> {
        let held = self.0.read();
        match held.keys.view.changes_at {
            Some(at) if at <= held.now() => {}
            _ => return Arc::clone(&held.keys.view),
        }
        drop(held);
        self.look(&mut self.0.write())
    }

    /// Changes whenever the keys do.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation()
    }

    /// Looks at the clock, and forgets what is over.
    fn look(&self, held: &mut Held<State>) -> Arc<View> {
        let now = held.now();
        let state = &mut held.keys;
        state
            .entries
            .retain(|entry| entry.until.is_none_or(|until| now < until));
        let last = state.view.current.clone();
        state.view = Arc::new(View::at(&state.entries, last, now));
        self.0.changed();
        Arc::clone(&state.view)
    }
}

impl View {
    fn at(entries: &[Entry], last: SigningKey, now: UnixTime) -> Self {
        let signing = || entries.iter().filter_map(|entry| entry.signs.as_ref());
        let begun = signing().rfind(|(_, from)| *from <= now);
        let current = begun.map_or(last, |(key, _)| key.clone());
        let beginnings = signing().map(|(_, from)| *from).filter(|from| *from > now);
        let ends = entries.iter().filter_map(|entry| entry.until);
        let (published, problem) = match published(entries) {
            Ok(keys) => (keys, None),
            Err(problem) => (KeySet::default(), Some(problem)),
        };
        Self {
            header: header(current.public().algorithm(), current.public().key_id()),
            current,
            published,
            problem,
            changes_at: beginnings.chain(ends).min(),
        }
    }
}

fn published(entries: &[Entry]) -> Result<KeySet, AuthError> {
    KeySet::new(entries.iter().map(|entry| entry.public.clone()))
}

/// The header is the same for every token of a key, so it is encoded once.
pub(crate) fn header(algorithm: Algorithm, kid: Option<&str>) -> Box<str> {
    let json = serde_json::json!({ "alg": algorithm, "kid": kid, "typ": "at+jwt" });
    encode(json.to_string()).into()
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = self.view();
        f.debug_struct("SigningKeys")
            .field("current", &view.current)
            .field("published", &view.published)
            .finish_non_exhaustive()
    }
}
