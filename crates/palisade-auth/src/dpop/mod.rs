//! Proofs of possession for access tokens (RFC 9449).

mod builder;
mod nonce;
mod proof;
#[cfg(feature = "redis")]
mod redis;
mod replays;
mod target;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jsonwebtoken::Algorithm;
use palisade_core::time::WallClock;
use palisade_core::{Principal, sent_path, time};

pub use self::builder::DpopBuilder;
use self::nonce::Nonces;
use self::proof::{Proof, Wanted, verify};
#[cfg(feature = "redis")]
pub use self::redis::RedisProofs;
use self::replays::MemoryProofs;
use self::target::Base;
use crate::Refusal;
use crate::credential::only;
use crate::jwt::Confirmation;
use crate::jwt::issuer::Issuer;
use crate::outcome::Outcome;

/// The header of a proof.
pub(crate) const PROOF: HeaderName = HeaderName::from_static("dpop");
/// The header of a nonce for the next proof.
pub(crate) const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The check of DPoP proofs (RFC 9449): signatures by which the sender of a request shows that he has the key that its
/// token is bound to, so that a token that was stolen is of no use. Clones share what was seen.
///
/// A proof must be a JWT of type `dpop+jwt`, signed with the public key in its header by one of the
/// [algorithms](DpopBuilder::algorithms), for the method and the address of the request (`htm`, `htu`) and for its token
/// (`ath`), made within the last [minute](DpopBuilder::max_age) (`iat`), and not used before (`jti`).
///
/// # Example
///
/// ```
/// use palisade_auth::{AuthLayer, Dpop, HmacKeys, JwtVerifier, TokenIssuer};
/// # let secret = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
///
/// let tokens = TokenIssuer::hmac("bookings", HmacKeys::current(secret)?)
///     .audience("api://bookings")
///     .build()?;
/// let jwt = JwtVerifier::builder()
///     .issuer(tokens.issuer().sender_constrained())
///     .build()?;
/// let dpop = Dpop::builder().base("https://bookings.example").build()?;
/// let layer = AuthLayer::new().bearer(jwt).dpop(dpop);
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
///
/// Whoever issues tokens asks for a proof too, and binds the token to its key:
/// `tokens.issue_bound(&principal, &claims, &dpop.confirm(&parts).await?)`.
///
/// # Security
///
/// Proofs that were used are remembered in memory, so that of several instances each accepts a proof once. With feature
/// `redis` all of them share `RedisProofs`.
#[derive(Clone)]
pub struct Dpop(Arc<Inner>);

struct Inner {
    bases: Vec<Base>,
    algorithms: Vec<Algorithm>,
    max_age: Duration,
    nonces: Option<Nonces>,
    used: Used,
    clock: WallClock,
}

/// The place where proofs that were used are remembered.
enum Used {
    Memory(Box<MemoryProofs>),
    #[cfg(feature = "redis")]
    Redis(RedisProofs),
}

/// The part of a request that a proof is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

impl Dpop {
    /// 60 seconds, the age to which a proof is accepted unless told otherwise: clients make one for each request.
    pub const DEFAULT_AGE: Duration = Duration::from_secs(60);
    /// 5 minutes, the greatest age that a proof may have.
    pub const MAX_AGE: Duration = Duration::from_secs(5 * 60);
    /// 500,000 proofs are remembered in memory unless told otherwise, at 100 bytes at most: some 2,700 a second.
    pub const DEFAULT_REMEMBERED: usize = 500_000;

    /// Checks the proof of a request for a token, as the endpoint that issues tokens does, and says what the token is to be
    /// bound to. The proof counts as used.
    ///
    /// # Errors
    ///
    /// [`Refusal::DpopProofMissing`], [`Refusal::DpopProofInvalid`], [`Refusal::DpopProofReplayed`],
    /// [`Refusal::DpopNonceRequired`], for which the answer has a [`nonce`](Self::nonce), [`Refusal::Overloaded`] when as
    /// many proofs are remembered as may be, and [`Refusal::StoreUnavailable`].
    ///
    /// # Cancel safety
    ///
    /// A proof whose check was dropped may count as used.
    pub async fn confirm(&self, request: &http::request::Parts) -> Result<Confirmation, Refusal> {
        let sent = Sent {
            method: &request.method,
            path: sent_path(&request.extensions, &request.uri),
            headers: &request.headers,
        };
        let proof = self.check(&sent, None)?;
        let confirmation = Confirmation::of_key(proof.thumbprint);
        match &self.0.used {
            Used::Memory(used) => used.remember(&proof, self.life(), time::now())?,
            #[cfg(feature = "redis")]
            Used::Redis(used) => used.remember(&proof, self.life()).await?,
        }
        Ok(confirmation)
    }

    /// A nonce for the header `DPoP-Nonce` of a response; nothing where proofs need none.
    #[must_use]
    pub fn nonce(&self) -> Option<HeaderValue> {
        let nonce = self.0.nonces.as_ref()?.make(self.0.clock.now());
        HeaderValue::try_from(nonce).ok()
    }

    /// Checks everything but whether the proof was used before.
    pub(crate) fn check(&self, sent: &Sent<'_>, token: Option<&[u8]>) -> Result<Proof, Refusal> {
        let this = &*self.0;
        let presented = only(sent.headers, &PROOF).map_err(|_| Refusal::DpopProofInvalid)?;
        let presented = presented.ok_or(Refusal::DpopProofMissing)?;
        let now = this.clock.now();
        let wanted = Wanted {
            method: sent.method,
            path: sent.path,
            bases: &this.bases,
            algorithms: &this.algorithms,
            token,
            not_before: now
                .saturating_since(time::UnixTime::default())
                .saturating_sub(this.max_age),
            not_after: now.saturating_add(Issuer::DEFAULT_LEEWAY).as_duration(),
        };
        let (proof, nonce) = verify(presented.as_bytes(), &wanted)?;
        let is_fresh = |nonces: &Nonces| nonce.is_some_and(|nonce| nonces.accepts(&nonce, now));
        match this.nonces.as_ref().is_none_or(is_fresh) {
            true => Ok(proof),
            false => Err(Refusal::DpopNonceRequired),
        }
    }

    /// Remembers that a proof was used, and gives the principal back if this was the first time.
    pub(crate) fn remember(&self, proof: &Proof, principal: Arc<Principal>) -> Outcome {
        match &self.0.used {
            Used::Memory(used) => {
                let first = used.remember(proof, self.life(), time::now());
                Outcome::Now(first.map(|()| principal))
            }
            #[cfg(feature = "redis")]
            Used::Redis(used) => {
                let (used, proof, life) = (used.clone(), proof.clone(), self.life());
                Outcome::Later(Box::pin(async move {
                    used.remember(&proof, life).await.map(|()| principal)
                }))
            }
        }
    }

    /// The longest time between the first and the last moment at which a proof is accepted.
    fn life(&self) -> Duration {
        self.0.max_age.saturating_add(Issuer::DEFAULT_LEEWAY)
    }

    /// The names of the algorithms, with spaces between them.
    pub(crate) fn algorithm_names(&self) -> String {
        let names = self.0.algorithms.iter().map(|name| format!("{name:?}"));
        names.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("bases", &self.0.bases)
            .field("algorithms", &self.0.algorithms)
            .field("max_age", &self.0.max_age)
            .finish_non_exhaustive()
    }
}
