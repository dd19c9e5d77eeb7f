//! Sharing through Redis: transitions as news, never a count, and never on the way of a call.

mod entries;
mod link;
mod task;
mod wire;

use std::fmt;

use palisade_core::Name;

pub use self::task::SharingTask;
pub(crate) use self::wire::{Change, Wire};
use crate::{BreakerHandle, KeyedHandle, PeerTrust};

/// Tells other processes when a breaker opens or closes, and hears of theirs, through Redis or Valkey.
///
/// A task in the background does it all: no call waits for Redis, and a Redis that is down only means that every
/// process is on its own, as without sharing. The task then tries again after a random while of up to 5 s.
///
/// - When a breaker opens, its name is published and kept in Redis for as long as it stays open.
/// - A process that starts while its own breaker of the last run would still be open opens it for the time left; that
///   needs the same `instance` as in the last run.
/// - What the news of others does is up to [`trust`](Self::trust).
///
/// Breakers are told apart by their names, and those of a keyed layer by name and key. Those that a person forced open,
/// disabled or reset are not spoken of.
///
/// The memory in Redis is bounded: one sorted set a name, with an entry for each instance and key that is open,
/// at most as many as the layer remembers keys, and gone when the last of them is over; in the process a queue of 1,024
/// transitions. If more come than Redis takes, the task looks anew at what stands when it has caught up.
///
/// # Security
///
/// Whoever can publish in that Redis can open the breakers of a process that trusts [`PeerTrust::Immediate`], for up to
/// [`longest_open`](crate::BreakerLayer::longest_open) a time, and fill the places of keys. Keys are stored and
/// published as they are, so they must hold no secret.
///
/// # Example
///
/// ```no_run
/// use palisade_breaker::{BreakerLayer, ByAuthority, RedisSharing};
///
/// # async fn share() -> Result<(), Box<dyn std::error::Error>> {
/// let billing = BreakerLayer::http("billing").leak();
/// let outbound = BreakerLayer::http("outbound").keyed(ByAuthority::new()).leak();
/// let client = redis::Client::open("redis://localhost")?;
/// let sharing = RedisSharing::new(client, "api-1")
///     .add_breaker(billing.handle())
///     .add_keyed(outbound.handle())
///     .spawn();
/// # drop(sharing);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisSharing {
    client: redis::Client,
    instance: String,
    prefix: String,
    trust: PeerTrust,
    breakers: Vec<BreakerHandle>,
    keyed: Vec<KeyedHandle>,
}

impl RedisSharing {
    /// Sharing through the Redis of this client, as this instance: a name that no other process uses and that survives a
    /// restart, such as that of a pod in a stateful set. Spaces become dashes.
    #[must_use]
    pub fn new(client: redis::Client, instance: impl AsRef<str>) -> Self {
        Self {
            client,
            instance: instance.as_ref().replace(char::is_whitespace, "-"),
            prefix: "palisade:breaker".to_owned(),
            trust: PeerTrust::default(),
            breakers: Vec::new(),
            keyed: Vec::new(),
        }
    }

    /// Shares this breaker too.
    #[must_use]
    pub fn add_breaker(mut self, breaker: BreakerHandle) -> Self {
        self.breakers.push(breaker);
        self
    }

    /// Shares the breakers of this keyed layer too. News of a key that is not remembered here makes a breaker for it,
    /// if there is room.
    #[must_use]
    pub fn add_keyed(mut self, breakers: KeyedHandle) -> Self {
        self.keyed.push(breakers);
        self
    }

    /// Sets the trust in news that another process has opened its breaker; default [`PeerTrust::Advisory`].
    #[must_use]
    pub const fn trust(mut self, trust: PeerTrust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets the prefix of the keys and the channel; default `palisade:breaker`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    fn wires(&self) -> impl Iterator<Item = (Name, &Wire)> {
        let single = self.breakers.iter().map(|breaker| &*breaker.0.setup);
        let keyed = self.keyed.iter().map(|keyed| keyed.0.setup());
        single.chain(keyed).map(|setup| (setup.name, &setup.wire))
    }
}

impl fmt::Debug for RedisSharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the client, whose address may hold a password.
        f.debug_struct("RedisSharing")
            .field("instance", &self.instance)
            .field("prefix", &self.prefix)
            .field("trust", &self.trust)
            .field("breakers", &self.breakers)
            .field("keyed", &self.keyed)
            .finish_non_exhaustive()
    }
}
