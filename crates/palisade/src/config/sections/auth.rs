use palisade_auth::{AuthError, AuthLayer, JwtVerifier, ServiceToken};
use palisade_core::{PathSet, Problems};
use serde::Deserialize;

use super::issuer::{IssuerConfig, named};
use super::mode::Mode;
use super::secret::SecretRef;
use crate::config::variables::Variables;

/// The authentication of callers.
///
/// Issuers that publish their keys, API keys, sessions and stores of revocations are added in code; see
/// [`Assembly::auth`](crate::config::Assembly::auth).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AuthConfig {
    /// Whether it is `on`, the default, or `off`. While it is off, guards inside refuse with 500.
    pub mode: Mode,
    /// Whether requests without a credential pass, as nobody; default not.
    pub optional: bool,
    /// The realm of challenges; default `api`.
    pub realm: Option<String>,
    /// Paths at which no credential is looked at, exactly as clients send them; default none.
    pub skip_paths: Vec<String>,
    /// Whether credentials are taken out of requests before handlers see them; default not.
    pub strip_credentials: bool,
    /// The header in which a proxy sends tokens too, such as `x-goog-iap-jwt-assertion`; default none.
    pub bearer_header: Option<String>,
    /// The cookie in which tokens come too; default none.
    pub bearer_cookie: Option<String>,
    /// Origins whose pages may open WebSockets; default the server's own.
    pub websocket_origins: Vec<String>,
    /// The issuers of JSON Web Tokens.
    pub issuers: Vec<IssuerConfig>,
    /// Services that have a static token.
    pub services: Vec<ServiceConfig>,
    /// The number of verified tokens that are remembered; default that of the verifier.
    pub cache: Option<usize>,
}

/// A service with a static token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServiceConfig {
    /// The name of the service.
    pub name: String,
    /// Its token, at least 32 random bytes.
    pub token: SecretRef,
    /// The token before it, which still counts.
    #[serde(default)]
    pub previous_token: Option<SecretRef>,
    /// Its scopes; default none.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Its roles; default none.
    #[serde(default)]
    pub roles: Vec<String>,
}

impl AuthConfig {
    /// The layer, on top of one to which code gave credentials.
    pub(in crate::config) fn layer(
        &self,
        base: AuthLayer,
        variables: &Variables,
    ) -> Result<AuthLayer, Problems> {
        if self.mode == Mode::Off {
            return Ok(AuthLayer::off());
        }
        let mut problems = Problems::none();
        let mut layer = base;
        let mut attempt = |layer: &mut AuthLayer, prefix: &str, changed| match changed {
            Ok(changed) => *layer = changed,
            Err(error) => problems.append(prefix, problems_of(error)),
        };
        if let Some(realm) = &self.realm {
            let changed = layer.clone().realm(realm);
            attempt(&mut layer, "", changed);
        }
        if let Some(name) = &self.bearer_header {
            let changed = name
                .parse()
                .map_err(|_| config_error("bearer_header", "is not the name of a header"))
                .and_then(|name| layer.clone().bearer_header(name));
            attempt(&mut layer, "", changed);
        }
        if let Some(name) = &self.bearer_cookie {
            let changed = layer.clone().bearer_cookie(name);
            attempt(&mut layer, "", changed);
        }
        for (position, service) in self.services.iter().enumerate() {
            let prefix = format!("services[{position}].");
            let changed = service
                .build(variables)
                .and_then(|service| layer.clone().service(service).map_err(problems_of))
                .map_err(AuthError::from);
            attempt(&mut layer, &prefix, changed);
        }
        if self.optional {
            layer = layer.optional();
        }
        if self.strip_credentials {
            layer = layer.strip_credentials();
        }
        for origin in &self.websocket_origins {
            layer = layer.websocket_origin(origin);
        }
        if !self.skip_paths.is_empty() {
            layer = layer.skip(PathSet::of(&self.skip_paths));
        }
        match self.verifier(variables) {
            Ok(Some(verifier)) => layer = layer.bearer(verifier),
            Ok(None) => {}
            Err(part) => problems.append("", part),
        }
        problems.into_result(layer)
    }

    fn verifier(&self, variables: &Variables) -> Result<Option<JwtVerifier>, Problems> {
        if self.issuers.is_empty() {
            return Ok(None);
        }
        let mut problems = Problems::none();
        let mut builder = JwtVerifier::builder();
        for (position, issuer) in self.issuers.iter().enumerate() {
            match issuer.build(variables) {
                Ok(issuer) => builder = builder.issuer(issuer),
                Err(part) => problems.append(&format!("issuers[{position}]."), part),
            }
        }
        if let Some(tokens) = self.cache {
            builder = builder.cache(tokens);
        }
        problems.into_result(())?;
        let named = |error| {
            let mut problems = Problems::none();
            problems.append("issuers.", problems_of(error));
            problems
        };
        builder.build().map(Some).map_err(named)
    }
}

impl ServiceConfig {
    fn build(&self, variables: &Variables) -> Result<ServiceToken, Problems> {
        let read = |field: &str, place: &SecretRef| {
            place
                .read(variables)
                .map_err(|reason| Problems::one(field, reason))
        };
        let token = read("token", &self.token)?;
        let mut service = ServiceToken::new(&self.name, token.as_bytes())
            .map_err(|error| named("token", &error))?;
        if let Some(place) = &self.previous_token {
            let previous = read("previous_token", place)?;
            service = service
                .previous(previous.as_bytes())
                .map_err(|error| named("previous_token", &error))?;
        }
        Ok(service.scopes(&self.scopes).roles(&self.roles))
    }
}

fn config_error(field: &str, reason: &str) -> AuthError {
    Problems::one(field, reason).into()
}

fn problems_of(error: AuthError) -> Problems {
    match error {
        AuthError::Config(problems) => problems,
        other => Problems::one("", other.to_string()),
    }
}
