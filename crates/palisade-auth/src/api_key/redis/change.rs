//! Changes to API keys in Redis.

use redis::{Cmd, Value};

use super::{RedisApiKeys, kept};
use crate::api_key::format;
use crate::api_key::record::{ApiKeyOwner, ApiKeyRecord, ISSUER, NewApiKey, digest_of};
use crate::store::{number_of, text_of};
use crate::{AuthError, Refusal};

/// KEYS: the key, and the lists of its subject. ARGV: id, owner, secret, the one before or '', when to forget it or ''.
const INSERT: &str = "\
redis.call('DEL', KEYS[1]) \
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'secret', ARGV[3]) \
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'before', ARGV[4]) end \
if ARGV[5] ~= '' then redis.call('EXPIREAT', KEYS[1], ARGV[5]) end \
redis.call('SADD', KEYS[2], ARGV[1]) \
redis.call('SADD', KEYS[3], ARGV[1]) \
return 1";
/// The secret becomes the one before, and both are answered with the owner.
const ROTATE: &str = "\
local kept = redis.call('HMGET', KEYS[1], 'owner', 'secret') \
if not (kept[1] and kept[2]) then return {false} end \
redis.call('HSET', KEYS[1], 'secret', ARGV[1], 'before', kept[2]) \
return kept";
/// KEYS: the lists of a subject, and its keys. ARGV: their ids.
const REVOKE: &str = "\
local gone = 0 \
for i = 3, #KEYS do gone = gone + redis.call('DEL', KEYS[i]) end \
for _, id in ipairs(ARGV) do redis.call('SREM', KEYS[1], id) redis.call('SREM', KEYS[2], id) end \
return gone";
/// A day, for which a key that has expired is refused for that reason.
const REMEMBERED: u64 = 24 * 60 * 60;

impl RedisApiKeys {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`AuthError::StoreUnavailable`] when Redis could not be told. Fails when the operating system gives no random bytes.
    pub async fn create(&self, owner: ApiKeyOwner) -> Result<NewApiKey, AuthError> {
        let key = NewApiKey::make(&self.0.prefix, &owner)?;
        self.insert(&key.record).await?;
        Ok(key)
    }

    /// Adds a key that was kept elsewhere, or replaces the one of the same id.
    ///
    /// # Errors
    ///
    /// [`AuthError::StoreUnavailable`] when Redis could not be told.
    pub async fn insert(&self, record: &ApiKeyRecord) -> Result<(), AuthError> {
        let keys = &self.0.keys;
        let mut secrets = record.digests.iter();
        let mut secret = || {
            let digest = secrets.next();
            digest.map_or_else(String::new, |digest| {
                kept::sealed_digest(keys, &record.id, digest)
            })
        };
        let (secret, before) = (secret(), secret());
        let forgotten = record.expires_at.map(|end| end.as_secs() + REMEMBERED);
        let subject = record.principal.subject();
        let mut command = redis::cmd("EVAL");
        command
            .arg(INSERT)
            .arg(3)
            .arg(self.key(&record.id))
            .arg(self.list(&record.owner_issuer, subject))
            .arg(self.list(ISSUER, subject))
            .arg(&*record.id)
            .arg(kept::sealed_owner(keys, record)?)
            .arg(secret)
            .arg(before)
            .arg(forgotten.map_or_else(String::new, |end| end.to_string()));
        self.ask(command).await.map(drop).map_err(away)
    }

    /// Gives a key a new secret; the one before works on until the next rotation or [`retire`](Self::retire).
    ///
    /// # Errors
    ///
    /// [`AuthError::StoreUnavailable`] when Redis could not be told: it may or may not have rotated. Fails when the operating
    /// system gives no random bytes. `Ok(None)` if there is no such key.
    pub async fn rotate(&self, id: &str) -> Result<Option<NewApiKey>, AuthError> {
        let text = format::new_key(&self.0.prefix, id)?;
        let Ok(digest) = digest_of(&self.0.prefix, &text) else {
            // An id that no key has.
            return Ok(None);
        };
        let secret = kept::sealed_digest(&self.0.keys, id, &digest);
        let mut command = redis::cmd("EVAL");
        command.arg(ROTATE).arg(1).arg(self.key(id)).arg(&secret);
        let Value::Array(kept) = self.ask(command).await.map_err(away)? else {
            return Err(away(Refusal::StoreUnavailable));
        };
        let mut texts = kept.iter().map(text_of);
        let Some(owner) = texts.next().flatten() else {
            return Ok(None);
        };
        let secrets = std::iter::once(&*secret).chain(texts.flatten());
        let record = kept::opened(&self.0.keys, id, owner, secrets);
        Ok(record.map(|record| NewApiKey { text, record }))
    }

    /// Ends the secret before the newest; `true` if there was one.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when Redis could not be told: it works on.
    pub async fn retire(&self, id: &str) -> Result<bool, Refusal> {
        let mut command = redis::cmd("HDEL");
        command.arg(self.key(id)).arg("before");
        let gone = self.ask(command).await?;
        Ok(number_of(&gone).is_some_and(|gone| gone > 0))
    }

    /// Ends a key; `true` if there was one.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when Redis could not be told: the key works on.
    pub async fn revoke(&self, id: &str) -> Result<bool, Refusal> {
        let lists = match self.record(id).await? {
            Some(record) => {
                let subject = record.principal.subject();
                [&*record.owner_issuer, ISSUER].map(|issuer| self.list(issuer, subject))
            }
            // One that was tampered with is in lists that nobody knows any more.
            None => [self.list("", ""), self.list(ISSUER, "")],
        };
        let gone = self.ask(self.end(&lists, &[id.to_owned()])).await?;
        Ok(number_of(&gone).is_some_and(|gone| gone > 0))
    }

    /// Ends every key of a subject, by the issuer that its principal had when the key was made; says how many there
    /// were. The issuer `api-key` stands for every owner of this subject.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when Redis could not be told: call it again.
    pub async fn revoke_subject(&self, issuer: &str, subject: &str) -> Result<usize, Refusal> {
        let lists = [issuer, ISSUER].map(|issuer| self.list(issuer, subject));
        let mut command = redis::cmd("SMEMBERS");
        command.arg(&lists[0]);
        let ids: Vec<String> = redis::from_redis_value(self.ask(command).await?)
            .map_err(|_| Refusal::StoreUnavailable)?;
        if ids.is_empty() {
            return Ok(0);
        }
        let gone = self.ask(self.end(&lists, &ids)).await?;
        let gone = number_of(&gone).and_then(|gone| gone.try_into().ok());
        gone.ok_or(Refusal::StoreUnavailable)
    }

    fn end(&self, lists: &[String; 2], ids: &[String]) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(REVOKE).arg(lists.len() + ids.len()).arg(lists);
        command
            .arg(ids.iter().map(|id| self.key(id)).collect::<Vec<_>>())
            .arg(ids);
        command
    }
}

const fn away(_: Refusal) -> AuthError {
    AuthError::StoreUnavailable
}
