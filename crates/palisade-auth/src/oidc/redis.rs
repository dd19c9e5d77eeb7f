use std::fmt;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, Value};

use super::OidcError;
use crate::digest::Digest;
use crate::jwt::parse::encode;
use crate::store::Store;

/// Sign-ins at a provider, in Redis or Valkey, shared by every instance of a service: the states and logout tokens that were
/// used, and, for `SignInRoutes`, the provider's tokens and session of each sign-in. Any instance then answers what any other
/// has begun. Goes with [`RedisSessions`](crate::RedisSessions).
///
/// Takes any connection of the `redis` crate that can be cloned; a managed one, which reconnects by itself, is the right one
/// for servers. Every command and script is about one sign-in, whose keys have one hash tag, so that in a Cluster they are
/// spread over the nodes.
///
/// # Outage
///
/// While Redis cannot be asked, nobody signs in: a callback is answered with 503, and so is a logout token, which the provider
/// may then send again. Sessions that were begun before are not asked for here. A used state or logout token that Redis
/// loses, by `FLUSHALL`, eviction or a restart without persistence, could be used again until its end, 10 minutes and an
/// hour at most, where the provider takes the code of the state once more. With a lost sign-in go the provider's tokens, and
/// a logout token that names its session ends nothing.
///
/// # Security
///
/// The provider's tokens lie sealed (AES-256-GCM) under a key of
/// [`OidcBuilder::cookie_secret`](super::OidcBuilder::cookie_secret), each for its session alone; sessions and subjects of the
/// provider lie under their SHA-256. Who can write there can end sessions, and can bring back a used state.
///
/// # Example
///
/// ```no_run
/// use palisade_auth::oidc::{Oidc, RedisSignIns};
/// # fn example(connection: redis::aio::MultiplexedConnection, client_secret: &str, cookie_secret: &[u8])
/// # -> Result<(), palisade_auth::AuthError> {
///
/// let google = Oidc::builder("https://accounts.google.com")
///     .client("1234.apps.googleusercontent.com", client_secret)
///     .redirect_uri("https://bookings.example/callback")
///     .cookie_secret(cookie_secret)
///     .redis(RedisSignIns::new(connection))
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub struct RedisSignIns {
    store: Store,
}

impl RedisSignIns {
    /// Names with the prefix `palisade`, and a timeout of 50 ms.
    #[must_use]
    pub fn new(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self {
            store: Store::new(connection),
        }
    }

    /// Sets what the names of all keys begin with; default `palisade`. Services that share a Redis need one each.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.store.prefix = prefix.into();
        self
    }

    /// Sets how long an answer is waited for; default 50 ms.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.store.timeout = timeout;
        self
    }

    /// Whether this is the first use of a value of some kind, which it is no second time for this long.
    pub(super) async fn is_first(
        &self,
        kind: &str,
        name: &Digest,
        life: Duration,
    ) -> Result<bool, OidcError> {
        let mut command = redis::cmd("SET");
        command
            .arg(self.key(kind, &encode(name)))
            .arg(1)
            .arg("NX")
            .arg("EX")
            .arg(life.as_secs().saturating_add(1));
        match self.ask(command).await? {
            Value::Okay => Ok(true),
            Value::Nil => Ok(false),
            // What cannot be read is no leave.
            _ => Err(OidcError::Unavailable),
        }
    }

    #[cfg(feature = "axum")]
    pub(super) async fn is_used(&self, kind: &str, name: &Digest) -> Result<bool, OidcError> {
        let mut command = redis::cmd("EXISTS");
        command.arg(self.key(kind, &encode(name)));
        match self.ask(command).await? {
            Value::Int(number) => Ok(number != 0),
            _ => Err(OidcError::Unavailable),
        }
    }

    pub(super) async fn ask(&self, command: Cmd) -> Result<Value, OidcError> {
        let answer = self.store.ask(command).await;
        answer.ok_or(OidcError::Unavailable)
    }

    /// All keys of one name have one hash tag.
    pub(super) fn key(&self, kind: &str, name: &str) -> String {
        format!("{{{}:{kind}:{name}}}", self.store.prefix)
    }
}

impl fmt::Debug for RedisSignIns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSignIns")
            .field("prefix", &self.store.prefix)
            .finish_non_exhaustive()
    }
}
