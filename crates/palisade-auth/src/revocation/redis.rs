use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::time::{UnixTime, WallClock};
use redis::aio::ConnectionLike;
use redis::{Cmd, Value};

use super::{Answer, CheckRevocation, RevocationStatus, RevokeSession, Revoking, TokenRef};
use crate::Refusal;
use crate::digest::sha256;
use crate::jwt::parse::encode;
use crate::store::{HasStore, Store, settle};

/// Revoked tokens, sessions and subjects in Redis or Valkey, known to every instance at once. Clones share the connection.
///
/// Each request asks once, for all three marks that a token may have. While Redis cannot be asked, requests are refused
/// with 503, unless the verifier was told otherwise.
///
/// Takes any connection of the `redis` crate that can be cloned; a managed one, which reconnects by itself, is the right
/// one for servers. Marks live as long as tokens that they are about; names of accounts are kept as their SHA-256.
///
/// Make every setting before it is cloned. One that comes later would reach one of the clones alone:
/// a verifier is not built with it then, all calls are refused as though Redis
/// could not be asked, and the log says why.
///
/// # Security
///
/// A mark that Redis loses revives its tokens until they expire: by `FLUSHALL`, by eviction (set `noeviction`), and by a
/// restart without persistence.
///
/// # Example
///
/// ```no_run
/// use palisade_auth::{HmacKeys, Issuer, JwtVerifier};
/// use palisade_auth::revocation::RedisRevocation;
/// # async fn example(connection: redis::aio::MultiplexedConnection, secret: &str)
/// # -> Result<(), Box<dyn std::error::Error>> {
///
/// let revoked = RedisRevocation::new(connection);
/// let jwt = JwtVerifier::builder()
///     .issuer(Issuer::hmac("bookings", HmacKeys::current(secret)?).audience("api://bookings"))
///     .revocation(revoked.clone())
///     .build()?;
/// revoked.revoke_subject("bookings", "alice").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisRevocation(Arc<Inner>);

struct Inner {
    store: Store,
    max_lifetime: Duration,
    clock: WallClock,
}

impl HasStore for Inner {
    fn store(&self) -> &Store {
        &self.store
    }
}

/// Keeps the later of two times, and the longer of two lives.
const EXTEND: &str = "\
local value = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1])) \
local life = math.max(redis.call('TTL', KEYS[1]), tonumber(ARGV[2])) \
redis.call('SET', KEYS[1], string.format('%.0f', value), 'EX', string.format('%.0f', life)) \
return 1";

#[derive(Clone, Copy)]
enum Kind {
    Token,
    Session,
    Subject,
}

impl RedisRevocation {
    /// Marks with the prefix `palisade`, a timeout of 50 ms, for tokens that live for at most 24 hours.
    #[must_use]
    pub fn new(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            store: Store::new(connection),
            max_lifetime: crate::Issuer::FOREIGN_LIFETIME,
            clock: WallClock::system(),
        }))
    }

    /// Sets what the names of all keys begin with; default `palisade`. To be called before the value is cloned.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        self.with(|inner| inner.store.prefix = prefix.into())
    }

    /// Sets how long an answer is waited for; default 50 ms. To be called before the value is cloned.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|inner| inner.store.timeout = timeout)
    }

    /// Sets how long tokens live at most, no less than any issuer says; default 24 hours. To be called before the value is cloned.
    #[must_use]
    pub fn max_lifetime(self, lifetime: Duration) -> Self {
        self.with(|inner| inner.max_lifetime = lifetime)
    }

    /// Sets the clock; default the system's. To be called before the value is cloned.
    #[must_use]
    pub fn clock(self, clock: WallClock) -> Self {
        self.with(|inner| inner.clock = clock)
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        Self(settle(self.0, "RedisRevocation", change))
    }

    /// Revokes one token by its `jti`, until it would have expired anyway.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when Redis could not be told: the token still passes.
    pub async fn revoke_token(
        &self,
        issuer: &str,
        id: &str,
        expires_at: UnixTime,
    ) -> Result<(), Refusal> {
        let left = expires_at.saturating_since(self.0.clock.now());
        self.mark(Kind::Token, issuer, id, 1, left).await
    }

    /// Revokes every token of a session, by its `sid`, made or yet to be made.
    ///
    /// # Errors
    ///
    /// As for [`revoke_token`](Self::revoke_token).
    pub async fn revoke_session(&self, issuer: &str, session: &str) -> Result<(), Refusal> {
        self.mark(Kind::Session, issuer, session, 1, self.lasting())
            .await
    }

    /// Revokes every token that a subject has by now, those made within this second included.
    ///
    /// # Errors
    ///
    /// As for [`revoke_token`](Self::revoke_token).
    pub async fn revoke_subject(&self, issuer: &str, subject: &str) -> Result<(), Refusal> {
        let now = self.0.clock.now().as_secs();
        self.mark(Kind::Subject, issuer, subject, now, self.lasting())
            .await
    }

    /// A token made now may say that it was made one leeway later.
    fn lasting(&self) -> Duration {
        let leeway = crate::Issuer::MAX_LEEWAY;
        self.0.max_lifetime.saturating_add(leeway)
    }

    async fn mark(
        &self,
        kind: Kind,
        issuer: &str,
        name: &str,
        value: u64,
        life: Duration,
    ) -> Result<(), Refusal> {
        let life = life
            .saturating_add(crate::Issuer::MAX_LEEWAY)
            .as_secs()
            .max(1);
        let mut command = redis::cmd("EVAL");
        command
            .arg(EXTEND)
            .arg(1)
            .arg(self.key(kind, issuer, name))
            .arg(value)
            .arg(life);
        match self.0.store.ask(command).await {
            Some(_) => Ok(()),
            None => Err(Refusal::StoreUnavailable),
        }
    }

    /// One hash tag for all, because one command asks for several.
    fn key(&self, kind: Kind, issuer: &str, name: &str) -> String {
        let kind = match kind {
            Kind::Token => "token",
            Kind::Session => "session",
            Kind::Subject => "subject",
        };
        let digest = encode(sha256(
            format!("{}:{issuer}{name}", issuer.len()).as_bytes(),
        ));
        format!("{{{}:revoked}}:{kind}:{digest}", self.0.store.prefix)
    }

    fn question(&self, token: &TokenRef<'_>) -> Cmd {
        let issuer = token.issuer;
        let mut command = redis::cmd("MGET");
        command.arg(self.key(Kind::Subject, issuer, token.subject));
        if let Some(id) = token.id {
            command.arg(self.key(Kind::Token, issuer, id));
        }
        if let Some(session) = token.session {
            command.arg(self.key(Kind::Session, issuer, session));
        }
        command
    }
}

/// Reads the marks: the first is the subject's, any other one revokes by being there.
fn status_of(marks: &Value, issued_at: Option<UnixTime>) -> RevocationStatus {
    let Value::Array(marks) = marks else {
        return RevocationStatus::Unknown;
    };
    let Some((subject, others)) = marks.split_first() else {
        return RevocationStatus::Unknown;
    };
    if others.iter().any(|mark| *mark != Value::Nil) {
        return RevocationStatus::Revoked;
    }
    let not_before = match subject {
        Value::Nil => return RevocationStatus::Good,
        Value::BulkString(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok()),
        _ => None,
    };
    // A mark that cannot be read is still a mark.
    let after = |not_before| issued_at.is_some_and(|issued_at| issued_at.as_secs() > not_before);
    if not_before.is_some_and(after) {
        RevocationStatus::Good
    } else {
        RevocationStatus::Revoked
    }
}

impl CheckRevocation for RedisRevocation {
    fn check(&self, token: &TokenRef<'_>) -> Answer {
        let (question, issued_at) = (self.question(token), token.issued_at);
        let this = self.clone();
        Answer::Later(Box::pin(async move {
            match this.0.store.ask(question).await {
                Some(marks) => status_of(&marks, issued_at),
                None => RevocationStatus::Unknown,
            }
        }))
    }

    fn covered_lifetime(&self) -> Option<Duration> {
        Some(self.0.max_lifetime)
    }

    fn problem(&self) -> Option<&'static str> {
        self.0.store.problem()
    }
}

impl RevokeSession for RedisRevocation {
    /// Tells Redis in the background; an error is logged.
    fn revoke_session(&self, issuer: &str, session: &str) {
        let (this, issuer, session) = (self.clone(), issuer.to_owned(), session.to_owned());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            tracing::error!(target: "palisade_auth", "a session can only be revoked in Redis on Tokio");
            return;
        };
        runtime.spawn(async move {
            if Self::revoke_session(&this, &issuer, &session)
                .await
                .is_err()
            {
                tracing::error!(target: "palisade_auth", "a session could not be revoked in Redis");
            }
        });
    }

    fn revoke_session_now<'a>(&'a self, issuer: &'a str, session: &'a str) -> Revoking<'a> {
        Box::pin(Self::revoke_session(self, issuer, session))
    }
}

impl fmt::Debug for RedisRevocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRevocation")
            .field("prefix", &self.0.store.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_cannot_be_read_never_pass_as_good() {
        let now = Some(UnixTime::from_secs(100));
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let of = |marks: Vec<Value>| status_of(&Value::Array(marks), now);
        assert_eq!(
            of(vec![Value::Nil, Value::Nil, Value::Nil]),
            RevocationStatus::Good
        );
        assert_eq!(of(vec![text("99")]), RevocationStatus::Good);
        assert_eq!(of(vec![text("100")]), RevocationStatus::Revoked);
        assert_eq!(of(vec![text("nonsense")]), RevocationStatus::Revoked);
        assert_eq!(of(vec![Value::Int(1)]), RevocationStatus::Revoked);
        assert_eq!(of(vec![Value::Nil, text("1")]), RevocationStatus::Revoked);
        assert_eq!(
            status_of(&Value::Array(vec![text("99")]), None),
            RevocationStatus::Revoked
        );
        assert_eq!(of(vec![]), RevocationStatus::Unknown);
        assert_eq!(status_of(&Value::Nil, now), RevocationStatus::Unknown);
    }
}
