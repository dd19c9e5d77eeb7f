use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use palisade_core::Problems;
use palisade_core::time::WallClock;

use super::nonce::Nonces;
use super::replays::MemoryProofs;
use super::target::Base;
use super::{Dpop, Inner, Used};
use crate::AuthError;

/// Collects the settings of [`Dpop`].
pub struct DpopBuilder {
    bases: Vec<Box<str>>,
    algorithms: Vec<Algorithm>,
    max_age: Duration,
    nonces: Option<Nonces>,
    used: Used,
    clock: WallClock,
}

impl Dpop {
    /// Starts without any address.
    #[must_use]
    pub fn builder() -> DpopBuilder {
        DpopBuilder {
            bases: Vec::new(),
            algorithms: vec![Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA],
            max_age: Self::DEFAULT_AGE,
            nonces: None,
            used: Used::Memory(Box::new(MemoryProofs::new(Self::DEFAULT_REMEMBERED))),
            clock: WallClock::system(),
        }
    }
}

impl DpopBuilder {
    /// Adds an address under which clients know this service, such as `https://bookings.example`, with the prefix that a
    /// proxy strips, if one does: `https://example.com/bookings`. At least one is required: the header `Host` is what its
    /// sender writes, and behind a proxy neither scheme nor name are those that the client used.
    #[must_use]
    pub fn base(mut self, url: &str) -> Self {
        self.bases.push(url.into());
        self
    }

    /// Sets the algorithms that proofs may use; default `ES256`, `ES384` and `EdDSA`, whose keys and signatures are short.
    /// Those of RSA cost their sender more than they cost here.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Sets the age to which a proof is accepted: 1 second to 5 minutes, default 60 seconds. Proofs of clocks that are up
    /// to 30 seconds fast are accepted as well; for clients whose clocks are worse, ask for [nonces](Self::nonces) and
    /// allow 5 minutes.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Asks for a nonce of this server in every proof (RFC 9449, section 9), which shows that the proof was not made long
    /// before it was sent. A request without one, or with one that is over 5 minutes old, gets a new one with its refusal.
    ///
    /// All instances need the same secret: at least 32 bytes from a random generator. Nothing is kept of a nonce.
    ///
    /// # Errors
    ///
    /// Refuses a secret that is too short, a well-known placeholder, or too regular to be random.
    pub fn nonces(mut self, secret: impl AsRef<[u8]>) -> Result<Self, AuthError> {
        self.nonces = Some(Nonces::new(secret.as_ref())?);
        Ok(self)
    }

    /// Sets how many proofs are remembered in memory; default 500,000, of which half may come within
    /// [`max_age`](Self::max_age) and 30 seconds, and one key may have a sixteenth of those. More are refused with 503.
    #[must_use]
    pub fn remembered(mut self, proofs: NonZeroUsize) -> Self {
        self.used = Used::Memory(Box::new(MemoryProofs::new(proofs.get())));
        self
    }

    /// Remembers proofs in Redis, for all instances together. While Redis cannot be asked, requests are refused with 503.
    #[cfg(feature = "redis")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
    #[must_use]
    pub fn redis(mut self, proofs: super::RedisProofs) -> Self {
        self.used = Used::Redis(proofs);
        self
    }

    /// Sets the clock; default the system's.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// The check.
    ///
    /// # Errors
    ///
    /// Returns every setting that cannot be used: no address, one that is not `http` or `https` or has a query, no
    /// algorithm, one with a shared secret, an age under 1 second or over 5 minutes, a store that was given a setting after it
    /// was cloned.
    pub fn build(self) -> Result<Dpop, AuthError> {
        let mut problems = Problems::none();
        if self.bases.is_empty() {
            problems.push("base", "is missing");
        }
        let mut bases = Vec::with_capacity(self.bases.len());
        for (position, base) in self.bases.iter().enumerate() {
            match Base::parse(base) {
                Some(base) => bases.push(base),
                None => problems.push(format!("base[{position}]"), "is not the URL of a service"),
            }
        }
        if self.algorithms.is_empty() {
            problems.push("algorithms", "is empty");
        }
        let symmetric = |algorithm: &Algorithm| algorithm.family() == AlgorithmFamily::Hmac;
        if self.algorithms.iter().any(symmetric) {
            problems.push("algorithms", "has one with a shared secret");
        }
        if !(Duration::from_secs(1)..=Dpop::MAX_AGE).contains(&self.max_age) {
            problems.push("max_age", "is not from 1 second to 5 minutes");
        }
        #[cfg(feature = "redis")]
        if let Used::Redis(proofs) = &self.used
            && let Some(problem) = proofs.problem()
        {
            problems.push("redis", problem);
        }
        Ok(problems.into_result(Dpop(Arc::new(Inner {
            bases,
            algorithms: self.algorithms,
            max_age: self.max_age,
            nonces: self.nonces,
            used: self.used,
            clock: self.clock,
        })))?)
    }
}

impl fmt::Debug for DpopBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopBuilder")
            .field("bases", &self.bases)
            .field("algorithms", &self.algorithms)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}
