//! Refresh tokens: opaque, used once, and traitors when used twice (RFC 9700, section 4.14).

#[cfg(feature = "redis")]
mod answer;
mod builder;
mod family;
mod given;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod sealed;
mod token;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{EventKind, Principal, RequestScope, SecurityEvent};

pub use self::builder::RefreshTokensBuilder;
use self::family::{Choice, Family, Rules, Use};
pub use self::given::RefreshToken;
#[cfg(feature = "redis")]
pub use self::redis::RedisRefreshTokens;
use self::token::{FamilyId, Token};
use crate::challenge::note;
use crate::revocation::RevokeSession;
use crate::{AuthError, Confirmation, HmacKeys, Refusal};

/// Refresh tokens in the memory of this process. Clones share them.
///
/// A family starts at sign-in. Each use gives out a successor and uses the token up. Whoever presents a used token
/// again has a copy, so the whole family is revoked; only within 10 seconds, and while its successor is unused, the
/// same successor is given out once more, because answers get lost.
///
/// # Example
///
/// ```
/// use palisade_auth::{HmacKeys, RefreshTokens};
/// use palisade_core::{Principal, RequestScope};
/// # let secret = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
/// # let scope = RequestScope::detached();
///
/// let refresh = RefreshTokens::memory(HmacKeys::current(secret)?).build()?;
/// let first = refresh.begin(Principal::user("bookings", "alice"))?;
/// // The principal now has a session, to be named in the access token.
/// assert!(first.principal().session_id().is_some());
///
/// let second = refresh.rotate(first.as_str(), &scope).unwrap();
/// assert_eq!(second.principal().subject(), "alice");
/// assert_ne!(second.as_str(), first.as_str());
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct RefreshTokens(Arc<Inner>);

struct Inner {
    keys: HmacKeys,
    rules: Rules,
    max_families: usize,
    clock: WallClock,
    sessions: Option<Arc<dyn RevokeSession>>,
    shards: [Mutex<Shard>; SHARDS],
    /// The number of families in all shards.
    count: AtomicUsize,
    /// The time of the last sweep of all shards because they were full, in seconds since 1970.
    swept_at: AtomicU64,
}

/// So that two sign-ins rarely wait for each other.
const SHARDS: usize = 16;
/// The time between two sweeps of a shard while there is room.
const PAUSE: Duration = Duration::from_secs(60 * 60);

#[derive(Default)]
struct Shard {
    families: HashMap<FamilyId, Entry>,
    swept_at: UnixTime,
}

struct Entry {
    family: Family,
    principal: Arc<Principal>,
    bound_to: Option<Confirmation>,
}

impl RefreshTokens {
    /// 30 days, the longest life of a family unless told otherwise: then the user signs in again.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    /// 7 days, the longest pause between two uses unless told otherwise.
    pub const DEFAULT_IDLE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    /// 10 seconds: longer than a client waits before it tries again, shorter than a thief needs.
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);
    /// 100,000 families, some 50 MB.
    pub const DEFAULT_FAMILIES: usize = 100_000;

    /// Starts a family for a principal that has just signed in, and gives the principal its session.
    ///
    /// # Errors
    ///
    /// Fails when the operating system gives no random bytes, or when there are too many families.
    pub fn begin(&self, principal: Principal) -> Result<RefreshToken, AuthError> {
        self.begun(principal, None)
    }

    /// Starts a family as [`begin`](Self::begin) does, whose tokens are of use with this key alone: that of the DPoP proof
    /// that the client sent with its request for tokens (RFC 9449, section 5). A client that has no secret of its own needs
    /// that wherever its access tokens are bound; see [`rotate_bound`](Self::rotate_bound).
    ///
    /// # Errors
    ///
    /// As for [`begin`](Self::begin), and for a confirmation that nobody can meet here.
    pub fn begin_bound(
        &self,
        principal: Principal,
        key: &Confirmation,
    ) -> Result<RefreshToken, AuthError> {
        self.begun(principal, Some(bindable(key)?.clone()))
    }

    fn begun(
        &self,
        principal: Principal,
        bound_to: Option<Confirmation>,
    ) -> Result<RefreshToken, AuthError> {
        let token = Token::first()?;
        let now = self.0.clock.now();
        let principal = Arc::new(principal.session(&token.session()));
        let entry = Entry {
            family: Family::begin(token.digest(), now),
            principal: Arc::clone(&principal),
            bound_to,
        };
        if !self.reserve() {
            self.sweep_all(now);
            if !self.reserve() {
                return Err(AuthError::Issue("there are too many sessions"));
            }
        }
        let mut shard = self.shard(&token.family);
        self.release(shard.sweep(now, &self.0.rules, PAUSE));
        shard.families.insert(token.family, entry);
        Ok(RefreshToken {
            text: token.to_text(&self.0.keys.secrets()),
            principal,
        })
    }

    /// Uses a token up and gives out its successor, with the principal as it signed in.
    ///
    /// The event goes to `scope`: the family's reuse, or why the token was refused.
    ///
    /// # Errors
    ///
    /// [`Refusal::RefreshInvalid`] for a token that is forged, unknown, expired or revoked; nothing was looked up for a
    /// forged one. [`Refusal::RefreshReused`] for one that was used before: its family is revoked by then.
    /// [`Refusal::SenderConstrained`] for one that is [bound](Self::begin_bound) to a key.
    pub fn rotate(&self, token: &str, scope: &RequestScope) -> Result<RefreshToken, Refusal> {
        self.rotated(token, None, scope)
    }

    /// The same for a client that has proved to have this key, as [`Dpop::confirm`](crate::Dpop::confirm) says. A token of a
    /// family that is bound to no key is rotated too, and its successor is bound to none.
    ///
    /// # Errors
    ///
    /// As for [`rotate`](Self::rotate), and [`Refusal::SenderConstrained`] for a token that is bound to another key.
    ///
    /// # Security
    ///
    /// A token that is presented without its key is refused and noted, and the family stays as it is, whether the token was
    /// used before or not: a token that was stolen without the key is of no use, so that its owner need not sign in again. A
    /// token that is used twice with its key ends the family, as one that is bound to no key does. Signing out
    /// ([`revoke`](Self::revoke)) takes no key; ask for a proof before where that matters.
    pub fn rotate_bound(
        &self,
        token: &str,
        key: &Confirmation,
        scope: &RequestScope,
    ) -> Result<RefreshToken, Refusal> {
        self.rotated(token, Some(key), scope)
    }

    fn rotated(
        &self,
        token: &str,
        shown: Option<&Confirmation>,
        scope: &RequestScope,
    ) -> Result<RefreshToken, Refusal> {
        self.used(token, shown, scope)
            .inspect_err(|(refusal, subject)| {
                let subject = subject.as_ref().map(|known| known.subject());
                note(scope, *refusal, subject);
            })
            .map_err(|(refusal, _)| refusal)
    }

    fn used(
        &self,
        token: &str,
        shown: Option<&Confirmation>,
        scope: &RequestScope,
    ) -> Result<RefreshToken, (Refusal, Option<Arc<Principal>>)> {
        let invalid = (Refusal::RefreshInvalid, None);
        let secrets = self.0.keys.secrets();
        let Some(token) = Token::from_text(token, &secrets) else {
            return Err(invalid);
        };
        let now = self.0.clock.now();
        let successors = token.successors(&secrets);
        let mut shard = self.shard(&token.family);
        let Some(entry) = shard.families.get_mut(&token.family) else {
            return Err(invalid);
        };
        let principal = Arc::clone(&entry.principal);
        if entry.bound_to.is_some() && entry.bound_to.as_ref() != shown {
            return Err((Refusal::SenderConstrained, Some(principal)));
        }
        let family = &mut entry.family;
        let used = family.present(&token.digest(), successors.digests, now, &self.0.rules);
        let choice = match used {
            Use::Rotated => Choice::First,
            Use::Replayed(choice) => choice,
            Use::Lost => return Err((Refusal::RefreshInvalid, Some(principal))),
            Use::Expired => {
                shard.families.remove(&token.family);
                self.release(1);
                return Err((Refusal::RefreshInvalid, Some(principal)));
            }
            Use::Reused => {
                shard.families.remove(&token.family);
                drop(shard);
                self.release(1);
                self.end_session(&principal, scope);
                return Err((Refusal::RefreshReused, Some(principal)));
            }
        };
        let successor = successors.take(choice).ok_or(invalid)?;
        Ok(RefreshToken {
            text: successor.to_text(&secrets),
            principal,
        })
    }

    /// Revokes the family of a token, such as at sign-out; `true` if there was one.
    ///
    /// Any token of the family will do, used or not. The session's access tokens fall with it, if
    /// [`revoking`](RefreshTokensBuilder::revoking) was set.
    pub fn revoke(&self, token: &str, scope: &RequestScope) -> bool {
        let Some(token) = Token::from_text(token, &self.0.keys.secrets()) else {
            return false;
        };
        self.remove(&token.family, scope)
    }

    /// Revokes the family of a session, by the `sid` that its access tokens name; `true` if there was one.
    pub fn revoke_session(&self, session: &str, scope: &RequestScope) -> bool {
        token::family_of(session).is_some_and(|family| self.remove(&family, scope))
    }

    /// Revokes every family of a subject; says how many there were. Looks at all families.
    pub fn revoke_subject(&self, issuer: &str, subject: &str, scope: &RequestScope) -> usize {
        let of_subject = |entry: &Entry| {
            entry.principal.issuer() == issuer && entry.principal.subject() == subject
        };
        let mut ended = Vec::new();
        for shard in &self.0.shards {
            let mut shard = locked(shard);
            let removed = shard.families.extract_if(|_, entry| of_subject(entry));
            ended.extend(removed.map(|(_, entry)| entry.principal));
        }
        self.release(ended.len());
        for principal in &ended {
            self.end_session(principal, scope);
        }
        ended.len()
    }

    fn remove(&self, family: &FamilyId, scope: &RequestScope) -> bool {
        let removed = self.shard(family).families.remove(family);
        if let Some(entry) = &removed {
            self.release(1);
            self.end_session(&entry.principal, scope);
        }
        removed.is_some()
    }

    /// Takes the place of one more family, if there is one.
    fn reserve(&self) -> bool {
        let more = |count| (count < self.0.max_families).then_some(count + 1);
        let count = &self.0.count;
        count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    fn release(&self, families: usize) {
        self.0.count.fetch_sub(families, Ordering::Relaxed);
    }

    /// Makes room, once a second at most: what is over must keep nobody from signing in.
    fn sweep_all(&self, now: UnixTime) {
        let swept_at = self.0.swept_at.swap(now.as_secs(), Ordering::Relaxed);
        if swept_at == now.as_secs() {
            return;
        }
        for shard in &self.0.shards {
            self.release(locked(shard).sweep(now, &self.0.rules, Duration::ZERO));
        }
    }

    fn end_session(&self, principal: &Principal, scope: &RequestScope) {
        if let (Some(sessions), Some(session)) = (&self.0.sessions, principal.session_id()) {
            sessions.revoke_session(principal.issuer(), session);
        }
        scope.record(
            SecurityEvent::new(EventKind::TokenRevoked)
                .reason("refresh_family")
                .subject(principal.subject()),
        );
    }

    fn shard(&self, family: &FamilyId) -> MutexGuard<'_, Shard> {
        locked(&self.0.shards[usize::from(family[0]) % SHARDS])
    }
}

/// A key that somebody can prove to have.
fn bindable(key: &Confirmation) -> Result<&Confirmation, AuthError> {
    match key.name() {
        Some(_) => Ok(key),
        None => Err(AuthError::Issue("nobody can prove here to have such a key")),
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    /// Forgets families that are over, unless that was done less than `pause` ago; says how many.
    fn sweep(&mut self, now: UnixTime, rules: &Rules, pause: Duration) -> usize {
        if now.saturating_since(self.swept_at) < pause {
            return 0;
        }
        self.swept_at = now;
        let before = self.families.len();
        self.families
            .retain(|_, entry| !entry.family.is_over(now, rules));
        before - self.families.len()
    }
}

impl fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokens")
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}
