mod change;
mod kept;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::Principal;
use palisade_core::time::{UnixTime, WallClock};
use redis::aio::ConnectionLike;
use redis::{Cmd, Value};

use super::format::valid_prefix;
use super::record::ApiKeyRecord;
use crate::digest::{Digest, sha256};
use crate::jwt::parse::encode;
use crate::store::{HasStore, Store, number_of, settle, text_of};
use crate::{AuthError, HmacKeys, Refusal};

const FIND: &str = include_str!("find.lua");

/// API keys in Redis or Valkey, shared by every instance; otherwise as [`MemoryApiKeys`](crate::MemoryApiKeys). Clones
/// share the connection.
///
/// Each request with an API key asks once, by one script, which notes the last use as well: once a second a key at most.
/// In a Cluster, all keys lie on one node, so that those of a subject can be ended together. A key whose form or check
/// sum is wrong is refused without asking. One that has expired is forgotten a day later.
///
/// # Outage
///
/// While Redis cannot be asked, requests that come with an API key are refused with 503. Requests with other credentials
/// pass. A key that Redis loses, by eviction or a restart without persistence, is a key revoked: keep the records
/// elsewhere and [`insert`](Self::insert) them, or let Redis persist.
///
/// Make every setting before it is cloned. One that comes later would reach one of the clones alone: then all calls
/// are refused as though Redis could not be asked, and the log says why.
///
/// # Security
///
/// Redis holds digests of secrets, and owners under a MAC, so that who can write there can neither make up a key nor give
/// it a scope. He can put back a key or a secret that had ended.
///
/// # Example
///
/// ```no_run
/// use palisade_auth::{ApiKeyOwner, AuthLayer, HmacKeys, RedisApiKeys};
/// use palisade_core::Principal;
/// # async fn example(connection: redis::aio::MultiplexedConnection, secret: &str)
/// # -> Result<(), Box<dyn std::error::Error>> {
///
/// let keys = RedisApiKeys::new("pal", HmacKeys::current(secret)?, connection)?;
/// let layer = AuthLayer::new().api_keys(keys.clone());
///
/// let partner = Principal::service("any", "partner").scopes(["read"]);
/// let key = keys.create(ApiKeyOwner::new(partner)).await?;
/// println!("{}", key.as_str());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisApiKeys(Arc<Inner>);

struct Inner {
    prefix: Box<str>,
    keys: HmacKeys,
    store: Store,
    clock: WallClock,
}

impl HasStore for Inner {
    fn store(&self) -> &Store {
        &self.store
    }
}

impl RedisApiKeys {
    /// Keys behind this connection that start with `prefix` and an underscore; names in Redis begin with `palisade`, and
    /// an answer is waited for 50 ms.
    ///
    /// Takes any connection of the `redis` crate that can be cloned; a managed one, which reconnects by itself, is the
    /// right one for servers.
    ///
    /// # Errors
    ///
    /// Refuses a prefix that is not 2 to 12 of `a-z` and `0-9`.
    pub fn new(
        prefix: &str,
        keys: HmacKeys,
        connection: impl ConnectionLike + Clone + Send + Sync + 'static,
    ) -> Result<Self, AuthError> {
        Ok(Self(Arc::new(Inner {
            prefix: valid_prefix(prefix)?,
            keys,
            store: Store::new(connection),
            clock: WallClock::system(),
        })))
    }

    /// Sets what the names in Redis begin with; default `palisade`. To be called before the value is cloned.
    #[must_use]
    pub fn store_prefix(self, prefix: &str) -> Self {
        self.with(|inner| inner.store.prefix = prefix.into())
    }

    /// Sets how long an answer is waited for; default 50 ms. To be called before the value is cloned.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|inner| inner.store.timeout = timeout)
    }

    /// Sets the clock; default the system's. To be called before the value is cloned.
    #[must_use]
    pub fn clock(self, clock: WallClock) -> Self {
        self.with(|inner| inner.clock = clock)
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        Self(settle(self.0, "RedisApiKeys", change))
    }

    /// Returns when a key was used last, to the second; `None` for an unknown key and for one that was never used.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when Redis could not be asked.
    pub async fn last_used(&self, id: &str) -> Result<Option<UnixTime>, Refusal> {
        let mut command = redis::cmd("HGET");
        command.arg(self.key(id)).arg("used");
        let used = self.ask(command).await?;
        Ok(number_of(&used).map(UnixTime::from_secs))
    }

    /// The record of a key; nothing for one that there is not.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when Redis could not be asked.
    pub async fn record(&self, id: &str) -> Result<Option<ApiKeyRecord>, Refusal> {
        self.find(id, "").await
    }

    pub(super) async fn check(
        &self,
        id: &str,
        presented: &Digest,
        now: UnixTime,
    ) -> Result<Arc<Principal>, Refusal> {
        let record = self.find(id, &encode(presented)).await?;
        record.ok_or(Refusal::KeyUnknown)?.check(presented, now)
    }

    /// Whether there still is such a key.
    pub(super) async fn check_again(&self, id: &str, now: UnixTime) -> Result<(), Refusal> {
        let record = self.find(id, "").await?;
        record.ok_or(Refusal::KeyUnknown)?.check_expiry(now)
    }

    async fn find(&self, id: &str, presented: &str) -> Result<Option<ApiKeyRecord>, Refusal> {
        let mut command = redis::cmd("EVAL");
        command
            .arg(FIND)
            .arg(1)
            .arg(self.key(id))
            .arg(presented)
            .arg(self.0.clock.now().as_secs());
        let Value::Array(kept) = self.ask(command).await? else {
            return Err(Refusal::StoreUnavailable);
        };
        let mut texts = kept.iter().map(text_of);
        let Some(owner) = texts.next().flatten() else {
            return Ok(None);
        };
        let secrets = texts.take(2).flatten();
        Ok(kept::opened(&self.0.keys, id, owner, secrets))
    }

    async fn ask(&self, command: Cmd) -> Result<Value, Refusal> {
        let answer = self.0.store.ask(command).await;
        answer.ok_or(Refusal::StoreUnavailable)
    }

    pub(super) fn prefix(&self) -> &str {
        &self.0.prefix
    }

    pub(super) fn clock_of(&self) -> WallClock {
        self.0.clock.clone()
    }

    fn key(&self, id: &str) -> String {
        format!("{{{}:api-keys}}:key:{id}", self.0.store.prefix)
    }

    /// The list of a subject's keys, under a name which tells nobody whose it is.
    fn list(&self, issuer: &str, subject: &str) -> String {
        let name = format!("{}:{issuer}{subject}", issuer.len());
        let digest = encode(sha256(name.as_bytes()));
        format!("{{{}:api-keys}}:of:{digest}", self.0.store.prefix)
    }
}

impl fmt::Debug for RedisApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisApiKeys")
            .field("prefix", &self.0.prefix)
            .field("store_prefix", &self.0.store.prefix)
            .finish_non_exhaustive()
    }
}
