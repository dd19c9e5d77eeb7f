//! The secrets of the gateway: where they come from, and what is made of them.

mod kept;
mod partners;
mod rotation;
mod sources;

use palisade::auth::{
    ApiKeyOwner, ApiKeys, AuthError, AuthLayer, HmacKeys, JwtVerifier, MemoryApiKeys, Roles,
    ServiceToken, SigningKeys, TokenIssuer,
};
use palisade::crypto::{self, FieldCipher, Key, Keyring};
use palisade::secrets::{Environment, Error, ExposeSecret, Secret, Secrets};
use palisade::{Principal, Problems};

pub(crate) use self::partners::new_key as new_api_key;
use self::partners::{PREFIX, Partners};
use self::rotation::{KEYSET, private_key};
use self::sources::{has, problems_of, sources};
use crate::settings::Settings;
use crate::shared::{self, Families};

/// The issuer of this gateway's tokens.
pub(crate) const ISSUER: &str = "gateway";
/// The audience of this gateway's tokens.
const AUDIENCE: &str = "api://gateway";

/// Static tokens of the services that call `/internal/notify`, each in its variable.
pub(crate) const SERVICES: [(&str, &str); 2] = [
    ("crm", "CRM_BEARER_TOKEN"),
    ("backend", "BACKEND_SERVICE_TOKEN"),
];

/// The keys made of the secrets.
pub(crate) struct Keys {
    pub(crate) auth: AuthLayer,
    pub(crate) tokens: TokenIssuer,
    pub(crate) verifier: JwtVerifier,
    pub(crate) refresh: Families,
    pub(crate) cipher: FieldCipher,
    /// An API key to try things with, in development.
    pub(crate) api_key: Option<String>,
    /// The password of all demo users; without one there are none.
    pub(crate) demo_password: Option<Secret>,
}

impl Keys {
    /// Reads the secrets from their [sources](sources::sources), and follows those keys that change while the gateway runs:
    /// `JWT_SECRET_KEY`, `JWT_SIGNING_KEY`, `ENCRYPTION_KEYS` and `API_KEYS`.
    ///
    /// # Errors
    ///
    /// Every secret that is missing, weak or a placeholder, by the name of its variable.
    pub(crate) async fn load(settings: &Settings) -> Result<Self, Problems> {
        let development = settings.environment == Environment::Development;
        // What is there says what is required.
        let known = sources(settings)
            .await?
            .build()
            .await
            .map_err(problems_of)?;
        let has_keyset = has(&known, KEYSET).await?;
        let mut builder = sources(settings).await?.require(["JWT_SECRET_KEY"]);
        if !has_keyset {
            builder = builder.require(["ENCRYPTION_KEY"]);
        }
        for (_, variable) in SERVICES {
            if development || has(&known, variable).await? {
                builder = builder.require([variable]);
            }
        }
        let secrets = builder.build().await.map_err(problems_of)?;

        let mut problems = Problems::none();
        let mut services = AuthLayer::new();
        for (name, variable) in SERVICES {
            match with_service(services.clone(), &secrets, name, variable).await {
                Ok(layer) => services = layer,
                Err(part) => problems.append("", part),
            }
        }
        let tokens = Tokens::make(&secrets, settings)
            .await
            .map_err(|part| problems.append("", part));
        let cipher = cipher(&secrets)
            .await
            .map_err(|part| problems.append("", part));
        let (
            Ok(Tokens {
                issuer,
                verifier,
                refresh,
                api_keys,
                api_key,
            }),
            Ok(cipher),
            true,
        ) = (tokens, cipher, problems.is_empty())
        else {
            return Err(problems);
        };
        Ok(Self {
            auth: services.bearer(verifier.clone()).api_keys(api_keys),
            tokens: issuer,
            verifier,
            refresh,
            cipher,
            api_key,
            demo_password: secrets.secret("GATEWAY_DEMO_PASSWORD").await.ok(),
        })
    }
}

/// `user < facilitator < admin`.
pub(crate) fn roles() -> Result<Roles, AuthError> {
    Roles::ladder(["user", "facilitator", "admin"])
}

struct Tokens {
    issuer: TokenIssuer,
    verifier: JwtVerifier,
    refresh: Families,
    api_keys: ApiKeys,
    api_key: Option<String>,
}

impl Tokens {
    /// Access and refresh tokens under one secret, or access tokens under a private key where there is one. The end of a
    /// session ends both.
    async fn make(secrets: &Secrets, settings: &Settings) -> Result<Self, Problems> {
        const VARIABLE: &str = "JWT_SECRET_KEY";
        let pair = secrets.pair(VARIABLE).await.map_err(problems_of)?;
        let signing = signing_keys(secrets).await?;
        let partners = partners(secrets).await?;
        let mut versions = pair.iter();
        let current = versions
            .next()
            .map(Secret::expose_secret)
            .unwrap_or_default();
        let redis = settings.redis.clone().map(shared::connection).transpose();
        let redis = redis.map_err(|error| Problems::one("REDIS_URL", error.to_string()))?;
        let mut made = || {
            let mut keys = HmacKeys::current(current)?;
            if let Some(previous) = versions.next() {
                keys = keys.previous(previous.expose_secret())?;
            }
            // Within this time every gateway has read a new secret, too.
            let keys = keys.lead(2 * settings.secrets.ttl);
            rotation::follow_shared_secret(secrets, VARIABLE, keys.clone());
            let redis = redis.clone();
            let issuer = match &signing {
                Some(signing) => TokenIssuer::signed(ISSUER, signing.clone()),
                None => TokenIssuer::hmac(ISSUER, keys.clone()),
            };
            let issuer = issuer
                .audience(AUDIENCE)
                .lifetime(settings.access_token_lifetime)
                .build()?;
            let lifetime = settings.access_token_lifetime;
            let (refresh, verifier) =
                Families::make(keys.clone(), &issuer, lifetime, redis.clone())?;
            let development = settings.environment == Environment::Development;
            let owner = development.then(partner);
            let (api_keys, api_key) = match &partners {
                Some(partners) => listed_keys(partners, owner)?,
                None => shared::api_keys(PREFIX, keys, owner, redis)?,
            };
            Ok(Self {
                issuer,
                verifier,
                refresh,
                api_keys,
                api_key,
            })
        };
        made().map_err(|error: AuthError| Problems::one(VARIABLE, error.to_string()))
    }
}

/// The private keys that access tokens are signed with: the current one, and the public half of the one before.
async fn signing_keys(secrets: &Secrets) -> Result<Option<SigningKeys>, Problems> {
    const VARIABLE: &str = "JWT_SIGNING_KEY";
    let named = |error: AuthError| Problems::one(VARIABLE, error.to_string());
    let pair = match secrets.pair(VARIABLE).await {
        Ok(pair) => pair,
        Err(Error::Missing { .. }) => return Ok(None),
        Err(error) => return Err(problems_of(error)),
    };
    let mut keys = None;
    for pem in pair.iter() {
        let key = private_key(pem.expose_secret()).map_err(named)?;
        keys = Some(match keys {
            None => SigningKeys::new(key),
            Some(keys) => SigningKeys::also(keys, key.public().clone()),
        });
    }
    if let Some(keys) = &keys {
        rotation::follow_signing_key(secrets, VARIABLE, keys.clone());
    }
    Ok(keys)
}

/// The keys of partners, where their source lists them. They end when they are taken from the list.
async fn partners(secrets: &Secrets) -> Result<Option<Partners>, Problems> {
    const VARIABLE: &str = "API_KEYS";
    match secrets.secret(VARIABLE).await {
        Ok(listing) => {
            let partners = Partners::parse(listing.expose_secret())
                .map_err(|reason| Problems::one(VARIABLE, reason))?;
            rotation::follow_partners(secrets, VARIABLE, partners.clone());
            Ok(Some(partners))
        }
        Err(Error::Missing { .. }) => Ok(None),
        Err(error) => Err(problems_of(error)),
    }
}

/// The keys of the list, and in development one of `owner` to try things with.
fn listed_keys(
    partners: &Partners,
    owner: Option<ApiKeyOwner>,
) -> Result<(ApiKeys, Option<String>), AuthError> {
    let own = owner.map(|owner| MemoryApiKeys::new(PREFIX)?.create(owner));
    let own = own.transpose()?;
    let source = partners.source(own.as_ref().map(|key| key.record().clone()))?;
    Ok((source, own.map(|key| key.as_str().to_owned())))
}

/// The owner of the API key that is there to try things with.
fn partner() -> ApiKeyOwner {
    let partner = Principal::service("", "partner-demo");
    ApiKeyOwner::new(partner.scopes(["read"]).roles(["partner"]))
}

/// Seals under the primary key of a keyset, which is followed, or else under one key.
async fn cipher(secrets: &Secrets) -> Result<FieldCipher, Problems> {
    match secrets.secret(KEYSET).await {
        Ok(keyset) => {
            let keys = Keyring::from_json(keyset.expose_secret())
                .map_err(|error| Problems::one(KEYSET, error.to_string()))?;
            let cipher = FieldCipher::new(keys);
            rotation::follow_keyset(secrets, cipher.clone());
            return Ok(cipher);
        }
        Err(Error::Missing { .. }) => {}
        Err(error) => return Err(problems_of(error)),
    }
    const VARIABLE: &str = "ENCRYPTION_KEY";
    let secret = secrets.secret(VARIABLE).await.map_err(problems_of)?;
    let named = |error: crypto::Error| Problems::one(VARIABLE, error.to_string());
    let key = Key::from_text(VARIABLE, secret.expose_secret()).map_err(named)?;
    Ok(FieldCipher::new(Keyring::single(key).map_err(named)?))
}

async fn with_service(
    auth: AuthLayer,
    secrets: &Secrets,
    name: &str,
    variable: &str,
) -> Result<AuthLayer, Problems> {
    let named = |error: AuthError| Problems::one(variable, error.to_string());
    match secrets.secret(variable).await {
        Ok(token) => {
            let service = ServiceToken::new(name, token.expose_secret()).map_err(named)?;
            auth.service(service.scopes(["notify"])).map_err(named)
        }
        Err(Error::Missing { .. }) => Ok(auth),
        Err(error) => Err(problems_of(error)),
    }
}
