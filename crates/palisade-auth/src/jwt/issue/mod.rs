mod builder;
mod issued;

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{Principal, PrincipalKind, random};
use ring::hmac;
use serde::Serialize;
use serde_json::{Map, Value};

pub use self::builder::TokenIssuerBuilder;
pub use self::issued::IssuedToken;
use super::claims::Registered;
use super::confirmation::Confirmation;
use super::hmac::HmacKeys;
use super::issuer::Issuer;
use super::key_set::KeySet;
use super::parse::encode;
use super::rules::ClaimRules;
use super::signing_keys::SigningKeys;
use super::trusted::Keys;
use crate::AuthError;
use crate::scope::is_scope;

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
    client: Option<Box<str>>,
    lifetime: Duration,
    /// The rules by which a verifier accepts the tokens.
    rules: ClaimRules,
    clock: WallClock,
    signer: Signer,
    /// The keys that verify the tokens.
    verifying: Keys,
}

/// The signing side of a key.
#[derive(Debug, Clone)]
enum Signer {
    Secret(HmacKeys),
    Private(SigningKeys),
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

    /// The other side: what a [`JwtVerifier`](crate::JwtVerifier) must accept in order to accept these tokens.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        self.rules
            .audiences
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
        match &self.signer {
            Signer::Secret(_) => KeySet::default().to_jwks(),
            Signer::Private(keys) => keys.view().published.to_jwks(),
        }
    }

    /// The lifetime of a token.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A token that speaks for `principal`: its kind, subject, scopes, roles, permissions, tenant and session. Its
    /// issuer, expiry and claims are not taken over.
    ///
    /// # Errors
    ///
    /// Fails when the operating system gives no random bytes, when the token would be longer than 8 KiB, and for whom the
    /// verifier of these tokens would refuse or take for somebody else: a principal without a subject, and one with a
    /// scope that is none (RFC 6749, section 3.3), such as one with a space, which would become two.
    pub fn issue(&self, principal: &Principal) -> Result<IssuedToken, AuthError> {
        self.issue_with(principal, &Map::new())
    }

    /// The same, with claims of the application's own beside the registered ones.
    ///
    /// # Errors
    ///
    /// As for [`issue`](Self::issue), and when `claims` is not an object, names a registered claim other than `client_id`,
    /// has a `client_id` that is no text, or makes of the token
    /// one of another kind: an ID token (`at_hash`, `c_hash`), a refresh token (`type`), a logout token (`events`), or one
    /// bound to a key (`cnf`).
    pub fn issue_with(
        &self,
        principal: &Principal,
        claims: &impl Serialize,
    ) -> Result<IssuedToken, AuthError> {
        self.make(principal, claims, None)
    }

    /// The same, bound to a key: [`AuthLayer`](crate::AuthLayer) accepts the token from who proves to have that key, and
    /// from nobody else (RFC 9449, section 6; RFC 8705, section 3). Answer with `token_type` `DPoP` for the key of a DPoP
    /// proof, and with `Bearer` for a certificate.
    ///
    /// # Errors
    ///
    /// As for [`issue_with`](Self::issue_with).
    pub fn issue_bound(
        &self,
        principal: &Principal,
        claims: &impl Serialize,
        to: &Confirmation,
    ) -> Result<IssuedToken, AuthError> {
        self.make(principal, claims, Some(to))
    }

    fn make(
        &self,
        principal: &Principal,
        claims: &impl Serialize,
        bound_to: Option<&Confirmation>,
    ) -> Result<IssuedToken, AuthError> {
        let Ok(Value::Object(mut claims)) = serde_json::to_value(claims) else {
            return Err(AuthError::Issue("the claims are not an object"));
        };
        if RESERVED.iter().any(|name| claims.contains_key(*name)) {
            return Err(AuthError::Issue("the claims name a registered claim"));
        }
        if claims
            .get("client_id")
            .is_some_and(|client| client.as_str().is_none_or(str::is_empty))
        {
            return Err(AuthError::Issue("the client_id is not a name"));
        }
        let now = UnixTime::from_secs(self.clock.now().as_secs());
        let expires_at = now.saturating_add(self.lifetime);
        let id = encode(random::bytes::<16>()?);
        self.write_claims(&mut claims, principal, &id);
        claims.insert("iat".into(), now.as_secs().into());
        claims.insert("exp".into(), expires_at.as_secs().into());
        let kinds = "the claims are those of another kind of token";
        if let Some(bound_to) = bound_to
            && claims.insert("cnf".into(), bound_to.to_claim()).is_some()
        {
            return Err(AuthError::Issue(kinds));
        }
        let payload = serde_json::to_vec(&claims)
            .map_err(|_| AuthError::Issue("the claims cannot be written"))?;
        let written = self.check(&payload, principal, now)?;
        if written.as_ref() != bound_to {
            return Err(AuthError::Issue(kinds));
        }
        let token = self.sign(&payload)?;
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
        let is_service = principal.kind() == PrincipalKind::Service;
        claims.entry("client_id").or_insert_with(|| {
            let by_default = if is_service {
                principal.subject()
            } else {
                &*self.name
            };
            self.client.as_deref().unwrap_or(by_default).into()
        });
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", (*self.name).into());
        set("sub", principal.subject().into());
        set("jti", id.into());
        set(
            "aud",
            match &*self.rules.audiences {
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
        if is_service {
            set("kind", PrincipalKind::Service.as_str().into());
        }
    }

    /// Whatever the verifier would refuse is not issued. Gives back the key that the token is bound to.
    fn check(
        &self,
        payload: &[u8],
        principal: &Principal,
        now: UnixTime,
    ) -> Result<Option<Confirmation>, AuthError> {
        if !principal.scope_names().all(is_scope) {
            return Err(AuthError::Issue("a scope has characters that none has"));
        }
        let refused = |_| AuthError::Issue("its verifier would refuse the claims");
        let claims = Registered::parse(payload).map_err(refused)?;
        if claims.says_other_use() || claims.has_nonce() {
            return Err(AuthError::Issue(
                "the claims are those of another kind of token",
            ));
        }
        self.rules.check(&claims, now).map_err(refused)?;
        Ok(claims.cnf)
    }

    fn sign(&self, payload: &[u8]) -> Result<String, AuthError> {
        let unsigned = |header: &str| {
            let mut token = String::with_capacity(header.len() + payload.len() * 4 / 3 + 96);
            token.push_str(header);
            token.push('.');
            URL_SAFE_NO_PAD.encode_string(payload, &mut token);
            token
        };
        let (mut token, signature) = match &self.signer {
            Signer::Secret(keys) => {
                let secrets = keys.secrets();
                let token = unsigned(&secrets.header);
                let tag = hmac::sign(secrets.signing(), token.as_bytes());
                (token, encode(tag))
            }
            Signer::Private(keys) => {
                let view = keys.view();
                let token = unsigned(&view.header);
                let signature = view.current.sign(token.as_bytes())?;
                (token, encode(signature))
            }
        };
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("name", &self.name)
            .field("audiences", &self.rules.audiences)
            .field("lifetime", &self.lifetime)
            .field("signer", &self.signer)
            .finish_non_exhaustive()
    }
}
