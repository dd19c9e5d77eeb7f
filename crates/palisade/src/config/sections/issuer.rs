use std::path::{Path, PathBuf};
use std::time::Duration;

use palisade_auth::{Algorithm, AuthError, HmacKeys, Issuer, KeySet, TokenType, VerifyingKey};
use palisade_core::Problems;
use serde::Deserialize;

use super::secret::SecretRef;
use crate::config::variables::Variables;

/// An issuer of JSON Web Tokens, whose keys are at hand: a secret, or public keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IssuerConfig {
    /// The name that tokens have in `iss`.
    pub name: String,
    /// Names of this service, one of which must stand in `aud`.
    pub audiences: Vec<String>,
    /// The secret that this service shares with the issuer, at least 32 random bytes.
    #[serde(default)]
    pub secret: Option<SecretRef>,
    /// The secret before it, whose tokens still count.
    #[serde(default)]
    pub previous_secret: Option<SecretRef>,
    /// The public keys of the issuer.
    #[serde(default)]
    pub public_keys: Vec<PublicKeyConfig>,
    /// A file with the issuer's key set (RFC 7517), read when the configuration is.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// The algorithms that are accepted, such as `RS256`; default those of the keys.
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// The `typ` of tokens; default `access-token` with a secret, else `common`.
    #[serde(default)]
    pub token_type: Option<TokenTypeName>,
    /// The longest life of a token in seconds; default 900 with a secret, else 86400.
    #[serde(default)]
    pub max_lifetime_seconds: Option<u64>,
    /// By how many seconds clocks may differ, at most 60; default 30.
    #[serde(default)]
    pub leeway_seconds: Option<u64>,
}

/// A public key in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PublicKeyConfig {
    /// The algorithm of its signatures, such as `RS256`, `ES256` or `EdDSA`.
    pub algorithm: String,
    /// The file that holds it.
    pub file: PathBuf,
    /// The `kid` by which tokens name it; default none.
    #[serde(default)]
    pub id: Option<String>,
}

/// The `typ` of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TokenTypeName {
    /// `at+jwt` alone.
    AccessToken,
    /// None, `JWT` or `at+jwt`.
    Common,
}

impl IssuerConfig {
    pub(super) fn build(&self, variables: &Variables) -> Result<Issuer, Problems> {
        let mut issuer = self.keys(variables)?;
        let mut problems = Problems::none();
        for audience in &self.audiences {
            issuer = issuer.audience(audience);
        }
        let mut algorithms = Vec::new();
        for (position, name) in self.algorithms.iter().enumerate() {
            match algorithm(name) {
                Some(algorithm) => algorithms.push(algorithm),
                None => problems.push(format!("algorithms[{position}]"), NO_ALGORITHM),
            }
        }
        if !algorithms.is_empty() {
            issuer = issuer.algorithms(algorithms);
        }
        issuer = match self.token_type {
            None => issuer,
            Some(TokenTypeName::AccessToken) => issuer.token_type(TokenType::AccessToken),
            Some(TokenTypeName::Common) => issuer.token_type(TokenType::Common),
        };
        if let Some(seconds) = self.max_lifetime_seconds {
            issuer = issuer.max_lifetime(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.leeway_seconds {
            issuer = issuer.leeway(Duration::from_secs(seconds));
        }
        problems.into_result(issuer)
    }

    fn keys(&self, variables: &Variables) -> Result<Issuer, Problems> {
        let is_public = !self.public_keys.is_empty();
        match (&self.secret, is_public, &self.jwks_file) {
            (Some(secret), false, None) => {
                let keys = self.secrets(secret, variables)?;
                Ok(Issuer::hmac(&self.name, keys))
            }
            (None, true, None) => {
                let mut problems = Problems::none();
                let mut keys = Vec::new();
                for (position, key) in self.public_keys.iter().enumerate() {
                    match key.build() {
                        Ok(key) => keys.push(key),
                        Err(part) => problems.append(&format!("public_keys[{position}]."), part),
                    }
                }
                problems.into_result(())?;
                let keys = KeySet::new(keys).map_err(|error| named("public_keys", &error))?;
                Ok(Issuer::keys(&self.name, keys))
            }
            (None, false, Some(path)) => {
                let text = text_of("jwks_file", path)?;
                let keys = KeySet::from_jwks(&text).map_err(|error| named("jwks_file", &error))?;
                Ok(Issuer::keys(&self.name, keys))
            }
            (None, false, None) => Err(Problems::one(
                "name",
                "has no keys: give it secret, public_keys or jwks_file, or add it in code",
            )),
            _ => Err(Problems::one(
                "name",
                "has keys of two kinds: secret, public_keys and jwks_file exclude each other",
            )),
        }
    }

    fn secrets(&self, secret: &SecretRef, variables: &Variables) -> Result<HmacKeys, Problems> {
        let mut problems = Problems::none();
        let mut read = |field: &str, place: &SecretRef| {
            let read = place.read(variables);
            read.map_err(|reason| problems.push(field, reason)).ok()
        };
        let current = read("secret", secret);
        let previous = self
            .previous_secret
            .as_ref()
            .map(|place| read("previous_secret", place));
        problems.into_result(())?;
        let current = current.unwrap_or_default();
        let keys =
            HmacKeys::current(current.as_bytes()).map_err(|error| named("secret", &error))?;
        match previous.flatten() {
            None => Ok(keys),
            Some(previous) => keys
                .previous(previous.as_bytes())
                .map_err(|error| named("previous_secret", &error)),
        }
    }
}

impl PublicKeyConfig {
    fn build(&self) -> Result<VerifyingKey, Problems> {
        let Some(algorithm) = algorithm(&self.algorithm) else {
            return Err(Problems::one("algorithm", NO_ALGORITHM));
        };
        let pem = text_of("file", &self.file)?;
        let key = VerifyingKey::from_pem(algorithm, &pem).map_err(|error| named("file", &error))?;
        Ok(match &self.id {
            Some(id) => key.id(id),
            None => key,
        })
    }
}

const NO_ALGORITHM: &str = "is no algorithm, as HS256, RS256, PS256, ES256 and EdDSA are";

fn algorithm(name: &str) -> Option<Algorithm> {
    name.parse().ok()
}

fn text_of(field: &str, path: &Path) -> Result<String, Problems> {
    std::fs::read_to_string(path)
        .map_err(|error| Problems::one(field, format!("cannot be read: {}", error.kind())))
}

/// An error of the auth crate under a key of the configuration.
pub(super) fn named(field: &str, error: &AuthError) -> Problems {
    Problems::one(field, error.to_string())
}
