use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use palisade_core::Problems;
use palisade_core::time::WallClock;

use super::{Inner, JwtVerifier, Outage};
use crate::AuthError;
use crate::jwt::cache::TokenCache;
use crate::jwt::issuer::Issuer;
use crate::jwt::trusted::TrustedIssuer;
use crate::revocation::CheckRevocation;

/// Collects issuers and settings for a [`JwtVerifier`].
#[derive(Clone)]
pub struct JwtVerifierBuilder {
    issuers: Vec<Issuer>,
    cache: usize,
    revocation: Option<Arc<dyn CheckRevocation>>,
    outage: Outage,
    clock: WallClock,
}

impl JwtVerifier {
    /// Starts without any issuer.
    #[must_use]
    pub fn builder() -> JwtVerifierBuilder {
        JwtVerifierBuilder {
            issuers: Vec::new(),
            cache: Self::DEFAULT_CACHE,
            revocation: None,
            outage: Outage::Deny,
            clock: WallClock::system(),
        }
    }
}

impl JwtVerifierBuilder {
    /// Accepts the tokens of one more issuer.
    #[must_use]
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// Asks this store, for every request, whether the token was revoked. Default: nothing is ever revoked.
    ///
    /// With a store that [forgets](CheckRevocation::covered_lifetime) its marks, every token must say `iat`.
    #[must_use]
    pub fn revocation(mut self, store: impl CheckRevocation) -> Self {
        self.revocation = Some(Arc::new(store));
        self
    }

    /// Lets tokens pass while the store of revocations cannot be asked, and says so in the log each time. Default:
    /// they are refused with 503.
    ///
    /// # Security
    ///
    /// Whoever can keep the store from being reached can use a revoked token until it expires.
    #[must_use]
    pub const fn insecure_allow_on_outage(mut self) -> Self {
        self.outage = Outage::Allow;
        self
    }

    /// Sets how many verified tokens are remembered; 0 turns the cache off. Default 10,000.
    ///
    /// An entry lives to the token's `exp`, 5 minutes at most, and falls when the issuer's keys change. Expiry and
    /// revocation are asked for every request all the same.
    #[must_use]
    pub const fn cache(mut self, tokens: usize) -> Self {
        self.cache = tokens;
        self
    }

    /// Sets the clock that `exp`, `nbf` and `iat` are held against; default the system's.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// The verifier.
    ///
    /// # Errors
    ///
    /// Returns every problem at once: no issuer, two of one name, no audience, no key left for the allowed algorithms,
    /// a leeway over 60 seconds, a life of tokens that is longer than the store of revocations covers, a store that was
    /// given a setting after it was cloned.
    pub fn build(self) -> Result<JwtVerifier, AuthError> {
        let mut problems = Problems::none();
        if self.issuers.is_empty() {
            problems.push("issuers", "is empty");
        }
        let store = self.revocation.as_ref();
        if let Some(problem) = store.and_then(|store| store.problem()) {
            problems.push("revocation", problem);
        }
        let covered = store.and_then(|store| store.covered_lifetime());
        let mut issuers: Vec<TrustedIssuer> = Vec::with_capacity(self.issuers.len());
        let mut names = Vec::with_capacity(self.issuers.len());
        for (position, issuer) in self.issuers.into_iter().enumerate() {
            let prefix = format!("issuers[{position}].");
            if names.contains(&issuer.name) {
                problems.push(format!("{prefix}name"), "is that of another issuer");
            }
            names.push(issuer.name.clone());
            match issuer.build() {
                Ok(mut issuer) => {
                    if let Some(covered) = covered {
                        if issuer.rules.max_lifetime > covered {
                            problems.push(
                                format!("{prefix}max_lifetime"),
                                "is longer than the store of revocations keeps marks for",
                            );
                        }
                        issuer.rules.issued_at_required = true;
                    }
                    issuers.push(issuer);
                }
                Err(part) => problems.append(&prefix, part),
            }
        }
        // Whole names go before templates that they fit as well.
        issuers.sort_by_key(|issuer| issuer.tenants.is_some());
        Ok(problems.into_result(JwtVerifier(Arc::new(Inner {
            issuers,
            cache: NonZeroUsize::new(self.cache).map(TokenCache::new),
            revocation: self.revocation,
            outage: self.outage,
            clock: self.clock,
        })))?)
    }
}

impl fmt::Debug for JwtVerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifierBuilder")
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}
