//! The state that gateways share through one Redis, or keep to themselves without.

use std::time::Duration;

use palisade::auth::revocation::{MemoryRevocation, RedisRevocation};
use palisade::auth::{
    ApiKeyOwner, ApiKeyRecord, ApiKeys, AuthError, HmacKeys, JwtVerifier, MemoryApiKeys,
    RedisApiKeys, RedisRefreshTokens, RefreshToken, RefreshTokens, Refusal, TokenIssuer,
};
use palisade::time::{UnixTime, WallClock};
use palisade::{Principal, RequestScope};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

/// The prefix of all keys in Redis.
pub(crate) const PREFIX: &str = "gateway";
/// The lifetime in Redis of the API key to try things with, where nobody would remove it.
const DEMO: Duration = Duration::from_secs(24 * 60 * 60);

/// A connection that is made when it is first used, so that the gateway starts while Redis is down.
pub(crate) fn connection(client: redis::Client) -> redis::RedisResult<ConnectionManager> {
    // By default the pauses between attempts double without a bound; a Redis that is back after an hour is to be found at once.
    let config = ConnectionManagerConfig::new()
        .set_max_delay(Duration::from_millis(500))
        .set_connection_timeout(Some(Duration::from_secs(1)));
    ConnectionManager::new_lazy_with_config(client, config)
}

/// Refresh tokens and what revokes access tokens: the end of a session ends both, before it is answered.
pub(crate) enum Families {
    Here(RefreshTokens),
    Shared(RedisRefreshTokens),
}

impl Families {
    /// The families, and the verifier of the access tokens that end with them.
    pub(crate) fn make(
        keys: HmacKeys,
        issuer: &TokenIssuer,
        lifetime: Duration,
        redis: Option<ConnectionManager>,
    ) -> Result<(Self, JwtVerifier), AuthError> {
        let verifier = JwtVerifier::builder().issuer(issuer.issuer());
        let Some(redis) = redis else {
            let revocation = MemoryRevocation::lasting(lifetime);
            let verifier = verifier.revocation(revocation.clone()).build()?;
            let families = RefreshTokens::memory(keys).revoking(revocation).build()?;
            return Ok((Self::Here(families), verifier));
        };
        let revocation = RedisRevocation::new(redis.clone())
            .prefix(PREFIX)
            .max_lifetime(lifetime);
        let verifier = verifier.revocation(revocation.clone()).build()?;
        let families = RedisRefreshTokens::new(keys, redis)
            .prefix(PREFIX)
            .revoking(revocation);
        Ok((Self::Shared(families), verifier))
    }

    pub(crate) async fn begin(&self, principal: Principal) -> Result<RefreshToken, AuthError> {
        match self {
            Self::Here(families) => families.begin(principal),
            Self::Shared(families) => families.begin(&principal).await,
        }
    }

    pub(crate) async fn rotate(
        &self,
        token: &str,
        scope: &RequestScope,
    ) -> Result<RefreshToken, Refusal> {
        match self {
            Self::Here(families) => families.rotate(token, scope),
            Self::Shared(families) => families.rotate(token, scope).await,
        }
    }

    pub(crate) async fn revoke_session(
        &self,
        session: &str,
        scope: &RequestScope,
    ) -> Result<(), Refusal> {
        match self {
            Self::Here(families) => {
                families.revoke_session(session, scope);
                Ok(())
            }
            Self::Shared(families) => families.revoke_session(session, scope).await.map(drop),
        }
    }
}

/// Keys of partners, and in development one of `owner` to try things with.
pub(crate) fn api_keys(
    prefix: &str,
    secret: HmacKeys,
    owner: Option<ApiKeyOwner>,
    redis: Option<ConnectionManager>,
) -> Result<(ApiKeys, Option<String>), AuthError> {
    let keys = MemoryApiKeys::new(prefix)?;
    let Some(redis) = redis else {
        let shown = owner.map(|owner| keys.create(owner)).transpose()?;
        return Ok((keys.into(), shown.map(|key| key.as_str().to_owned())));
    };
    let shared = RedisApiKeys::new(prefix, secret, redis)?.store_prefix(PREFIX);
    let expires_at: UnixTime = WallClock::system().now().saturating_add(DEMO);
    let shown = owner.map(|owner| keys.create(owner.expires_at(expires_at)));
    let shown = shown.transpose()?;
    if let Some(key) = &shown {
        tokio::spawn(keep(shared.clone(), key.record().clone()));
    }
    Ok((shared.into(), shown.map(|key| key.as_str().to_owned())))
}

/// Adds a key once Redis is there.
async fn keep(keys: RedisApiKeys, record: ApiKeyRecord) {
    while keys.insert(&record).await.is_err() {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
