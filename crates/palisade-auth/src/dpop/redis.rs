use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use redis::aio::ConnectionLike;

use super::proof::Proof;
use crate::Refusal;
use crate::jwt::parse::encode;
use crate::store::{Store, settle};

/// DPoP proofs that were used, in Redis or Valkey, so that of all instances together one accepts a proof once. Clones share
/// the connection.
///
/// Takes any connection of the `redis` crate that can be cloned; a managed one, which reconnects by itself, is the right
/// one for servers. While Redis cannot be asked, requests with proofs are refused with 503. A proof that Redis loses, by
/// `FLUSHALL`, eviction or a restart without persistence, could be used again for the rest of its minute.
///
/// Make every setting before it is cloned. One that comes later would reach one of the clones alone:
/// [`Dpop`](crate::Dpop) is not built with it then, all calls are refused as though Redis
/// could not be asked, and the log says why.
///
/// # Example
///
/// ```no_run
/// use palisade_auth::{Dpop, RedisProofs};
/// # fn example(connection: redis::aio::MultiplexedConnection) -> Result<(), palisade_auth::AuthError> {
///
/// let dpop = Dpop::builder()
///     .base("https://bookings.example")
///     .redis(RedisProofs::new(connection))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisProofs(Arc<Store>);

impl RedisProofs {
    /// Names with the prefix `palisade`, and a timeout of 50 ms.
    #[must_use]
    pub fn new(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self(Arc::new(Store::new(connection)))
    }

    /// Sets what the names of all keys begin with; default `palisade`. To be called before the value is cloned.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self(settle(self.0, "RedisProofs", |store| {
            store.prefix = prefix.into();
        }))
    }

    /// Sets how long an answer is waited for; default 50 ms. To be called before the value is cloned.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(settle(self.0, "RedisProofs", |store| {
            store.timeout = timeout;
        }))
    }

    /// The mistake in its settings.
    pub(super) fn problem(&self) -> Option<&'static str> {
        self.0.problem()
    }

    /// Remembers a proof, unless it is known already.
    pub(super) async fn remember(&self, proof: &Proof, life: Duration) -> Result<(), Refusal> {
        let mut command = redis::cmd("SET");
        command
            .arg(format!("{}:dpop:{}", self.0.prefix, encode(proof.id)))
            .arg(1)
            .arg("NX")
            .arg("EX")
            .arg(life.as_secs().saturating_add(1));
        match self.0.ask(command).await {
            None => Err(Refusal::StoreUnavailable),
            Some(Value::Nil) => Err(Refusal::DpopProofReplayed),
            Some(Value::Okay) => Ok(()),
            // What cannot be read is no leave.
            Some(_) => Err(Refusal::StoreUnavailable),
        }
    }
}

impl fmt::Debug for RedisProofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisProofs")
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}
