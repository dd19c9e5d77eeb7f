use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::time::WallClock;
use palisade_core::{EventKind, Principal, RequestScope, SecurityEvent};
use redis::Cmd;
use redis::aio::ConnectionLike;

use super::answer::{began, read};
use super::family::{Choice, Rules};
use super::sealed::Sealed;
use super::token::{self, FamilyId, Successors, Token};
use super::{RefreshToken, RefreshTokens, bindable};
use crate::challenge::note;
use crate::digest::sha256;
use crate::jwt::parse::encode;
use crate::revocation::RevokeSession;
use crate::store::{HasStore, Store, number_of, settle, text_of};
use crate::{AuthError, Confirmation, HmacKeys, Refusal};

const PRESENT: &str = include_str!("redis.lua");

/// Refresh tokens in Redis or Valkey, shared by every instance; otherwise as [`RefreshTokens`]. Clones share the
/// connection.
///
/// Redis holds digests of tokens, and the principal under a MAC, so that who can write there can neither make up a token
/// nor give himself a role.
///
/// Make every setting before it is cloned. One that comes later would reach one of the clones alone: then all calls
/// are refused as though Redis could not be asked, and the log says why.
#[derive(Clone)]
pub struct RedisRefreshTokens(Arc<Inner>);

struct Inner {
    keys: HmacKeys,
    store: Store,
    rules: Rules,
    clock: Option<WallClock>,
    sessions: Option<Arc<dyn RevokeSession>>,
}

impl HasStore for Inner {
    fn store(&self) -> &Store {
        &self.store
    }
}

impl RedisRefreshTokens {
    /// Families behind this connection, with the prefix `palisade`, a timeout of 50 ms, the server's clock and the
    /// lifetimes of [`RefreshTokens`].
    #[must_use]
    pub fn new(
        keys: HmacKeys,
        connection: impl ConnectionLike + Clone + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            keys,
            store: Store::new(connection),
            rules: Rules {
                lifetime: RefreshTokens::DEFAULT_LIFETIME,
                idle: RefreshTokens::DEFAULT_IDLE,
                grace: RefreshTokens::DEFAULT_GRACE,
            },
            clock: None,
            sessions: None,
        }))
    }

    /// Sets what the names of all keys begin with; default `palisade`. To be called before the value is cloned.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        self.with(|inner| inner.store.prefix = prefix.into())
    }

    /// Sets how long an answer is waited for; default 50 ms. To be called before the value is cloned.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|inner| inner.store.timeout = timeout)
    }

    /// Sets the longest life of a family and the longest pause between two uses, in whole seconds; default 30 and 7
    /// days. To be called before the value is cloned.
    #[must_use]
    pub fn lifetimes(self, lifetime: Duration, idle: Duration) -> Self {
        self.with(|inner| (inner.rules.lifetime, inner.rules.idle) = (lifetime, idle))
    }

    /// Sets a clock of the application's own; default the server's. To be called before the value is cloned.
    #[must_use]
    pub fn clock(self, clock: WallClock) -> Self {
        self.with(|inner| inner.clock = Some(clock))
    }

    /// Revokes the access tokens of a session together with its family. To be called before the value is cloned.
    #[must_use]
    pub fn revoking(self, sessions: impl RevokeSession) -> Self {
        self.with(|inner| inner.sessions = Some(Arc::new(sessions)))
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        Self(settle(self.0, "RedisRefreshTokens", change))
    }

    /// Starts a family for a principal that has just signed in, and gives the principal its session. Its own claims are
    /// kept where they are [`TokenClaims`](crate::TokenClaims).
    ///
    /// # Errors
    ///
    /// [`AuthError::StoreUnavailable`] when Redis could not be told. Fails when the operating system gives no random bytes,
    /// and for a principal with claims of another type, which memory can keep and Redis cannot.
    pub async fn begin(&self, principal: &Principal) -> Result<RefreshToken, AuthError> {
        self.begun(principal, None).await
    }

    /// Starts a family whose tokens are of use with this key alone; see [`RefreshTokens::begin_bound`].
    ///
    /// # Errors
    ///
    /// As for [`begin`](Self::begin), and for a confirmation that nobody can meet here.
    pub async fn begin_bound(
        &self,
        principal: &Principal,
        key: &Confirmation,
    ) -> Result<RefreshToken, AuthError> {
        self.begun(principal, bindable(key)?.name()).await
    }

    async fn begun(
        &self,
        principal: &Principal,
        bound_to: Option<String>,
    ) -> Result<RefreshToken, AuthError> {
        let token = Token::first()?;
        let sealed = Sealed::of(principal, bound_to)?;
        let now = self.now_argument();
        let mut command = redis::cmd("EVAL");
        command
            .arg("local now = ARGV[4] if now == '' then now = redis.call('TIME')[1] end redis.call('HSET', KEYS[1], 'current', ARGV[1], 'rotated', now, 'started', now, 'principal', ARGV[2], 'bound', ARGV[5]) redis.call('EXPIRE', KEYS[1], ARGV[3]) return 1")
            .arg(1)
            .arg(self.key(&token.family))
            .arg(encode(token.digest()))
            .arg(sealed.seal(&self.0.keys, &token.family)?)
            .arg(self.0.rules.idle.as_secs())
            .arg(now)
            .arg(sealed.bound_to.as_deref().unwrap_or_default());
        match self.0.store.ask(command).await {
            Some(_) => Ok(RefreshToken {
                text: token.to_text(&self.0.keys.secrets()),
                principal: Arc::new(sealed.principal(&token.family)),
            }),
            None => Err(AuthError::StoreUnavailable),
        }
    }

    /// Uses a token up and gives out its successor, with the principal as it signed in.
    ///
    /// # Errors
    ///
    /// As for [`RefreshTokens::rotate`], and [`Refusal::StoreUnavailable`] when Redis could not be asked: it may or may
    /// not have rotated, and the same token is good for another 10 seconds.
    pub async fn rotate(&self, token: &str, scope: &RequestScope) -> Result<RefreshToken, Refusal> {
        self.rotated(token, None, scope).await
    }

    /// The same for a client that has proved to have this key; see [`RefreshTokens::rotate_bound`].
    ///
    /// # Errors
    ///
    /// As for [`rotate`](Self::rotate), and [`Refusal::SenderConstrained`] for a token that is bound to another key.
    pub async fn rotate_bound(
        &self,
        token: &str,
        key: &Confirmation,
        scope: &RequestScope,
    ) -> Result<RefreshToken, Refusal> {
        self.rotated(token, key.name().as_deref(), scope).await
    }

    async fn rotated(
        &self,
        token: &str,
        shown: Option<&str>,
        scope: &RequestScope,
    ) -> Result<RefreshToken, Refusal> {
        let used = self.used(token, shown, scope).await;
        used.map_err(|(refusal, principal)| {
            note(scope, refusal, principal.as_ref().map(Principal::subject));
            refusal
        })
    }

    async fn used(
        &self,
        token: &str,
        shown: Option<&str>,
        scope: &RequestScope,
    ) -> Result<RefreshToken, (Refusal, Option<Principal>)> {
        let refused = |refusal| (refusal, None);
        let secrets = self.0.keys.secrets();
        let token =
            Token::from_text(token, &secrets).ok_or_else(|| refused(Refusal::RefreshInvalid))?;
        let successors = token.successors(&secrets);
        let question = self.question(&token, &successors, shown);
        let answer = self.0.store.ask(question).await;
        let answer = answer.ok_or_else(|| refused(Refusal::StoreUnavailable))?;
        let (outcome, kept) = read(&answer).ok_or_else(|| refused(Refusal::StoreUnavailable))?;
        let sealed = kept.and_then(|kept| Sealed::open(&self.0.keys, &token.family, kept));
        // The script compared with what lies there in the open.
        let fits = sealed.as_ref().is_none_or(|sealed| sealed.fits(shown));
        let principal = sealed.map(|sealed| sealed.principal(&token.family));
        match (outcome, principal) {
            ("bound", principal) => Err((Refusal::SenderConstrained, principal)),
            (_, principal) if !fits => Err((Refusal::SenderConstrained, principal)),
            ("good" | "other", Some(principal)) => {
                if self.is_revoked(&principal, began(&answer)).await? {
                    let _ = self.remove(&token.family, scope).await;
                    return Err((Refusal::RefreshInvalid, Some(principal)));
                }
                let choice = match outcome {
                    "other" => Choice::Other,
                    _ => Choice::First,
                };
                let successor = successors.take(choice);
                let successor = successor.ok_or_else(|| refused(Refusal::RefreshInvalid))?;
                Ok(RefreshToken {
                    text: successor.to_text(&secrets),
                    principal: Arc::new(principal),
                })
            }
            ("reused", principal) => {
                if let Some(principal) = &principal
                    && self.end_session(principal, scope).await.is_err()
                {
                    tracing::error!(target: "palisade_auth", "the access tokens of a family that was used twice live on");
                }
                Err((Refusal::RefreshReused, principal))
            }
            (_, principal) => Err((Refusal::RefreshInvalid, principal)),
        }
    }

    fn question(&self, token: &Token, successors: &Successors, shown: Option<&str>) -> Cmd {
        let rules = &self.0.rules;
        let mut command = redis::cmd("EVAL");
        command
            .arg(PRESENT)
            .arg(1)
            .arg(self.key(&token.family))
            .arg(encode(token.digest()))
            .arg(encode(successors.digests.0))
            .arg(rules.lifetime.as_secs())
            .arg(rules.idle.as_secs())
            .arg(rules.grace.as_secs())
            .arg(self.now_argument())
            .arg(successors.digests.1.map(encode).unwrap_or_default())
            .arg(shown.unwrap_or_default());
        command
    }

    /// Revokes the family of a token, such as at sign-out; `true` if there was one.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when Redis could not be told: the family lives on.
    pub async fn revoke(&self, token: &str, scope: &RequestScope) -> Result<bool, Refusal> {
        match Token::from_text(token, &self.0.keys.secrets()) {
            Some(token) => self.remove(&token.family, scope).await,
            None => Ok(false),
        }
    }

    /// Revokes the family of a session, by the `sid` that its access tokens name; `true` if there was one.
    ///
    /// # Errors
    ///
    /// As for [`revoke`](Self::revoke).
    pub async fn revoke_session(
        &self,
        session: &str,
        scope: &RequestScope,
    ) -> Result<bool, Refusal> {
        match token::family_of(session) {
            Some(family) => self.remove(&family, scope).await,
            None => Ok(false),
        }
    }

    /// Revokes every family that a subject has by now, those of this second included. Each is refused, and removed, when
    /// it is used next; nobody looks for them before.
    ///
    /// # Errors
    ///
    /// As for [`revoke`](Self::revoke).
    pub async fn revoke_subject(
        &self,
        issuer: &str,
        subject: &str,
        scope: &RequestScope,
    ) -> Result<(), Refusal> {
        let mut command = redis::cmd("EVAL");
        command
            .arg("local now = ARGV[1] if now == '' then now = redis.call('TIME')[1] end redis.call('SET', KEYS[1], now, 'EX', ARGV[2]) return 1")
            .arg(1)
            .arg(self.subject_key(issuer, subject))
            .arg(self.now_argument())
            .arg(self.0.rules.lifetime.as_secs());
        let told = self.0.store.ask(command).await;
        told.ok_or(Refusal::StoreUnavailable)?;
        scope.record(
            SecurityEvent::new(EventKind::TokenRevoked)
                .reason("refresh_subject")
                .subject(subject),
        );
        Ok(())
    }

    /// Whether the families of this principal's subject were revoked after this one began.
    async fn is_revoked(
        &self,
        principal: &Principal,
        began: u64,
    ) -> Result<bool, (Refusal, Option<Principal>)> {
        let mut command = redis::cmd("GET");
        command.arg(self.subject_key(principal.issuer(), principal.subject()));
        let answer = self.0.store.ask(command).await;
        let mark = answer.ok_or((Refusal::StoreUnavailable, None))?;
        Ok(number_of(&mark).is_some_and(|mark| began <= mark))
    }

    /// Its access tokens go first: a family that is gone could not be told of again.
    async fn remove(&self, family: &FamilyId, scope: &RequestScope) -> Result<bool, Refusal> {
        let mut command = redis::cmd("HGET");
        command.arg(self.key(family)).arg("principal");
        let answer = self.0.store.ask(command).await;
        let kept = answer.ok_or(Refusal::StoreUnavailable)?;
        let Some(kept) = text_of(&kept) else {
            return Ok(false);
        };
        if let Some(sealed) = Sealed::open(&self.0.keys, family, kept) {
            self.end_session(&sealed.principal(family), scope).await?;
        }
        let mut command = redis::cmd("DEL");
        command.arg(self.key(family));
        let answer = self.0.store.ask(command).await;
        answer.map(|_| true).ok_or(Refusal::StoreUnavailable)
    }

    async fn end_session(
        &self,
        principal: &Principal,
        scope: &RequestScope,
    ) -> Result<(), Refusal> {
        if let (Some(sessions), Some(session)) = (&self.0.sessions, principal.session_id()) {
            let told = sessions.revoke_session_now(principal.issuer(), session);
            told.await?;
        }
        scope.record(
            SecurityEvent::new(EventKind::TokenRevoked)
                .reason("refresh_family")
                .subject(principal.subject()),
        );
        Ok(())
    }

    fn now_argument(&self) -> String {
        let clock = self.0.clock.as_ref();
        clock.map_or_else(String::new, |clock| clock.now().as_secs().to_string())
    }

    fn key(&self, family: &FamilyId) -> String {
        format!("{{{}:refresh:{}}}", self.0.store.prefix, encode(family))
    }

    /// The name of a mark, which tells nobody whose it is.
    fn subject_key(&self, issuer: &str, subject: &str) -> String {
        let name = format!("{}:{issuer}{subject}", issuer.len());
        let digest = encode(sha256(name.as_bytes()));
        format!("{{{}:refresh-revoked:{digest}}}", self.0.store.prefix)
    }
}

impl fmt::Debug for RedisRefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRefreshTokens")
            .field("prefix", &self.0.store.prefix)
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}
