use std::fmt;
use std::path::PathBuf;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::config::variables::{Variables, is_name};

/// The place of a secret: `{ env = "NAME" }` or `{ file = "/run/secrets/name" }`. A configuration never holds one itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum SecretRef {
    /// The variable that holds it.
    Env(String),
    /// The file that holds it, without the line break at its end.
    File(PathBuf),
}

impl SecretRef {
    /// The secret.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, in words that name the variable or the kind of failure.
    pub(in crate::config) fn read(
        &self,
        variables: &Variables,
    ) -> Result<Zeroizing<String>, String> {
        match self {
            Self::Env(name) if !is_name(name) => {
                Err("is no name of a variable, as JWT_SECRET_KEY is".to_owned())
            }
            Self::Env(name) => variables
                .get(name)
                .map(Zeroizing::new)
                .ok_or_else(|| format!("the variable {name} is not set")),
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
                .map_err(|error| {
                    format!("the file of the secret cannot be read: {}", error.kind())
                }),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(PlaceOfSecret)
    }
}

struct PlaceOfSecret;

impl<'de> Visitor<'de> for PlaceOfSecret {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the place of a secret, as { env = \"NAME\" } or { file = \"/path\" }, and never the secret itself",
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        const PLACES: &[&str] = &["env", "file"];
        let mut place = None;
        while let Some(key) = map.next_key::<String>()? {
            let found = match key.as_str() {
                "env" => SecretRef::Env(map.next_value()?),
                "file" => SecretRef::File(map.next_value()?),
                other => return Err(A::Error::unknown_field(other, PLACES)),
            };
            if place.replace(found).is_some() {
                return Err(A::Error::custom("has two places, must have one"));
            }
        }
        place.ok_or_else(|| A::Error::custom("has no place: neither env nor file"))
    }
}
