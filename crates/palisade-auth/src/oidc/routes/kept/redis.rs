//! Sign-ins in Redis. Two kinds of keys: one for each session, with the sealed tokens; one for each session at the
//! provider, with the sessions that it has begun here.

use std::time::Duration;

use palisade_core::Principal;
use palisade_core::random;
use palisade_core::time::{Instant, UnixTime, now};
use redis::{Cmd, Value};

use super::super::super::{Logout, Oidc, OidcError, ProviderTokens, Shared};
use super::entry::Kept;
use super::record::{opened, sealed};
use crate::RedisSessions;
use crate::digest::sha256;
use crate::jwt::parse::encode;
use crate::store::text_of;

const KEEP: &str = include_str!("keep.lua");
const TAKE: &str = "\
local kept = redis.call('GET', KEYS[1]) \
redis.call('DEL', KEYS[1]) \
return kept";
/// Ends a lease, and keeps what was renewed unless the session has ended meanwhile.
const RENEWED: &str = "\
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end \
redis.call('DEL', KEYS[2]) \
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'XX', 'KEEPTTL') end \
return 1";

/// The time for which one instance renews tokens alone: three times as long as the default client waits for the provider.
const LEASE: Duration = Duration::from_secs(30);
/// The time for which others wait for it, if they have no token that still holds.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

const SESSION: &str = "sign-in";
const PROVIDER_SESSION: &str = "provider-session";

#[derive(Clone)]
pub(in super::super) struct SharedSignIns(Shared);

impl SharedSignIns {
    pub(super) const fn new(shared: Shared) -> Self {
        Self(shared)
    }

    /// The provider's session first: whoever is signed in can be signed out by it.
    pub(super) async fn keep(
        &self,
        session: &str,
        kept: &Kept,
        (now, until): (UnixTime, UnixTime),
    ) -> Result<(), OidcError> {
        let life = until.saturating_since(now).as_secs();
        if let Some(provider_session) = &kept.provider_session {
            let mut command = redis::cmd("EVAL");
            command
                .arg(KEEP)
                .arg(1)
                .arg(self.provider_session(provider_session))
                .arg(session)
                .arg(until.as_secs())
                .arg(digest(&kept.provider_subject))
                .arg(now.as_secs())
                .arg(life)
                .arg(RedisSessions::MAX_PER_SUBJECT);
            self.ask(command).await?;
        }
        let text = sealed(&self.0.keys, &self.label(session), kept, &kept.tokens)?;
        let mut command = redis::cmd("SET");
        command.arg(self.session(session)).arg(text);
        command.arg("EX").arg(life.max(1));
        self.ask(command).await?;
        Ok(())
    }

    pub(super) async fn tokens(
        &self,
        oidc: &Oidc,
        principal: &Principal,
    ) -> Result<Option<ProviderTokens>, OidcError> {
        let Some(session) = principal.session_id() else {
            return Ok(None);
        };
        let begun_at = now();
        loop {
            let kept = self.find(session).await?;
            let Some(kept) = kept.filter(|kept| kept.is_of(principal)) else {
                return Ok(None);
            };
            if !kept.tokens.is_to_be_renewed(oidc.0.clock.now()) {
                return Ok(Some(kept.tokens));
            }
            if let Some(lease) = self.lease(session).await? {
                // Goes on without whoever waits for it, so that a new refresh token is not lost with a connection.
                let (this, oidc, session) = (self.clone(), oidc.clone(), session.to_owned());
                let renewing = async move { this.renew(&oidc, &session, &lease).await };
                let renewed = tokio::spawn(renewing).await;
                return renewed.map_err(|_| OidcError::Unavailable)?;
            }
            if !kept.tokens.is_over(oidc.0.clock.now()) {
                return Ok(Some(kept.tokens));
            }
            self.wait(begun_at).await?;
        }
    }

    async fn wait(&self, begun_at: Instant) -> Result<(), OidcError> {
        if begun_at.elapsed() >= PATIENCE {
            return Err(OidcError::Unavailable);
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    /// The right to renew the tokens of a session, unless another has it.
    async fn lease(&self, session: &str) -> Result<Option<String>, OidcError> {
        let lease = random::bytes::<16>().map_err(|_| OidcError::Unavailable)?;
        let lease = encode(lease);
        let mut command = redis::cmd("SET");
        command.arg(self.lease_of(session)).arg(&lease);
        command.arg("NX").arg("EX").arg(LEASE.as_secs());
        match self.ask(command).await? {
            Value::Okay => Ok(Some(lease)),
            Value::Nil => Ok(None),
            _ => Err(OidcError::Unavailable),
        }
    }

    async fn renew(
        &self,
        oidc: &Oidc,
        session: &str,
        lease: &str,
    ) -> Result<Option<ProviderTokens>, OidcError> {
        let renewed = self.renewed(oidc, session).await;
        let text = match &renewed {
            Ok(Some((kept, tokens))) => sealed(&self.0.keys, &self.label(session), kept, tokens),
            _ => Ok(String::new()),
        };
        let mut command = redis::cmd("EVAL");
        command.arg(RENEWED).arg(2);
        command
            .arg(self.session(session))
            .arg(self.lease_of(session));
        command.arg(lease).arg(text.unwrap_or_default());
        // The tokens hold, kept or not.
        if self.ask(command).await.is_err() {
            tracing::warn!(target: "palisade_auth", "renewed tokens of a provider could not be kept");
        }
        Ok(renewed?.map(|(_, tokens)| tokens))
    }

    /// Looked up again, because whoever had the lease before may just have renewed them.
    async fn renewed(
        &self,
        oidc: &Oidc,
        session: &str,
    ) -> Result<Option<(Kept, ProviderTokens)>, OidcError> {
        let Some(kept) = self.find(session).await? else {
            return Ok(None);
        };
        let tokens = match kept.tokens.is_to_be_renewed(oidc.0.clock.now()) {
            true => oidc.renew(&kept.provider_subject, &kept.tokens).await?,
            false => kept.tokens.clone(),
        };
        Ok(Some((kept, tokens)))
    }

    pub(super) async fn take(
        &self,
        principal: &Principal,
    ) -> Result<Option<ProviderTokens>, OidcError> {
        let Some(session) = principal.session_id() else {
            return Ok(None);
        };
        let mut command = redis::cmd("EVAL");
        command.arg(TAKE).arg(1).arg(self.session(session));
        let answer = self.ask(command).await?;
        let Some(kept) = self.read(session, &answer) else {
            return Ok(None);
        };
        if let Some(provider_session) = &kept.provider_session {
            self.forget(session, provider_session).await?;
        }
        Ok(kept.is_of(principal).then_some(kept.tokens))
    }

    /// The sessions of a session at the provider. None for a subject with all of its sessions, which the store of sessions
    /// finds.
    pub(super) async fn named_by(&self, logout: &Logout) -> Result<Vec<String>, OidcError> {
        let Some(provider_session) = &logout.session else {
            return Ok(Vec::new());
        };
        let mut command = redis::cmd("HGETALL");
        command.arg(self.provider_session(provider_session));
        let found: std::collections::HashMap<String, String> =
            redis::from_redis_value(self.ask(command).await?)
                .map_err(|_| OidcError::Unavailable)?;
        let subject = logout.subject.as_deref().map(digest);
        let is_named = |value: &String| {
            let of = value.split_once('.').map(|(_, subject)| subject);
            subject.is_none() || of == subject.as_deref()
        };
        let named = found.into_iter().filter(|(_, value)| is_named(value));
        Ok(named.map(|(session, _)| session).collect())
    }

    pub(super) async fn remove(
        &self,
        session: &str,
        provider_session: Option<&str>,
    ) -> Result<(), OidcError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.session(session));
        self.ask(command).await?;
        match provider_session {
            Some(provider_session) => self.forget(session, provider_session).await,
            None => Ok(()),
        }
    }

    async fn forget(&self, session: &str, provider_session: &str) -> Result<(), OidcError> {
        let mut command = redis::cmd("HDEL");
        command
            .arg(self.provider_session(provider_session))
            .arg(session);
        self.ask(command).await.map(drop)
    }

    async fn find(&self, session: &str) -> Result<Option<Kept>, OidcError> {
        let mut command = redis::cmd("GET");
        command.arg(self.session(session));
        let answer = self.ask(command).await?;
        Ok(self.read(session, &answer))
    }

    fn read(&self, session: &str, answer: &Value) -> Option<Kept> {
        let text = text_of(answer)?;
        opened(&self.0.keys, &self.label(session), text.as_bytes())
    }

    async fn ask(&self, command: Cmd) -> Result<Value, OidcError> {
        self.0.redis.ask(command).await
    }

    fn label(&self, session: &str) -> String {
        format!("{}:{session}", self.0.registration)
    }

    fn session(&self, session: &str) -> String {
        self.0.redis.key(SESSION, session)
    }

    fn lease_of(&self, session: &str) -> String {
        format!("{}:lease", self.session(session))
    }

    fn provider_session(&self, provider_session: &str) -> String {
        let registration = &*self.0.registration;
        let name = format!("{}:{registration}{provider_session}", registration.len());
        self.0.redis.key(PROVIDER_SESSION, &digest(&name))
    }
}

fn digest(text: &str) -> String {
    encode(sha256(text.as_bytes()))
}
