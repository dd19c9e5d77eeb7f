//! Sessions of browsers: an opaque random cookie, known here by its SHA-256.

mod builder;
pub(crate) mod cookie;
#[cfg(feature = "redis")]
mod redis;
mod store;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{Principal, random};

pub use self::builder::SessionsBuilder;
use self::cookie::Transport;
#[cfg(feature = "redis")]
pub use self::redis::{RedisSessions, RedisSessionsBuilder};
pub use self::store::SessionStore;
use crate::digest::sha256;
use crate::jwt::parse::{decode, encode};
use crate::{AuthError, Refusal};

/// Sessions in the memory of this process. Clones share them.
///
/// The cookie is `__Host-session`: https alone, this host alone, out of reach of scripts, `SameSite=Lax`. A cookie is
/// sent by the browser whoever caused the request, so put a cross-origin guard in front of what changes something.
///
/// # Example
///
/// ```
/// use palisade_auth::{AuthLayer, Sessions};
/// use palisade_core::Principal;
///
/// let sessions = Sessions::memory().build()?;
/// let layer = AuthLayer::new().sessions(sessions.clone());
///
/// // At sign-in; the headers of the request say which session it replaces.
/// # let request_headers = http::HeaderMap::new();
/// let cookie = sessions.begin(Principal::user("bookings", "alice"), &request_headers)?;
/// assert!(cookie.to_str().unwrap().starts_with("__Host-session="));
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    cookie: Box<str>,
    transport: Transport,
    idle: Duration,
    lifetime: Duration,
    max_sessions: usize,
    clock: WallClock,
    entries: RwLock<Entries>,
}

/// By the public id, which takes two SHA-256 of the cookie to reach.
type Entries = HashMap<PublicId, Entry>;
type PublicId = [u8; 16];

/// One session of a user. It holds no secret: nobody can make the cookie of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The value of [`Principal::session_id`] within the session, for [`Sessions::revoke`].
    pub id: String,
    /// The time at which the user signed in.
    pub began_at: UnixTime,
    /// The time of its last use, to the second.
    pub used_at: UnixTime,
    /// The time at which it ends unless it is used before.
    pub ends_at: UnixTime,
}

impl SessionInfo {
    /// The one that was used last first.
    fn sort(sessions: &mut [Self]) {
        sessions.sort_by(|one, other| (other.used_at, &one.id).cmp(&(one.used_at, &other.id)));
    }
}

struct Entry {
    principal: Arc<Principal>,
    ends_at: UnixTime,
    /// Seconds since 1970.
    used_at: AtomicU64,
}

impl Entry {
    fn is_over(&self, now: UnixTime, idle: Duration) -> bool {
        now >= self.end(idle)
    }

    /// The time at which it ends unless it is used before.
    fn end(&self, idle: Duration) -> UnixTime {
        let used_at = UnixTime::from_secs(self.used_at.load(Ordering::Relaxed));
        self.ends_at.min(used_at.saturating_add(idle))
    }
}

impl Sessions {
    /// 30 minutes without a request, after which a session ends (OWASP Session Management Cheat Sheet: 15 to 30).
    pub const DEFAULT_IDLE: Duration = Duration::from_secs(30 * 60);
    /// 12 hours, after which a session ends whatever happens: a working day.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

    /// Starts a session for a principal that has just signed in, and ends the one that the request came with, so that
    /// nobody can plant an id of his own. Answer with the result as `Set-Cookie`.
    ///
    /// # Errors
    ///
    /// Fails when the operating system gives no random bytes, or when there are too many sessions.
    pub fn begin(
        &self,
        principal: Principal,
        request: &HeaderMap,
    ) -> Result<HeaderValue, AuthError> {
        let id = encode(random::bytes::<16>()?);
        let now = self.0.clock.now();
        let public = public_id(id.as_bytes());
        let ends_at = now.saturating_add(self.0.lifetime);
        let principal = principal.session(&encode(public)).expires_at(ends_at);
        let Some(cookie) = self.cookie(&id, self.0.lifetime.as_secs()) else {
            return Err(AuthError::Issue("the cookie cannot be written"));
        };
        let mut entries = self.write();
        for old in cookie::all(request, &self.0.cookie) {
            entries.remove(&public_id(old));
        }
        if entries.len() >= self.0.max_sessions {
            entries.retain(|_, entry| !entry.is_over(now, self.0.idle));
        }
        if entries.len() >= self.0.max_sessions {
            return Err(AuthError::Issue("there are too many sessions"));
        }
        let entry = Entry {
            principal: Arc::new(principal),
            ends_at,
            used_at: AtomicU64::new(now.as_secs()),
        };
        entries.insert(public, entry);
        Ok(cookie)
    }

    /// Ends the session that a request came with, or all of them if it came with several cookies of the name. Answer
    /// with the result as `Set-Cookie`, which takes the cookie away.
    #[must_use]
    pub fn end(&self, request: &HeaderMap) -> HeaderValue {
        for id in cookie::all(request, &self.0.cookie) {
            self.write().remove(&public_id(id));
        }
        self.cookie("", 0).unwrap_or(HeaderValue::from_static(""))
    }

    /// Ends one session by the id that its principal has; `true` if there was one.
    pub fn revoke(&self, session: &str) -> bool {
        parse_id(session).is_some_and(|id| self.write().remove(&id).is_some())
    }

    /// For how long a session lasts unless it is used; nothing for one that there is not, zero for one that is over. No
    /// use of it.
    pub(crate) fn left(&self, session: &str) -> Option<Duration> {
        let id = parse_id(session)?;
        let now = self.0.clock.now();
        let end = self.read().get(&id)?.end(self.0.idle);
        Some(end.saturating_since(now))
    }

    /// Ends every session of a subject; says how many there were. Looks at all sessions.
    pub fn revoke_subject(&self, issuer: &str, subject: &str) -> usize {
        let mut entries = self.write();
        let before = entries.len();
        entries.retain(|_, entry| {
            entry.principal.issuer() != issuer || entry.principal.subject() != subject
        });
        before - entries.len()
    }

    /// The sessions of a subject that are not over, the one that was used last first: for a page on which users see where
    /// they are signed in, and [end](Self::revoke) what they do not know. Looks at all sessions.
    #[must_use]
    pub fn of_subject(&self, issuer: &str, subject: &str) -> Vec<SessionInfo> {
        let now = self.0.clock.now();
        let entries = self.read();
        let of_subject = entries.iter().filter(|(_, entry)| {
            entry.principal.issuer() == issuer
                && entry.principal.subject() == subject
                && !entry.is_over(now, self.0.idle)
        });
        let mut found: Vec<SessionInfo> = of_subject
            .map(|(id, entry)| SessionInfo {
                id: encode(id),
                began_at: UnixTime::from_secs(
                    (entry.ends_at.as_secs()).saturating_sub(self.0.lifetime.as_secs()),
                ),
                used_at: UnixTime::from_secs(entry.used_at.load(Ordering::Relaxed)),
                ends_at: entry.end(self.0.idle),
            })
            .collect();
        SessionInfo::sort(&mut found);
        found
    }

    /// The id that the principal of a session has, by its cookie.
    #[cfg(all(feature = "oidc", feature = "axum"))]
    fn id_of(cookie: &[u8]) -> String {
        encode(public_id(cookie))
    }

    #[cfg(all(feature = "oidc", feature = "axum"))]
    pub(crate) fn lifetime(&self) -> Duration {
        self.0.lifetime
    }

    /// The name of the cookie.
    pub(crate) fn cookie_name(&self) -> &str {
        &self.0.cookie
    }

    /// Finds the session that a request came with; `None` if it has no cookie.
    pub(crate) fn check(&self, request: &HeaderMap) -> Option<Result<Arc<Principal>, Refusal>> {
        let id = match cookie::find(request, &self.0.cookie) {
            Ok(id) => id?,
            Err(refusal) => return Some(Err(refusal)),
        };
        Some(self.find(&public_id(id)).ok_or(Refusal::SessionUnknown))
    }

    fn find(&self, id: &PublicId) -> Option<Arc<Principal>> {
        let now = self.0.clock.now();
        let entries = self.read();
        let entry = entries.get(id)?;
        if entry.is_over(now, self.0.idle) {
            return None;
        }
        // Once a second at most, and never back.
        if entry.used_at.load(Ordering::Relaxed) < now.as_secs() {
            entry.used_at.fetch_max(now.as_secs(), Ordering::Relaxed);
        }
        Some(Arc::clone(&entry.principal))
    }

    fn cookie(&self, value: &str, seconds: u64) -> Option<HeaderValue> {
        cookie::set(&self.0.cookie, value, seconds, self.0.transport)
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.0
            .entries
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.0
            .entries
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name for the session that cannot be turned into its cookie: half of the SHA-256 of the SHA-256.
fn public_id(cookie: &[u8]) -> PublicId {
    let digest = sha256(&sha256(cookie));
    digest.first_chunk().copied().unwrap_or_default()
}

fn parse_id(session: &str) -> Option<PublicId> {
    decode(session.as_bytes()).ok()?.try_into().ok()
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.0.cookie)
            .field("len", &self.read().len())
            .finish_non_exhaustive()
    }
}
