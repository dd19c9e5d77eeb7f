mod builder;
mod revocation;

use std::fmt;
use std::sync::Arc;

use palisade_core::Principal;
use palisade_core::time::{UnixTime, WallClock};

pub use self::builder::JwtVerifierBuilder;
use super::cache::TokenCache;
use super::confirmation::Possession;
use super::trusted::TrustedIssuer;
use super::verify::{Failure, Verified, verify};
use crate::Refusal;
use crate::outcome::Outcome;
use crate::revocation::{Answer, CheckRevocation, RevocationStatus, TokenRef};

/// Decides whether a JSON Web Token may speak for somebody.
///
/// Clones share the cache of verified tokens. Before any cryptography a token must be well formed to the letter; its
/// key is chosen by issuer and `kid` from what was configured here, and by nothing that the token brings along.
///
/// # Example
///
/// ```
/// use palisade_auth::{HmacKeys, Issuer, JwtVerifier};
/// # let secret = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
///
/// let jwt = JwtVerifier::builder()
///     .issuer(Issuer::hmac("bookings", HmacKeys::current(secret)?).audience("api://bookings"))
///     .build()?;
/// assert!(jwt.verify("eyJhbGciOiJub25lIn0.e30.").is_err());
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct JwtVerifier(Arc<Inner>);

struct Inner {
    issuers: Vec<TrustedIssuer>,
    cache: Option<TokenCache>,
    revocation: Option<Arc<dyn CheckRevocation>>,
    outage: Outage,
    clock: WallClock,
}

/// The policy for valid tokens while the store of revocations is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    Deny,
    Allow,
}

impl JwtVerifier {
    /// 10,000 verified tokens are remembered unless told otherwise: some 10 MB when all are in use.
    pub const DEFAULT_CACHE: usize = 10_000;

    /// Decides about one token where nothing must be waited for.
    ///
    /// # Errors
    ///
    /// The reason, which is for records and not for the caller. [`Refusal::StoreUnavailable`] when a store would have
    /// to be waited for; use [`authenticate`](Self::authenticate) then.
    pub fn verify(&self, token: &str) -> Result<Arc<Principal>, Refusal> {
        let now = self.now();
        match self.check(token.as_bytes(), now, &Possession::default()) {
            Outcome::Now(result) => result,
            Outcome::Later(_) => Err(Refusal::StoreUnavailable),
        }
    }

    /// Decides about one token, and waits for the stores that must be asked.
    ///
    /// # Errors
    ///
    /// The reason, which is for records and not for the caller.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub async fn authenticate(&self, token: &str) -> Result<Arc<Principal>, Refusal> {
        let now = self.now();
        match self.check(token.as_bytes(), now, &Possession::default()) {
            Outcome::Now(result) => result,
            Outcome::Later(later) => later.await,
        }
    }

    pub(crate) fn clock(&self) -> &WallClock {
        &self.0.clock
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    /// Decides about a token. Only a store that has to be asked over the network makes it wait.
    fn check(&self, token: &[u8], now: UnixTime, shown: &Possession) -> Outcome {
        match self.check_known(token, now, shown) {
            Some(outcome) => outcome,
            None => self.check_unknown(token, now, shown),
        }
    }

    /// Decides about a token that was verified before.
    #[inline]
    pub(crate) fn check_known(
        &self,
        token: &[u8],
        now: UnixTime,
        shown: &Possession,
    ) -> Option<Outcome> {
        let inner = &*self.0;
        let generation_of = |issuer: usize| inner.issuers[issuer].keys.generation();
        let known = inner.cache.as_ref()?.find(token, generation_of, now)?;
        Some(self.ask_revocation(known, shown))
    }

    /// Decides about a token by verifying it.
    pub(crate) fn check_unknown(&self, token: &[u8], now: UnixTime, shown: &Possession) -> Outcome {
        match self.verified(token, now) {
            Ok(verified) => self.ask_revocation(verified, shown),
            Err(failure) => self.failed(token, &failure, shown),
        }
    }

    /// Looks once more where an issuer's keys may have changed.
    #[cfg(feature = "jwks")]
    fn failed(&self, token: &[u8], failure: &Failure, shown: &Possession) -> Outcome {
        use crate::jwt::trusted::Keys;

        let refused = |refusal| Outcome::Now(Err(refusal));
        let Some((issuer, kid)) = &failure.missing_key else {
            return refused(failure.refusal);
        };
        let Keys::Remote(jwks) = &self.0.issuers[*issuer].keys else {
            return refused(failure.refusal);
        };
        // What could not be looked for is not known to be wrong; a signature that does not hold is.
        let blame = |refusal, failing| match refusal {
            Refusal::BadSignature => refusal,
            _ if failing => Refusal::StoreUnavailable,
            _ => refusal,
        };
        let Some(looking) = jwks.look_again(kid.as_deref()) else {
            return refused(blame(failure.refusal, jwks.is_failing()));
        };
        let (this, token, jwks) = (self.clone(), token.to_vec(), jwks.clone());
        let shown = *shown;
        Outcome::Later(Box::pin(async move {
            looking.await;
            let verified = match this.verified(&token, this.now()) {
                Ok(verified) => verified,
                Err(failure) => {
                    let Some((_, kid)) = &failure.missing_key else {
                        return Err(failure.refusal);
                    };
                    let failing = jwks.is_failing();
                    if !failing && failure.refusal == Refusal::UnknownKey {
                        jwks.note_unknown(kid.as_deref());
                    }
                    return Err(blame(failure.refusal, failing));
                }
            };
            match this.ask_revocation(verified, &shown) {
                Outcome::Now(result) => result,
                Outcome::Later(later) => later.await,
            }
        }))
    }

    #[cfg(not(feature = "jwks"))]
    #[expect(clippy::unused_self, reason = "the feature decides")]
    fn failed(&self, _token: &[u8], failure: &Failure, _shown: &Possession) -> Outcome {
        Outcome::Now(Err(failure.refusal))
    }

    fn verified(&self, token: &[u8], now: UnixTime) -> Result<Arc<Verified>, Failure> {
        let verified = Arc::new(verify(token, &self.0.issuers, now)?);
        if let Some(cache) = &self.0.cache {
            cache.keep(token, &verified, now);
        }
        Ok(verified)
    }

    /// Asks the store about a token.
    #[cfg(feature = "websocket")]
    pub(crate) async fn revocation_status(&self, token: &TokenRef<'_>) -> RevocationStatus {
        let answer = self.0.revocation.as_ref().map(|store| store.check(token));
        match answer {
            None => RevocationStatus::Good,
            Some(Answer::Now(status)) => status,
            Some(Answer::Later(later)) => later.await,
        }
    }

    /// Asks whether a token that holds was revoked, after who presents it has proved the key that it is bound to.
    fn ask_revocation(&self, verified: Arc<Verified>, shown: &Possession) -> Outcome {
        if let Err(refusal) = shown.check(verified.bound_to.as_deref()) {
            return Outcome::Now(Err(refusal));
        }
        let Some(revocation) = &self.0.revocation else {
            return Outcome::Now(Ok(Arc::clone(&verified.principal)));
        };
        let outage = self.0.outage;
        match revocation.check(&verified.token_ref()) {
            Answer::Now(status) => Outcome::Now(outage.judge(&verified.principal, status)),
            Answer::Later(later) => Outcome::Later(Box::pin(async move {
                outage.judge(&verified.principal, later.await)
            })),
        }
    }
}

impl Verified {
    fn token_ref(&self) -> TokenRef<'_> {
        let (issuer, subject, session) = match &self.named {
            Some(named) => (&*named.issuer, &*named.subject, named.session.as_deref()),
            None => {
                let principal = &*self.principal;
                (
                    principal.issuer(),
                    principal.subject(),
                    principal.session_id(),
                )
            }
        };
        TokenRef {
            issuer,
            subject,
            id: self.id.as_deref(),
            session,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        }
    }
}

impl Outage {
    fn judge(
        self,
        principal: &Arc<Principal>,
        status: RevocationStatus,
    ) -> Result<Arc<Principal>, Refusal> {
        match (status, self) {
            (RevocationStatus::Good, _) => Ok(Arc::clone(principal)),
            (RevocationStatus::Revoked, _) => Err(Refusal::Revoked),
            (RevocationStatus::Unknown, Self::Deny) => Err(Refusal::StoreUnavailable),
            (RevocationStatus::Unknown, Self::Allow) => {
                tracing::warn!(
                    target: "palisade_auth",
                    "the store of revocations is away; a token that may have been revoked passes"
                );
                Ok(Arc::clone(principal))
            }
        }
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.issuers.iter().map(|issuer| &*issuer.name).collect();
        f.debug_struct("JwtVerifier")
            .field("issuers", &names)
            .finish_non_exhaustive()
    }
}
