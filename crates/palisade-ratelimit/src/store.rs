//! Stores of counts. A store checks all counts of a request and then charges all of them, or none.

#[cfg(feature = "redis")]
mod action;
#[cfg(feature = "redis")]
mod connection;
mod counts;
#[cfg(feature = "redis")]
mod deny_cache;
pub(crate) mod digest;
mod entry;
#[cfg(feature = "governor")]
pub(crate) mod governor;
#[cfg(feature = "redis")]
mod health;
mod keys;
#[cfg(feature = "redis")]
mod lease;
mod memory;
mod place;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_policy;
#[cfg(feature = "redis")]
mod reply;
#[cfg(feature = "redis")]
mod script;
#[cfg(feature = "redis")]
mod server;
mod set;
mod shard;
mod slot;
#[cfg(test)]
mod tests;

#[cfg(feature = "redis")]
pub(crate) use self::action::Action;
#[cfg(feature = "redis")]
pub(crate) use self::connection::{Answer, StoreError};
#[cfg(feature = "redis")]
pub(crate) use self::counts::charge_one_and_see;
pub(crate) use self::counts::{
    Charge, Charged, MAX_CHARGES, Table, charge, charge_and_see, charge_one,
};
pub use self::memory::Memory;
#[cfg(feature = "redis")]
pub use self::redis::{Outage, Redis};
#[cfg(feature = "redis")]
pub(crate) use self::redis_policy::RedisPolicy;
#[cfg(feature = "redis")]
pub(crate) use self::reply::Reply;

use palisade_core::Problems;

use crate::store::digest::Hasher;

/// The store of a layer's counts; made from a [`Memory`], or from a `Redis` with that feature.
#[derive(Debug, Clone, Default)]
pub struct Store {
    memory: Memory,
    #[cfg(feature = "redis")]
    redis: Option<Redis>,
}

impl Store {
    /// The memory of this process, whatever store counts the rest.
    pub(crate) fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// `None` when the operating system gave no random bytes.
    pub(crate) fn hasher(&self) -> Option<Hasher> {
        let hasher = self.memory.hasher()?;
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.redis {
            return Some(hasher.sharing(redis.keys().clone()));
        }
        Some(hasher)
    }

    /// Reports what a layer cannot be built on.
    pub(crate) fn check(&self, problems: &mut Problems) {
        if self.hasher().is_none() {
            problems.push("store", "the operating system gave no random bytes");
        }
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.redis
            && redis.prefix_text().contains(['{', '}'])
        {
            problems.push(
                "store.prefix",
                "has braces, by which a cluster would put all keys into one slot",
            );
        }
    }

    /// Looks at the server of a layer that was built, if there is one.
    pub(crate) fn check_soon(&self) {
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.redis {
            redis.check_server_soon();
        }
    }

    #[cfg(feature = "redis")]
    pub(crate) const fn redis(&self) -> Option<&Redis> {
        self.redis.as_ref()
    }
}

impl From<Memory> for Store {
    fn from(memory: Memory) -> Self {
        Self {
            memory,
            #[cfg(feature = "redis")]
            redis: None,
        }
    }
}

#[cfg(feature = "redis")]
impl From<Redis> for Store {
    fn from(redis: Redis) -> Self {
        Self {
            memory: redis.memory(),
            redis: Some(redis),
        }
    }
}
