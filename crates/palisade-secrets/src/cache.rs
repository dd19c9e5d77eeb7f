//! The state of each secret in the cache, and the decisions about it.

use std::sync::Arc;
use std::time::Duration;

use palisade_core::time::Instant;

use crate::{ProviderError, Secret};

/// The least time from reading a secret to reading it anew because it was not accepted.
const COMPLAINTS_APART: Duration = Duration::from_secs(10);

/// The times for which what is known stays good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) ttl: Duration,
    pub(crate) max_stale: Duration,
    pub(crate) negative_ttl: Duration,
    /// The time that a provider may take.
    pub(crate) provider: Duration,
}

impl Times {
    /// The same for a secret that ends after this time.
    pub(crate) fn within(self, good_for: Option<Duration>) -> Self {
        match good_for {
            None => self,
            Some(end) => Self {
                ttl: self.ttl.min(end),
                max_stale: self.max_stale.min(end),
                ..self
            },
        }
    }

    /// Returns how long to leave a source alone after it failed: a tenth of the time to live, 1 to 30 s.
    pub(crate) fn pause(self) -> Duration {
        (self.ttl / 10).clamp(Duration::from_secs(1), Duration::from_secs(30))
    }
}

/// Everything known about the secrets of one stage, replaced as a whole.
///
/// Sorted by length and then by text: lengths mostly tell names apart, at the price of comparing two numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot(Vec<(Box<str>, Arc<Known>)>);

impl Snapshot {
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Known>> {
        let at = self.place_of(name).ok()?;
        self.0.get(at).map(|(_, known)| known)
    }

    /// The same, but for one secret.
    pub(crate) fn with(&self, name: &str, known: Arc<Known>) -> Self {
        let mut next = self.clone();
        match next.place_of(name) {
            Ok(at) => next.0[at].1 = known,
            Err(at) => next.0.insert(at, (name.into(), known)),
        }
        next
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    #[inline]
    fn place_of(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| {
            (known.len().cmp(&name.len())).then_with(|| known.as_bytes().cmp(name.as_bytes()))
        })
    }
}

/// The state of one secret. It never changes; a newer one takes its place.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) secret: Option<Secret>,
    /// The reason why the latest attempt failed, if it did.
    pub(crate) failure: Option<Failure>,
    /// Counts the attempts, so that who waited for one sees that it was made.
    pub(crate) attempt: u64,
    /// Nothing for a secret that never changes.
    life: Option<Life>,
    /// Held by whoever asks the providers.
    pub(crate) flight: Arc<tokio::sync::Mutex<()>>,
}

/// The provider that failed, and its error.
pub(crate) type Failure = (palisade_core::Name, ProviderError);

#[derive(Debug, Clone, Copy)]
struct Life {
    read_at: Instant,
    /// The time to ask again.
    refresh_at: Instant,
    fresh_until: Instant,
    stale_until: Instant,
}

/// The way to answer a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Use it as it is: the secret, or that there is none.
    Use,
    /// Use it, and let somebody ask again meanwhile.
    UseAndRefresh,
    /// Ask again first.
    Refresh,
    /// Too old, and not to be asked for yet.
    Stale,
}

impl Known {
    /// Nothing yet.
    pub(crate) fn unread(now: Instant) -> Self {
        Self {
            secret: None,
            failure: None,
            attempt: 0,
            life: Some(Life {
                read_at: now,
                refresh_at: now,
                fresh_until: now,
                stale_until: now,
            }),
            flight: Arc::default(),
        }
    }

    /// Returns the state after a provider gave the secret.
    ///
    /// `jitter` is 0 to 1, and spreads the next read over 72 to 88 % of the time to live; the one after the first read
    /// over 8 to 80 %, because instances start together and would otherwise stay together for many rounds.
    pub(crate) fn found(
        &self,
        secret: Secret,
        fixed: bool,
        times: Times,
        now: Instant,
        jitter: f64,
    ) -> Self {
        let jitter = jitter.clamp(0.0, 1.0);
        let ahead = times.ttl.mul_f64(match self.secret {
            Some(_) => 0.72 + 0.16 * jitter,
            None => 0.08 + 0.72 * jitter,
        });
        self.next(
            Some(secret),
            None,
            (!fixed).then(|| Life {
                read_at: now,
                refresh_at: now + ahead,
                fresh_until: now + times.ttl,
                stale_until: now + times.ttl.max(times.max_stale),
            }),
        )
    }

    /// Returns the state after every provider said that it is not there.
    pub(crate) fn absent(&self, times: Times, now: Instant) -> Self {
        let until = now + times.negative_ttl;
        self.next(
            None,
            None,
            Some(Life {
                read_at: now,
                refresh_at: until,
                fresh_until: until,
                stale_until: until,
            }),
        )
    }

    /// Returns the state after a provider failed: as much is known as before.
    pub(crate) fn failed(&self, failure: Failure, times: Times, now: Instant) -> Self {
        let life = self.life.map(|life| Life {
            refresh_at: now + times.pause(),
            ..life
        });
        self.next(self.secret.clone(), Some(failure), life)
    }

    /// Whether it is long enough since the latest read to take a complaint for news. It is none where the next reader
    /// waits for a new read anyway.
    pub(crate) fn may_be_rejected(&self, now: Instant) -> bool {
        self.life
            .is_some_and(|life| now >= life.read_at + COMPLAINTS_APART && now < life.fresh_until)
    }

    /// Returns the state once somebody says that the secret is no longer accepted.
    pub(crate) fn rejected(&self, now: Instant) -> Self {
        let life = self.life.map(|life| Life {
            refresh_at: now,
            fresh_until: now.min(life.fresh_until),
            ..life
        });
        Self {
            attempt: self.attempt,
            ..self.next(self.secret.clone(), self.failure.clone(), life)
        }
    }

    fn next(&self, secret: Option<Secret>, failure: Option<Failure>, life: Option<Life>) -> Self {
        Self {
            secret,
            failure,
            attempt: self.attempt + 1,
            life,
            flight: Arc::clone(&self.flight),
        }
    }

    /// Whether the secret never changes, so that no clock need be read.
    pub(crate) const fn is_fixed(&self) -> bool {
        self.life.is_none()
    }

    #[inline]
    pub(crate) fn decide(&self, now: Instant) -> Decision {
        let Some(life) = self.life else {
            return Decision::Use;
        };
        let has_secret = self.secret.is_some();
        match (now < life.refresh_at, has_secret) {
            (true, false) => Decision::Use,
            // It is never stale before it is no longer fresh.
            (true, true) if now < life.stale_until => Decision::Use,
            (true, true) => Decision::Stale,
            (false, true) if now < life.fresh_until => Decision::UseAndRefresh,
            (false, _) => Decision::Refresh,
        }
    }

    /// Whether the secret may still be used although it could not be read anew.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        self.secret.is_some() && self.life.is_none_or(|life| now < life.stale_until)
    }

    /// Returns the time to ask again; nothing for a secret that never changes.
    pub(crate) fn refresh_at(&self) -> Option<Instant> {
        self.life.map(|life| life.refresh_at)
    }

    /// Returns the age of the secret.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.life.map_or(Duration::ZERO, |life| {
            now.saturating_duration_since(life.read_at)
        })
    }
}

#[cfg(test)]
mod tests;
