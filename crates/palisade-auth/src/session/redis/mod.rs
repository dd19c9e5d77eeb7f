mod builder;
mod id;
mod kept;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use palisade_core::Principal;
use palisade_core::time::{UnixTime, WallClock};
use redis::{Cmd, Value};

pub use self::builder::RedisSessionsBuilder;
use self::id::{Id, Name, Owner, owner};
use self::kept::KeptSession;
use super::SessionInfo;
use super::cookie::{self, Transport};
use crate::jwt::parse::encode;
use crate::outcome::Outcome;
use crate::store::{Store, number_of, text_of};
use crate::{AuthError, HmacKeys, Refusal};

const BEGIN: &str = include_str!("begin.lua");
const FIND: &str = include_str!("find.lua");
const REVOKE_SUBJECT: &str = "\
local fields, sessions = redis.call('HKEYS', KEYS[1]), 0 \
for _, field in ipairs(fields) do if string.sub(field, 1, 2) == 's:' then sessions = sessions + 1 end end \
redis.call('DEL', KEYS[1]) \
return sessions";

/// Sessions in Redis or Valkey, shared by every instance; otherwise as [`Sessions`](crate::Sessions). Clones share the
/// connection.
///
/// Each request with a cookie of ours asks once, by one script on one key, which holds all sessions of one user; in a
/// Cluster, users are spread over the nodes. A cookie that was made up is refused without asking. The clocks of the
/// instances must agree to within seconds.
///
/// # Outage
///
/// While Redis cannot be asked, requests that come with a session's cookie are refused with 503, also by an
/// [optional](crate::AuthLayer::optional) layer: nobody can say whose they are. Requests with other credentials pass.
/// A session that Redis loses, by eviction or a restart without persistence, is a sign-out.
///
/// # Security
///
/// Redis holds digests of cookies, and principals under a MAC, so that who can write there can neither make up a session
/// nor give himself a role. He can lengthen the time that a session may idle, and put back one that had ended, until the
/// end of its lifetime.
///
/// # Example
///
/// ```no_run
/// use palisade_auth::{AuthLayer, HmacKeys, RedisSessions};
/// use palisade_core::Principal;
/// # async fn example(connection: redis::aio::MultiplexedConnection, secret: &str)
/// # -> Result<(), Box<dyn std::error::Error>> {
///
/// let sessions = RedisSessions::builder(HmacKeys::current(secret)?, connection).build()?;
/// let layer = AuthLayer::new().sessions(sessions.clone());
///
/// // At sign-in; the headers of the request say which session it replaces.
/// # let request_headers = http::HeaderMap::new();
/// let alice = Principal::user("bookings", "alice");
/// let cookie = sessions.begin(&alice, &request_headers).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisSessions(Arc<Inner>);

struct Inner {
    keys: HmacKeys,
    store: Store,
    cookie: Box<str>,
    transport: Transport,
    idle: Duration,
    lifetime: Duration,
    clock: WallClock,
}

/// A session as it stands at this moment.
enum Found {
    Good(Arc<Principal>, Duration),
    Over,
    Unknown,
}

impl RedisSessions {
    /// 100 sessions of one user; who signs in once more ends the one that was used longest ago.
    pub const MAX_PER_SUBJECT: usize = 100;

    /// Starts a session for a principal that has just signed in, and ends those that the request came with, so that
    /// nobody can plant an id of his own. Answer with the result as `Set-Cookie`. Its own claims are kept where they are
    /// [`TokenClaims`](crate::TokenClaims).
    ///
    /// # Errors
    ///
    /// [`AuthError::StoreUnavailable`] when Redis could not be told. Fails when the operating system gives no random bytes,
    /// and for a principal with claims of another type, which memory can keep and Redis cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has ended the sessions before or not, and may have begun one whose cookie nobody has.
    pub async fn begin(
        &self,
        principal: &Principal,
        request: &HeaderMap,
    ) -> Result<HeaderValue, AuthError> {
        let this = &self.0;
        let now = this.clock.now();
        let id = Id::new(&owner(principal.issuer(), principal.subject()))?;
        let name = id.name();
        let ends_at = now.saturating_add(this.lifetime);
        let sealed = KeptSession::sealed(&this.keys, &name, principal, (now, ends_at))?;
        let value = id.to_cookie(&this.keys);
        let Some(cookie) = self.cookie(&value, this.lifetime.as_secs()) else {
            return Err(AuthError::Issue("the cookie cannot be written"));
        };
        self.end_all(request)
            .await
            .map_err(|_| AuthError::StoreUnavailable)?;
        let mut command = self.script(BEGIN, &name.owner());
        command
            .arg(name.place())
            .arg(sealed)
            .arg(now.as_secs())
            .arg(this.idle.as_secs())
            .arg(this.lifetime.as_secs())
            .arg(Self::MAX_PER_SUBJECT);
        self.ask(command)
            .await
            .map_err(|_| AuthError::StoreUnavailable)?;
        Ok(cookie)
    }

    /// Ends the session that a request came with, or all of them if it came with several cookies of the name. Answer
    /// with the result as `Set-Cookie`, which takes the cookie away.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when Redis could not be told: the session lives on.
    pub async fn end(&self, request: &HeaderMap) -> Result<HeaderValue, Refusal> {
        self.end_all(request).await?;
        Ok(self.cookie("", 0).unwrap_or(HeaderValue::from_static("")))
    }

    async fn end_all(&self, request: &HeaderMap) -> Result<(), Refusal> {
        let cookies = cookie::all(request, &self.0.cookie);
        let ids = cookies.filter_map(|cookie| Id::from_cookie(cookie, &self.0.keys));
        let names: std::collections::HashSet<Name> = ids.map(|id| id.name()).collect();
        for name in names {
            self.remove(&name).await?;
        }
        Ok(())
    }

    /// Ends one session by the id that its principal has; `true` if there was one.
    ///
    /// # Errors
    ///
    /// As for [`end`](Self::end).
    pub async fn revoke(&self, session: &str) -> Result<bool, Refusal> {
        match Name::from_text(session) {
            Some(name) => self.remove(&name).await,
            None => Ok(false),
        }
    }

    async fn remove(&self, name: &Name) -> Result<bool, Refusal> {
        let place = name.place();
        let mut command = redis::cmd("HDEL");
        command
            .arg(self.key(&name.owner()))
            .arg(format!("s:{place}"))
            .arg(format!("u:{place}"));
        let removed = self.ask(command).await?;
        Ok(number_of(&removed).is_some_and(|fields| fields > 0))
    }

    /// Ends every session of a subject; says how many there were.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when Redis could not be told: they live on.
    pub async fn revoke_subject(&self, issuer: &str, subject: &str) -> Result<usize, Refusal> {
        let command = self.script(REVOKE_SUBJECT, &owner(issuer, subject));
        let sessions = self.ask(command).await?;
        let sessions = number_of(&sessions).and_then(|sessions| sessions.try_into().ok());
        sessions.ok_or(Refusal::StoreUnavailable)
    }

    /// The sessions of a subject that are not over, the one that was used last first: for a page on which users see where
    /// they are signed in, and [end](Self::revoke) what they do not know.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when Redis could not be asked.
    pub async fn of_subject(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Vec<SessionInfo>, Refusal> {
        let owner = owner(issuer, subject);
        let mut command = redis::cmd("HGETALL");
        command.arg(self.key(&owner));
        let fields: std::collections::HashMap<String, String> =
            redis::from_redis_value(self.ask(command).await?)
                .map_err(|_| Refusal::StoreUnavailable)?;
        let now = self.0.clock.now();
        let mut found = Vec::new();
        for (field, sealed) in &fields {
            let Some(place) = field.strip_prefix("s:") else {
                continue;
            };
            let used_at = fields.get(&format!("u:{place}"));
            if let Some(name) = Name::of(&owner, place)
                && let Some(kept) = KeptSession::open(&self.0.keys, &name, sealed)
            {
                let used_at = used_at.and_then(|used_at| used_at.parse().ok());
                let used_at = UnixTime::from_secs(used_at.unwrap_or(0));
                let ends_at = kept.ends_at.min(used_at.saturating_add(self.0.idle));
                if now < ends_at {
                    found.push(SessionInfo {
                        id: name.to_text(),
                        began_at: kept.began_at,
                        used_at,
                        ends_at,
                    });
                }
            }
        }
        SessionInfo::sort(&mut found);
        Ok(found)
    }

    /// For how long a session lasts unless it is used; nothing for one that there is not, zero for one that is over. No
    /// use of it.
    pub(crate) async fn left(&self, session: &str) -> Result<Option<Duration>, Refusal> {
        let Some(name) = Name::from_text(session) else {
            return Ok(None);
        };
        Ok(match self.find(&name, "").await? {
            Found::Good(_, left) => Some(left),
            Found::Over => Some(Duration::ZERO),
            Found::Unknown => None,
        })
    }

    /// The name of the cookie.
    pub(super) fn cookie_name(&self) -> &str {
        &self.0.cookie
    }

    /// The id that the principal of a session has, by its cookie.
    #[cfg(all(feature = "oidc", feature = "axum"))]
    pub(super) fn id_of(&self, cookie: &[u8]) -> Option<String> {
        let id = Id::from_cookie(cookie, &self.0.keys)?;
        Some(id.name().to_text())
    }

    #[cfg(all(feature = "oidc", feature = "axum"))]
    pub(super) fn lifetime(&self) -> Duration {
        self.0.lifetime
    }

    /// Finds the session that a request came with; `None` if it has no cookie.
    pub(super) fn check(&self, request: &HeaderMap) -> Option<Outcome> {
        let cookie = match cookie::find(request, &self.0.cookie) {
            Ok(cookie) => cookie?,
            Err(refusal) => return Some(Outcome::Now(Err(refusal))),
        };
        let Some(id) = Id::from_cookie(cookie, &self.0.keys) else {
            return Some(Outcome::Now(Err(Refusal::SessionUnknown)));
        };
        let (this, name) = (self.clone(), id.name());
        Some(Outcome::Later(Box::pin(async move {
            match this.find(&name, "use").await? {
                Found::Good(principal, _) => Ok(principal),
                Found::Over | Found::Unknown => Err(Refusal::SessionUnknown),
            }
        })))
    }

    async fn find(&self, name: &Name, purpose: &str) -> Result<Found, Refusal> {
        let mut command = self.script(FIND, &name.owner());
        command
            .arg(name.place())
            .arg(self.0.clock.now().as_secs())
            .arg(self.0.idle.as_secs())
            .arg(purpose);
        let answer = self.ask(command).await?;
        read(&self.0.keys, name, &answer).ok_or(Refusal::StoreUnavailable)
    }

    async fn ask(&self, command: Cmd) -> Result<Value, Refusal> {
        let answer = self.0.store.ask(command).await;
        answer.ok_or(Refusal::StoreUnavailable)
    }

    fn script(&self, script: &str, owner: &Owner) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(1).arg(self.key(owner));
        command
    }

    /// One key for all sessions of one user, so that a script needs no other.
    fn key(&self, owner: &Owner) -> String {
        format!("{{{}:sessions:{}}}", self.0.store.prefix, encode(owner))
    }

    fn cookie(&self, value: &str, seconds: u64) -> Option<HeaderValue> {
        cookie::set(&self.0.cookie, value, seconds, self.0.transport)
    }
}

/// `None` for an answer that cannot be read.
fn read(keys: &HmacKeys, name: &Name, answer: &Value) -> Option<Found> {
    let Value::Array(parts) = answer else {
        return None;
    };
    match (parts.first().and_then(text_of)?, &parts[1..]) {
        ("unknown", _) => Some(Found::Unknown),
        ("over", _) => Some(Found::Over),
        ("good", [sealed, left]) => {
            let (sealed, left) = (text_of(sealed)?, number_of(left)?);
            // One that was tampered with is as good as none.
            Some(match KeptSession::open(keys, name, sealed) {
                Some(kept) => Found::Good(kept.principal(name), Duration::from_secs(left)),
                None => Found::Unknown,
            })
        }
        _ => None,
    }
}

impl fmt::Debug for RedisSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSessions")
            .field("cookie", &self.0.cookie)
            .field("prefix", &self.0.store.prefix)
            .finish_non_exhaustive()
    }
}
