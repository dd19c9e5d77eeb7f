use palisade_core::Problems;
use palisade_crypto::{Error, FieldCipher, FieldCryptoLayer, Fields, Key, Keyring};
use serde::Deserialize;

use super::mode::Mode;
use super::secret::SecretRef;
use crate::config::variables::Variables;

/// The sealing of fields of responses.
///
/// Bindings to requests and requests that are opened are added in code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FieldEncryptionConfig {
    /// Whether it is `on`, the default, or `off`.
    pub mode: Mode,
    /// The key, 32 bytes in base64. Default the variable `ENCRYPTION_KEY`, or the cipher that code gives.
    pub key: Option<SecretRef>,
    /// Several keys instead, as the JSON of a keyring: `{"primary": 7, "keys": [{"id": 7, "key": "..."}]}`.
    pub keyring: Option<SecretRef>,
    /// The fields, such as `**/email` or `user.phone`. Default `password_hash`, `email`, `phone`, `credit_card`, `ssn`,
    /// `api_key` and `secret` at any depth.
    pub fields: Vec<String>,
    /// The type of record to which values are bound; default `http`.
    pub record_type: Option<String>,
    /// The paths whose responses are sealed, `/partner/*` for all below; default all.
    pub paths: Vec<String>,
    /// The most bytes of a body that are collected; default 2 MiB.
    pub limit_bytes: Option<usize>,
}

impl FieldEncryptionConfig {
    /// The variable of the key where nothing else is said.
    const VARIABLE: &str = "ENCRYPTION_KEY";

    /// The layer, with the keys that are named here, or else with the cipher that code gave.
    pub(in crate::config) fn layer(
        &self,
        given: Option<&FieldCipher>,
        variables: &Variables,
    ) -> Result<FieldCryptoLayer, Problems> {
        if self.mode == Mode::Off {
            return Ok(FieldCryptoLayer::off());
        }
        let mut problems = Problems::none();
        let cipher = self
            .cipher(given, variables)
            .map_err(|part| problems.append("", part));
        let fields = match self.fields.is_empty() {
            true => Ok(Fields::DEFAULT_SENSITIVE),
            false => Fields::try_paths(&self.fields)
                .map_err(|error| problems.append("", problems_of(error))),
        };
        let (Ok(cipher), Ok(fields)) = (cipher, fields) else {
            return Err(problems);
        };
        let mut layer = FieldCryptoLayer::new(cipher).encrypt_response(fields);
        if let Some(record_type) = &self.record_type {
            layer = layer.record_type(record_type);
        }
        if !self.paths.is_empty() {
            layer = layer.paths(&self.paths);
        }
        if let Some(bytes) = self.limit_bytes {
            layer = layer.limit(bytes);
        }
        Ok(layer)
    }

    fn cipher(
        &self,
        given: Option<&FieldCipher>,
        variables: &Variables,
    ) -> Result<FieldCipher, Problems> {
        let read = |field: &str, place: &SecretRef| {
            place
                .read(variables)
                .map_err(|reason| Problems::one(field, reason))
        };
        let named = |field: &str, error: Error| {
            let reasons = problems_of(error);
            Problems::one(field, reasons.to_string())
        };
        let keys = match (&self.key, &self.keyring, given) {
            (Some(_), Some(_), _) => {
                return Err(Problems::one("keyring", "excludes key"));
            }
            (None, None, Some(cipher)) => return Ok(cipher.clone()),
            (None, Some(place), _) => {
                let text = read("keyring", place)?;
                Keyring::from_json(&text).map_err(|error| named("keyring", error))?
            }
            (key, None, _) => {
                let default = SecretRef::Env(Self::VARIABLE.to_owned());
                let text = read("key", key.as_ref().unwrap_or(&default))?;
                let key =
                    Key::from_text(Self::VARIABLE, &text).map_err(|error| named("key", error))?;
                Keyring::single(key).map_err(|error| named("key", error))?
            }
        };
        Ok(FieldCipher::new(keys))
    }
}

fn problems_of(error: Error) -> Problems {
    match error {
        Error::Configuration(problems) => problems,
        other => Problems::one("", other.to_string()),
    }
}
