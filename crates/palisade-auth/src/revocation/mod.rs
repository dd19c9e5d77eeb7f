//! Tokens that must no longer pass although they have not expired.

mod memory;
#[cfg(feature = "redis")]
mod redis;
mod subject;

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::time::Duration;

use palisade_core::time::UnixTime;

pub use self::memory::MemoryRevocation;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::redis::RedisRevocation;
pub use self::subject::{RevokeSubject, SubjectRevocation};
use crate::Refusal;

/// The future of [`RevokeSubject::revoke_subject`] and [`RevokeSession::revoke_session_now`].
pub type Revoking<'a> = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send + 'a>>;

/// The names and times of a token, by which a store looks it up.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct TokenRef<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// `jti`, unique by issuer.
    pub id: Option<&'a str>,
    /// `sid`.
    pub session: Option<&'a str>,
    /// `iat`, in whole seconds.
    pub issued_at: Option<UnixTime>,
    /// `exp`, in whole seconds.
    pub expires_at: UnixTime,
}

/// The answer of a store about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationStatus {
    /// Nothing speaks against it.
    Good,
    /// It, its session or its subject was revoked.
    Revoked,
    /// The store could not be asked: the request is refused with 503.
    Unknown,
}

/// A store's answer: at once, or later.
pub enum Answer {
    /// Known at once; costs no allocation.
    Now(RevocationStatus),
    /// The store has to be asked over the network.
    Later(Pin<Box<dyn Future<Output = RevocationStatus> + Send>>),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(status) => f.debug_tuple("Now").field(status).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// Says whether tokens were revoked. Asked for every request, also when the token itself is in the cache.
pub trait CheckRevocation: Send + Sync + 'static {
    /// Looks a token up.
    fn check(&self, token: &TokenRef<'_>) -> Answer;

    /// The longest life of tokens, from `iat` to `exp`, that marks of sessions and subjects are kept for; default
    /// nothing, for a store that forgets no mark.
    ///
    /// A verifier refuses to be built with an issuer whose tokens may live longer, and asks all tokens for an `iat`:
    /// else a revoked one would pass again once its mark has gone.
    fn covered_lifetime(&self) -> Option<Duration> {
        None
    }

    /// The mistake in the settings of the store, with which a verifier refuses to be built; default none.
    fn problem(&self) -> Option<&'static str> {
        None
    }
}

/// Ends sessions, so that the access tokens that name one fall together with its refresh tokens.
pub trait RevokeSession: Send + Sync + 'static {
    /// Revokes every token of the session, by its `sid`. A store on the network is told in the background.
    fn revoke_session(&self, issuer: &str, session: &str);

    /// The same, and resolves once the store knows; the error says that it could not be told. Default: calls
    /// [`revoke_session`](Self::revoke_session).
    fn revoke_session_now<'a>(&'a self, issuer: &'a str, session: &'a str) -> Revoking<'a> {
        self.revoke_session(issuer, session);
        Box::pin(ready(Ok(())))
    }
}
