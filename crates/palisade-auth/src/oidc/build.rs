//! The check of the settings, and what is made of them.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use palisade_client::HttpClient;
use palisade_core::Problems;
use palisade_core::secret::Weakness;

use super::builder::OidcBuilder;
use super::flow::Flows;
use super::provider::{Provider, Registered};
use super::seal::SealKeys;
use super::used::Used;
use super::{Inner, Oidc};
use crate::jwt::issuer::Issuer;
use crate::jwt::purpose::Purpose;
use crate::{AuthError, Jwks, JwtVerifier};

/// The parameters that make the flow what it is, and are nobody's to change.
const RESERVED: [&str; 14] = [
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "nonce",
    "redirect_uri",
    "request",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

impl OidcBuilder {
    /// The provider. Nothing is fetched before the first sign-in.
    ///
    /// # Errors
    ///
    /// Returns every setting that cannot be used: an issuer or a redirect URI that is not `https` nor on this machine, no
    /// client, a weak secret, an algorithm with a shared secret, a reserved parameter. Fails when the root certificates of
    /// the system cannot be read.
    pub fn build(self) -> Result<Oidc, AuthError> {
        let mut problems = self.problems();
        let keys = Arc::new(self.keys(&mut problems)?);
        let http_client = match &self.http_client {
            Some(client) => Ok(client.clone()),
            None => default_client(),
        };
        let http_client =
            http_client.map_err(|error| problems.push("http_client", error.to_string()));
        let Ok(http_client) = http_client else {
            return Err(problems.into());
        };
        let jwks = Jwks::discover(&self.issuer, Some(http_client.clone()));
        let verifiers = jwks.and_then(|jwks| {
            let verifier = |purpose| self.verifier(&jwks, purpose);
            Ok((
                verifier(Purpose::SignIn)?,
                verifier(Purpose::Userinfo)?,
                verifier(Purpose::Logout)?,
            ))
        });
        let verifiers = match verifiers {
            Ok(verifiers) if problems.is_empty() => verifiers,
            Ok(_) => return Err(problems.into()),
            Err(AuthError::Config(part)) => {
                problems.append("", part);
                return Err(problems.into());
            }
            Err(error) => return Err(error),
        };
        let (id_tokens, userinfo_tokens, logout_tokens) = verifiers;
        let registered = Registered {
            client: self.client.clone(),
            redirect_uri: self.redirect_uri.clone(),
            assertion_audience: self.assertion_audience,
            clock: self.clock.clone(),
        };
        let registration = format!("{}:{}{}", self.issuer.len(), self.issuer, self.client.id);
        let registration: Arc<str> = registration.into();
        #[cfg(feature = "redis")]
        let redis = self.redis.map(Arc::new);
        let used = |_kind| {
            #[cfg(feature = "redis")]
            if let Some(redis) = &redis {
                return Used::Redis(Arc::clone(redis), _kind);
            }
            Used::memory()
        };
        Ok(Oidc(Arc::new(Inner {
            used_states: used("used-state"),
            used_logouts: used("used-logout"),
            #[cfg(all(feature = "redis", feature = "axum"))]
            shared: redis.map(|redis| super::Shared {
                redis,
                keys: Arc::clone(&keys),
                registration: Arc::clone(&registration),
            }),
            flows: Flows::new(keys, registration, &self.redirect_uri, self.mode),
            provider: Provider::new(&self.issuer, http_client, registered),
            scopes: self.scopes.join(" ").into(),
            parameters: self.parameters,
            required_claims: self.required_claims,
            max_age: self.max_age,
            trusted_audiences: self.trusted_audiences,
            userinfo: self.userinfo,
            userinfo_signature: self.userinfo_signature,
            userinfo_tokens,
            id_tokens,
            logout_tokens,
            clock: self.clock,
        })))
    }

    fn problems(&self) -> Problems {
        let mut problems = Problems::none();
        if self.client.id.is_empty() {
            problems.push("client", "is missing");
        }
        if self.client.has_empty_secret() {
            problems.push("client", "has an empty secret; `public_client` has none");
        }
        let has_host = self.redirect_uri.parse::<Uri>().is_ok();
        let plain = !self.redirect_uri.contains('#');
        if !(has_host && plain && crate::jwt::is_trusted(&self.redirect_uri)) {
            problems.push("redirect_uri", "is not an https URL without a fragment");
        }
        // RFC 6749, section 3.3.
        let token = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
        let is_scope = |scope: &str| !scope.is_empty() && scope.bytes().all(token);
        if !self.scopes.iter().all(|scope| is_scope(scope)) {
            problems.push("scopes", "has one that is empty or has a space in it");
        }
        if self.algorithms.is_empty() {
            problems.push("algorithms", "is empty");
        }
        for (name, values) in &self.required_claims {
            if name.is_empty() || values.is_empty() {
                problems.push("claim", format!("{name:?} has no value that is admitted"));
            }
        }
        for (name, _) in &self.parameters {
            if name.is_empty() || RESERVED.contains(&&**name) {
                problems.push("parameter", format!("{name:?} belongs to the flow"));
            }
        }
        #[cfg(feature = "redis")]
        if self.redis.is_some() && self.cookie_secret.is_none() {
            problems.push(
                "cookie_secret",
                "is missing, without which no other instance reads what `redis` keeps",
            );
        }
        problems
    }

    fn keys(&self, problems: &mut Problems) -> Result<SealKeys, AuthError> {
        let mut of = |field: &str, secret: &[u8]| {
            let weak = |weak: Weakness| problems.push(field, weak.to_string());
            SealKeys::of(secret).map_err(weak).ok()
        };
        let current = self.cookie_secret.as_ref();
        let current = current.and_then(|secret| of("cookie_secret", secret));
        let previous = self.previous_cookie_secret.as_ref();
        let previous = previous.and_then(|secret| of("previous_cookie_secret", secret));
        let mut keys = match current {
            Some(keys) => keys,
            None => SealKeys::random()?,
        };
        if let Some(previous) = previous {
            keys.add_previous(previous);
        }
        Ok(keys)
    }

    /// The verifier of tokens of one purpose. Each is seen once, so none is remembered.
    fn verifier(&self, jwks: &Jwks, purpose: Purpose) -> Result<JwtVerifier, AuthError> {
        let lifetime = match purpose {
            Purpose::Logout => Oidc::LOGOUT_LIFETIME,
            _ => Issuer::FOREIGN_LIFETIME,
        };
        let issuer = Issuer::jwks(&self.issuer, jwks.clone())
            .for_purpose(purpose)
            .algorithms(self.algorithms.iter().copied())
            .audience(&self.client.id)
            .max_lifetime(lifetime)
            .leeway(Issuer::MAX_LEEWAY);
        JwtVerifier::builder()
            .issuer(issuer)
            .cache(0)
            .clock(self.clock.clone())
            .build()
    }
}

fn default_client() -> Result<HttpClient, palisade_client::HttpClientError> {
    HttpClient::builder()
        .name("oidc")
        .connect_timeout(Duration::from_secs(2))
        .attempt_timeout(Duration::from_secs(8))
        .total_timeout(Duration::from_secs(10))
        .max_body(512 * 1024)
        .build()
}
