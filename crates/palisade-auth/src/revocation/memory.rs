use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use palisade_core::time::{UnixTime, WallClock};

use super::{Answer, CheckRevocation, RevocationStatus, RevokeSession, TokenRef};

/// Revoked tokens, sessions and subjects, in the memory of this process. Clones share them.
///
/// # Example
///
/// ```
/// use palisade_auth::revocation::MemoryRevocation;
/// use palisade_auth::{HmacKeys, JwtVerifier, TokenIssuer};
/// use palisade_core::Principal;
/// # let secret = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
///
/// let revoked = MemoryRevocation::new();
/// let tokens = TokenIssuer::hmac("bookings", HmacKeys::current(secret)?).audience("api").build()?;
/// let jwt = JwtVerifier::builder().issuer(tokens.issuer()).revocation(revoked.clone()).build()?;
///
/// let issued = tokens.issue(&Principal::user("bookings", "alice"))?;
/// assert!(jwt.verify(issued.as_str()).is_ok());
/// revoked.revoke_token("bookings", issued.id(), issued.expires_at());
/// assert!(jwt.verify(issued.as_str()).is_err());
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
///
/// # Security
///
/// Another process does not know of them, and a restart forgets them. With several processes use a shared store.
#[derive(Clone)]
pub struct MemoryRevocation(Arc<Inner>);

struct Inner {
    tokens: Marks<UnixTime>,
    sessions: Marks<UnixTime>,
    subjects: Marks<NotBefore>,
    max_lifetime: Duration,
    clock: WallClock,
}

/// Tokens issued up to `not_before` are revoked.
#[derive(Clone, Copy)]
struct NotBefore {
    not_before: UnixTime,
    until: UnixTime,
}

trait Mark: Copy {
    /// Whether the tokens that this mark is about have all expired.
    fn is_over(&self, now: UnixTime) -> bool;
    /// The mark that revokes what either revokes.
    fn extended(self, other: Self) -> Self;
}

impl Mark for UnixTime {
    fn is_over(&self, now: UnixTime) -> bool {
        *self < now
    }

    fn extended(self, other: Self) -> Self {
        self.max(other)
    }
}

impl Mark for NotBefore {
    fn is_over(&self, now: UnixTime) -> bool {
        self.until < now
    }

    fn extended(self, other: Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            until: self.until.max(other.until),
        }
    }
}

/// Marks by issuer and name.
struct Marks<M> {
    /// Read without the lock: most services have revoked nothing most of the time.
    count: AtomicUsize,
    by_issuer: RwLock<ByIssuer<M>>,
}

type ByIssuer<M> = HashMap<Box<str>, HashMap<Box<str>, M>>;

impl<M: Mark> Marks<M> {
    fn new() -> Self {
        Self {
            count: AtomicUsize::new(0),
            by_issuer: RwLock::new(HashMap::new()),
        }
    }

    fn find(&self, issuer: &str, name: &str) -> Option<M> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let marks = self
            .by_issuer
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        marks.get(issuer)?.get(name).copied()
    }

    fn set(&self, issuer: &str, name: &str, mark: M, now: UnixTime) {
        let mut marks = self
            .by_issuer
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let count = self.count.load(Ordering::Relaxed);
        // Each doubling pays for one sweep, so that marks cost the same on average however many there are.
        let count = if count >= 64 && count.is_power_of_two() {
            marks
                .values_mut()
                .for_each(|names| names.retain(|_, mark| !mark.is_over(now)));
            marks.values().map(HashMap::len).sum()
        } else {
            count
        };
        let names = marks.entry(issuer.into()).or_default();
        let before = names.len();
        names
            .entry(name.into())
            .and_modify(|known| *known = known.extended(mark))
            .or_insert(mark);
        let added = names.len() - before;
        self.count.store(count + added, Ordering::Release);
    }
}

impl MemoryRevocation {
    /// Nothing is revoked yet. Sessions and subjects stay revoked for 24 hours and two minutes, by when every token that
    /// they had has expired: no verifier that accepts longer lives is built with this store.
    #[must_use]
    pub fn new() -> Self {
        Self::lasting(crate::Issuer::FOREIGN_LIFETIME)
    }

    /// The same, where tokens live for at most `max_lifetime`, which must be no less than that of any issuer.
    #[must_use]
    pub fn lasting(max_lifetime: Duration) -> Self {
        Self::with_clock(max_lifetime, WallClock::system())
    }

    /// The same, on a clock that a test controls.
    #[must_use]
    pub fn with_clock(max_lifetime: Duration, clock: WallClock) -> Self {
        Self(Arc::new(Inner {
            tokens: Marks::new(),
            sessions: Marks::new(),
            subjects: Marks::new(),
            max_lifetime,
            clock,
        }))
    }

    /// Revokes one token by its `jti`, until it would have expired anyway.
    pub fn revoke_token(&self, issuer: &str, id: &str, expires_at: UnixTime) {
        let now = self.0.clock.now();
        let until = expires_at.saturating_add(crate::Issuer::MAX_LEEWAY);
        self.0.tokens.set(issuer, id, until, now);
    }

    /// Revokes every token of a session, by its `sid`, made or yet to be made.
    pub fn revoke_session(&self, issuer: &str, session: &str) {
        let now = self.0.clock.now();
        self.0
            .sessions
            .set(issuer, session, self.lasting_from(now), now);
    }

    /// Revokes every token that a subject has by now, such as after a change of password.
    ///
    /// `iat` has whole seconds, so a token made within the same second as this call is revoked too, be it after.
    pub fn revoke_subject(&self, issuer: &str, subject: &str) {
        let now = self.0.clock.now();
        let mark = NotBefore {
            not_before: UnixTime::from_secs(now.as_secs()),
            until: self.lasting_from(now),
        };
        self.0.subjects.set(issuer, subject, mark, now);
    }

    /// A token made now may say that it was made one leeway later, and passes for another one after its end.
    fn lasting_from(&self, now: UnixTime) -> UnixTime {
        now.saturating_add(self.0.max_lifetime)
            .saturating_add(crate::Issuer::MAX_LEEWAY * 2)
    }

    /// Returns the number of tokens, sessions and subjects that are marked as revoked now.
    #[must_use]
    pub fn len(&self) -> usize {
        let Inner {
            tokens,
            sessions,
            subjects,
            ..
        } = &*self.0;
        [&tokens.count, &sessions.count, &subjects.count]
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }

    /// Whether nothing is marked as revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_revoked(&self, token: &TokenRef<'_>) -> bool {
        let Inner {
            tokens,
            sessions,
            subjects,
            ..
        } = &*self.0;
        let issuer = token.issuer;
        token.id.is_some_and(|id| tokens.find(issuer, id).is_some())
            || token
                .session
                .is_some_and(|session| sessions.find(issuer, session).is_some())
            || subjects.find(issuer, token.subject).is_some_and(|mark| {
                // One that does not say when it was made may be old.
                token
                    .issued_at
                    .is_none_or(|issued_at| issued_at <= mark.not_before)
            })
    }
}

impl CheckRevocation for MemoryRevocation {
    fn check(&self, token: &TokenRef<'_>) -> Answer {
        Answer::Now(match self.is_revoked(token) {
            true => RevocationStatus::Revoked,
            false => RevocationStatus::Good,
        })
    }

    fn covered_lifetime(&self) -> Option<Duration> {
        Some(self.0.max_lifetime)
    }
}

impl RevokeSession for MemoryRevocation {
    fn revoke_session(&self, issuer: &str, session: &str) {
        Self::revoke_session(self, issuer, session);
    }
}

impl Default for MemoryRevocation {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryRevocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRevocation")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
