use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::time::WallClock;
use redis::aio::ConnectionLike;

use super::{Inner, RedisSessions};
use crate::session::builder::{Cookies, SessionsBuilder};
use crate::store::Store;
use crate::{AuthError, HmacKeys, Sessions};

/// Collects the settings of [`RedisSessions`].
pub struct RedisSessionsBuilder {
    keys: HmacKeys,
    store: Store,
    settings: SessionsBuilder,
}

impl RedisSessions {
    /// Sessions behind this connection, with the prefix `palisade`, a timeout of 50 ms, the system's clock, and the
    /// cookie and lifetimes of [`Sessions`].
    ///
    /// Takes any connection of the `redis` crate that can be cloned; a managed one, which reconnects by itself, is the
    /// right one for servers.
    #[must_use]
    pub fn builder(
        keys: HmacKeys,
        connection: impl ConnectionLike + Clone + Send + Sync + 'static,
    ) -> RedisSessionsBuilder {
        RedisSessionsBuilder {
            keys,
            store: Store::new(connection),
            settings: Sessions::memory(),
        }
    }
}

impl RedisSessionsBuilder {
    /// Sets what the names of all keys begin with; default `palisade`.
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

    /// Sets the name of the cookie after `__Host-`; default `session`.
    #[must_use]
    pub fn cookie_name(self, name: &str) -> Self {
        self.with(|settings| settings.cookie_name(name))
    }

    /// Lets the cookie travel over plain http, and so leaves `__Host-` and `Secure` out: for development alone.
    #[must_use]
    pub fn insecure_plain_http(self) -> Self {
        self.with(SessionsBuilder::insecure_plain_http)
    }

    /// Sets after how long without a request a session ends, in whole seconds; default 30 minutes.
    #[must_use]
    pub fn idle(self, idle: Duration) -> Self {
        self.with(|settings| settings.idle(idle))
    }

    /// Sets after how long a session ends whatever happens, in whole seconds; default 12 hours.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        self.with(|settings| settings.lifetime(lifetime))
    }

    /// Sets the clock; default the system's.
    #[must_use]
    pub fn clock(self, clock: WallClock) -> Self {
        self.with(|settings| settings.clock(clock))
    }

    fn with(mut self, change: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> Self {
        self.settings = change(self.settings);
        self
    }

    /// The sessions. Nothing is asked of Redis yet.
    ///
    /// # Errors
    ///
    /// Returns every setting that cannot be used.
    pub fn build(self) -> Result<RedisSessions, AuthError> {
        let Cookies {
            cookie,
            transport,
            idle,
            lifetime,
            clock,
        } = self.settings.cookies()?;
        Ok(RedisSessions(Arc::new(Inner {
            keys: self.keys,
            store: self.store,
            cookie,
            transport,
            idle,
            lifetime,
            clock,
        })))
    }
}

impl fmt::Debug for RedisSessionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSessionsBuilder")
            .field("prefix", &self.store.prefix)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
