use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use palisade_core::Problems;
use palisade_core::time::WallClock;

use super::family::Rules;
use super::{Inner, RefreshTokens};
use crate::revocation::RevokeSession;
use crate::{AuthError, HmacKeys};

/// Collects the settings of [`RefreshTokens`].
#[derive(Clone)]
pub struct RefreshTokensBuilder {
    keys: HmacKeys,
    rules: Rules,
    max_families: usize,
    clock: WallClock,
    sessions: Option<Arc<dyn RevokeSession>>,
}

impl RefreshTokens {
    /// Families in memory; the secret makes tokens that nobody else can make up.
    #[must_use]
    pub fn memory(keys: HmacKeys) -> RefreshTokensBuilder {
        RefreshTokensBuilder {
            keys,
            rules: Rules {
                lifetime: Self::DEFAULT_LIFETIME,
                idle: Self::DEFAULT_IDLE,
                grace: Self::DEFAULT_GRACE,
            },
            max_families: Self::DEFAULT_FAMILIES,
            clock: WallClock::system(),
            sessions: None,
        }
    }
}

impl RefreshTokensBuilder {
    /// Sets the longest life of a family, whatever happens; default 30 days.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.rules.lifetime = lifetime;
        self
    }

    /// Sets the longest pause between two uses; default 7 days.
    #[must_use]
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.rules.idle = idle;
        self
    }

    /// Sets for how long a token just used gets the same successor again; default 10 seconds, at most 60.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.rules.grace = grace;
        self
    }

    /// Sets how many families there may be at once, of all users together; default 100,000. Those that are over do not count
    /// once there is no room left.
    #[must_use]
    pub const fn max_families(mut self, families: usize) -> Self {
        self.max_families = families;
        self
    }

    /// Revokes the access tokens of a session together with its family.
    #[must_use]
    pub fn revoking(mut self, sessions: impl RevokeSession) -> Self {
        self.sessions = Some(Arc::new(sessions));
        self
    }

    /// Sets the clock; default the system's.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// The refresh tokens.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of its range.
    pub fn build(self) -> Result<RefreshTokens, AuthError> {
        let mut problems = Problems::none();
        if self.rules.lifetime.is_zero() || self.rules.idle.is_zero() {
            problems.push("lifetime", "or idle is zero");
        }
        if self.rules.grace > Duration::from_secs(60) {
            problems.push("grace", "is over 60 seconds");
        }
        if self.max_families == 0 {
            problems.push("max_families", "is 0, must be at least 1");
        }
        Ok(problems.into_result(RefreshTokens(Arc::new(Inner {
            keys: self.keys,
            rules: self.rules,
            max_families: self.max_families,
            clock: self.clock,
            sessions: self.sessions,
            shards: Default::default(),
            count: AtomicUsize::new(0),
            swept_at: AtomicU64::new(0),
        })))?)
    }
}

impl fmt::Debug for RefreshTokensBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokensBuilder")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
