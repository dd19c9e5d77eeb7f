use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{Principal, PrincipalKind, Problems, random};
use ring::hmac;
use serde::Serialize;
use serde_json::{Map, Value};

use super::issuer::Issuer;
use super::keys::{HmacKeys, KeySet};
use super::parse::encode;
use super::signing::SigningKeys;
use crate::AuthError;

/// Issues access tokens of our own (RFC 9068): `typ` is `at+jwt`, and each has a `jti` by which it can be revoked.
///
/// # Example
///
/// ```
/// use palisade_auth::{HmacKeys, JwtVerifier, TokenIssuer};
/// use palisade_core::Principal;
/// # let secret = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
///
/// let tokens = TokenIssuer::hmac("bookings", HmacKeys::current(secret)?)
///     .audience("api://bookings")
///     .build()?;
/// let jwt = JwtVerifier::builder().issuer(tokens.issuer()).build()?;
///
/// let alice = Principal::user("bookings", "alice").scopes(["read", "write"]);
/// let issued = tokens.issue(&alice)?;
/// assert!(jwt.verify(issued.as_str()).unwrap().has_scope("write"));
/// assert_eq!(issued.expires_in().as_secs(), 900);
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct TokenIssuer {
    name: Box<str>,
    audiences: Vec<Box<str>>,
    lifetime: Duration,
    clock: WallClock,
    signer: Signer,
    /// What verifies the tokens.
    verifying: KeySet,
    header: Box<str>,
}

/// What signs.
#[derive(Debug, Clone)]
enum Signer {
    Hmac(HmacKeys),
    Private(SigningKeys),
}

/// Collects the settings of a [`TokenIssuer`].
#[derive(Debug, Clone)]
pub struct TokenIssuerBuilder {
    name: Box<str>,
    audiences: Vec<Box<str>>,
    lifetime: Duration,
    clock: WallClock,
    signer: Signer,
}

/// The claims that are ours to write; custom ones must not replace them.
const RESERVED: [&str; 18] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "scope",
    "scp",
    "roles",
    "permissions",
    "tenant",
    "kind",
    "nonce",
    "typ",
    "token_use",
    "token_type",
];

impl TokenIssuer {
    /// 24 hours, the longest life that can be set.
    pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

    /// Issues as `name`, signed with the current secret of `keys`.
    #[must_use]
    pub fn hmac(name: &str, keys: HmacKeys) -> TokenIssuerBuilder {
        Self::with(name, Signer::Hmac(keys))
    }

    /// Issues as `name`, signed with the current private key of `keys`, whose public half [`jwks`](Self::jwks) shows.
    #[must_use]
    pub fn signed(name: &str, keys: SigningKeys) -> TokenIssuerBuilder {
        Self::with(name, Signer::Private(keys))
    }

    fn with(name: &str, signer: Signer) -> TokenIssuerBuilder {
        TokenIssuerBuilder {
            name: name.into(),
            audiences: Vec::new(),
            lifetime: Issuer::OWN_LIFETIME,
            clock: WallClock::system(),
            signer,
        }
    }

    /// The other side: what a [`JwtVerifier`](crate::JwtVerifier) must accept in order to accept these tokens.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        self.audiences
            .iter()
            .fold(
                Issuer::own(&self.name, self.verifying.clone()),
                |issuer, audience| issuer.audience(audience),
            )
            .max_lifetime(self.lifetime)
    }

    /// The public keys as a JWK set, to be served at `/.well-known/jwks.json`; an empty set for shared secrets.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.verifying.to_jwks()
    }

    /// How long a token lives.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A token that speaks for `principal`: its kind, subject, scopes, roles, permissions, tenant and session. Its
    /// issuer, expiry and claims are not taken over.
    ///
    /// # Errors
    ///
    /// Fails when the operating system gives no random bytes, or the token would be longer than 8 KiB.
    pub fn issue(&self, principal: &Principal) -> Result<IssuedToken, AuthError> {
        self.issue_with(principal, &Map::new())
    }

    /// The same, with claims of the application's own beside the registered ones.
    ///
    /// # Errors
    ///
    /// As for [`issue`](Self::issue), and when `claims` is not an object or names a registered claim.
    pub fn issue_with(
        &self,
        principal: &Principal,
        claims: &impl Serialize,
    ) -> Result<IssuedToken, AuthError> {
        let Ok(Value::Object(mut claims)) = serde_json::to_value(claims) else {
            return Err(AuthError::Issue("the claims are not an object"));
        };
        if RESERVED.iter().any(|name| claims.contains_key(*name)) {
            return Err(AuthError::Issue("the claims name a registered claim"));
        }
        let now = UnixTime::from_secs(self.clock.now().as_secs());
        let expires_at = now.saturating_add(self.lifetime);
        let id = encode(random::bytes::<16>()?);
        self.write_claims(&mut claims, principal, &id);
        claims.insert("iat".into(), now.as_secs().into());
        claims.insert("exp".into(), expires_at.as_secs().into());
        let token = self.sign(&claims)?;
        if token.len() > super::parse::MAX_TOKEN_LEN {
            return Err(AuthError::Issue("it would be longer than 8 KiB"));
        }
        Ok(IssuedToken {
            token,
            id,
            expires_at,
            expires_in: self.lifetime,
        })
    }

    fn write_claims(&self, claims: &mut Map<String, Value>, principal: &Principal, id: &str) {
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", (*self.name).into());
        set("sub", principal.subject().into());
        set("jti", id.into());
        set(
            "aud",
            match &*self.audiences {
                [one] => (**one).into(),
                several => several.iter().map(|one| Value::from(&**one)).collect(),
            },
        );
        let scopes: Vec<&str> = principal.scope_names().collect();
        if !scopes.is_empty() {
            set("scope", scopes.join(" ").into());
        }
        let mut list = |name: &str, items: Vec<&str>| {
            if !items.is_empty() {
                set(name, items.into());
            }
        };
        list("roles", principal.role_names().collect());
        list("permissions", principal.permission_names().collect());
        if let Some(tenant) = principal.tenant_name() {
            set("tenant", tenant.into());
        }
        if let Some(session) = principal.session_id() {
            set("sid", session.into());
        }
        if principal.kind() == PrincipalKind::Service {
            set("kind", PrincipalKind::Service.as_str().into());
        }
    }

    fn sign(&self, claims: &Map<String, Value>) -> Result<String, AuthError> {
        let payload = serde_json::to_vec(claims)
            .map_err(|_| AuthError::Issue("the claims cannot be written"))?;
        let mut token = String::with_capacity(self.header.len() + payload.len() * 4 / 3 + 96);
        token.push_str(&self.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = match &self.signer {
            Signer::Hmac(keys) => {
                let tag = hmac::sign(keys.signing().1, token.as_bytes());
                encode(tag)
            }
            Signer::Private(keys) => encode(keys.current().sign(token.as_bytes())?),
        };
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }
}

impl TokenIssuerBuilder {
    /// Adds whom the tokens are for. At least one is required.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets how long a token lives, in whole seconds: 1 second to 24 hours, default 15 minutes.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets how long a token lives from `ACCESS_TOKEN_EXPIRE_MINUTES` (1 to 1440) or else `JWT_EXPIRES_HOURS` (1 to
    /// 24), if `variable` knows one of them.
    ///
    /// # Errors
    ///
    /// Names the variable whose value is not a whole number in its range.
    pub fn lifetime_from(
        mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AuthError> {
        const KNOWN: [(&str, u64, u64); 2] = [
            ("ACCESS_TOKEN_EXPIRE_MINUTES", 60, 1440),
            ("JWT_EXPIRES_HOURS", 3600, 24),
        ];
        for (name, unit, max) in KNOWN {
            let Some(text) = variable(name) else { continue };
            match text.trim().parse::<u64>() {
                Ok(count) if (1..=max).contains(&count) => {
                    self.lifetime = Duration::from_secs(count * unit);
                    return Ok(self);
                }
                _ => {
                    let reason = format!("is not a whole number from 1 to {max}");
                    return Err(AuthError::one(name, reason));
                }
            }
        }
        Ok(self)
    }

    /// Sets the clock that `iat` and `exp` are taken from; default the system's.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// The issuer.
    ///
    /// # Errors
    ///
    /// Returns every problem at once: an empty name, no audience, a lifetime out of range.
    pub fn build(self) -> Result<TokenIssuer, AuthError> {
        let mut problems = Problems::none();
        if self.name.is_empty() {
            problems.push("name", "is empty");
        }
        if self.audiences.iter().all(|audience| audience.is_empty()) {
            problems.push("audience", "is missing");
        }
        let seconds = Duration::from_secs(1)..=TokenIssuer::MAX_LIFETIME;
        if !seconds.contains(&self.lifetime) {
            problems.push("lifetime", "is not from 1 second to 24 hours");
        }
        let (verifying, header) = match &self.signer {
            Signer::Hmac(keys) => (
                KeySet::of_hmac(keys),
                header(keys.algorithm(), Some(keys.signing().0)),
            ),
            Signer::Private(keys) => {
                let current = keys.current().public();
                let verifying = keys.verifying().unwrap_or_else(|_| {
                    problems.push("keys", "has two of one id, or a shared secret");
                    KeySet::default()
                });
                (verifying, header(current.algorithm(), current.key_id()))
            }
        };
        Ok(problems.into_result(TokenIssuer {
            name: self.name,
            audiences: self.audiences,
            lifetime: Duration::from_secs(self.lifetime.as_secs()),
            clock: self.clock,
            signer: self.signer,
            verifying,
            header,
        })?)
    }
}

/// The header is the same for every token of a key, so it is encoded once.
fn header(algorithm: Algorithm, kid: Option<&str>) -> Box<str> {
    let json = serde_json::json!({ "alg": algorithm, "kid": kid, "typ": "at+jwt" });
    encode(json.to_string()).into()
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("name", &self.name)
            .field("audiences", &self.audiences)
            .field("lifetime", &self.lifetime)
            .field("signer", &self.signer)
            .finish_non_exhaustive()
    }
}

/// A token just issued. Its `Debug` does not show it.
#[derive(Clone)]
pub struct IssuedToken {
    token: String,
    id: String,
    expires_at: UnixTime,
    expires_in: Duration,
}

impl IssuedToken {
    /// The token itself, for the response to the one it was made for and nowhere else.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.token
    }

    /// The token itself, taken out.
    #[must_use]
    pub fn into_string(self) -> String {
        self.token
    }

    /// `jti`, by which the token can be revoked. Not a secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `exp`.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// How long it lives from now on, as `expires_in` (RFC 6749, section 5.1) says it.
    #[must_use]
    pub const fn expires_in(&self) -> Duration {
        self.expires_in
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("token", &"[redacted]")
            .field("id", &self.id)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}
