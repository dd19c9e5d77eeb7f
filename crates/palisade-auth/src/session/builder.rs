use std::sync::{Arc, RwLock};
use std::time::Duration;

use palisade_core::Problems;
use palisade_core::time::WallClock;

use super::cookie::Transport;
use super::{Inner, Sessions};
use crate::AuthError;

/// Collects the settings of [`Sessions`].
#[derive(Debug, Clone)]
pub struct SessionsBuilder {
    name: Box<str>,
    transport: Transport,
    idle: Duration,
    lifetime: Duration,
    max_sessions: usize,
    clock: WallClock,
}

impl Sessions {
    /// Sessions in memory.
    #[must_use]
    pub fn memory() -> SessionsBuilder {
        SessionsBuilder {
            name: "session".into(),
            transport: Transport::Secure,
            idle: Self::DEFAULT_IDLE,
            lifetime: Self::DEFAULT_LIFETIME,
            max_sessions: 100_000,
            clock: WallClock::system(),
        }
    }
}

impl SessionsBuilder {
    /// Sets the name of the cookie after `__Host-`; default `session`.
    #[must_use]
    pub fn cookie_name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Lets the cookie travel over plain http, and so leaves `__Host-` and `Secure` out: for development alone.
    #[must_use]
    pub const fn insecure_plain_http(mut self) -> Self {
        self.transport = Transport::Plain;
        self
    }

    /// Sets after how long without a request a session ends; default 30 minutes.
    #[must_use]
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets after how long a session ends whatever happens; default 12 hours.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets how many sessions there may be; default 100,000.
    #[must_use]
    pub const fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// Sets the clock; default the system's.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// The sessions.
    ///
    /// # Errors
    ///
    /// Returns every setting that cannot be used.
    pub fn build(self) -> Result<Sessions, AuthError> {
        let max_sessions = self.max_sessions;
        let Cookies {
            cookie,
            transport,
            idle,
            lifetime,
            clock,
        } = self.cookies()?;
        Ok(Sessions(Arc::new(Inner {
            cookie,
            transport,
            idle,
            lifetime,
            max_sessions,
            clock,
            entries: RwLock::default(),
        })))
    }

    /// The settings that do not depend on where sessions are kept.
    pub(super) fn cookies(self) -> Result<Cookies, AuthError> {
        let mut problems = Problems::none();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if self.name.is_empty() || !self.name.bytes().all(plain) {
            problems.push("cookie_name", "is not of A-Z, a-z, 0-9, '-', '_' and '.'");
        }
        if self.idle.as_secs() == 0 || self.lifetime.as_secs() == 0 {
            problems.push("lifetime", "or idle is under one second");
        }
        if self.max_sessions == 0 {
            problems.push("max_sessions", "is 0, must be at least 1");
        }
        Ok(problems.into_result(Cookies {
            cookie: self.transport.cookie_name(&self.name).into(),
            transport: self.transport,
            idle: self.idle,
            lifetime: self.lifetime,
            clock: self.clock,
        })?)
    }
}

/// The settings of the cookies of sessions, once they were looked at.
pub(super) struct Cookies {
    pub(super) cookie: Box<str>,
    pub(super) transport: Transport,
    pub(super) idle: Duration,
    pub(super) lifetime: Duration,
    pub(super) clock: WallClock,
}
