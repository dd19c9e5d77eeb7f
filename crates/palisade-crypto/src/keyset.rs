use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use palisade_core::Problems;
use serde::{Deserialize, Serialize};

use crate::key::STANDARD;
use crate::{Error, Key, KeyId, KeyManagement, Keyring};

/// The keys of a service, each wrapped by a [`KeyManagement`] service, to be stored beside the data.
///
/// It is made and changed by whoever operates the service, and unwrapped once at the start, with one call a key: what is
/// sealed and opened afterwards asks nobody, so that an outage of the service stops neither. It holds no secret by itself.
/// Each key is wrapped for the name of the keyset and its own number, so that none can take the place of another.
///
/// # Example
///
/// ```
/// use palisade_crypto::{FieldCipher, Key, KeyId, LocalMasterKey, WrappedKeyset};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), palisade_crypto::Error> {
/// let kms = LocalMasterKey::new(Key::generate()?)?;
/// let mut keyset = WrappedKeyset::generate("bookings", KeyId(1), &kms).await?;
/// let stored = keyset.to_json();
///
/// // At the start of each instance.
/// let cipher = FieldCipher::new(WrappedKeyset::from_json(&stored)?.unwrap(&kms).await?);
///
/// // To rotate: a new key that only opens at first, then seals, once every instance has it.
/// keyset.add(KeyId(2), &kms).await?;
/// keyset.set_primary(KeyId(2))?;
/// cipher.swap_keyring(keyset.unwrap(&kms).await?);
/// assert_eq!(cipher.keyring().primary(), KeyId(2));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKeyset {
    name: Box<str>,
    primary: KeyId,
    keys: BTreeMap<KeyId, Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    primary: u32,
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    id: u32,
    wrapped: String,
}

impl WrappedKeyset {
    /// A keyset with one fresh key, which seals.
    ///
    /// # Errors
    ///
    /// [`Error::Random`], or [`Error::KeyManagement`] when the service does not wrap it.
    pub async fn generate(
        name: &str,
        id: KeyId,
        service: &impl KeyManagement,
    ) -> Result<Self, Error> {
        let mut keyset = Self {
            name: name.into(),
            primary: id,
            keys: BTreeMap::new(),
        };
        keyset.add(id, service).await?;
        Ok(keyset)
    }

    /// Adds a fresh key, which only opens until it is made the primary.
    ///
    /// # Errors
    ///
    /// As [`generate`](Self::generate), and [`Error::Configuration`] when there is a key with this number. The keyset is then
    /// as it was.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the keyset as it was.
    pub async fn add(&mut self, id: KeyId, service: &impl KeyManagement) -> Result<(), Error> {
        if self.keys.contains_key(&id) {
            return Err(Problems::one(format!("key {id}"), "is there already").into());
        }
        let key = Key::generate()?;
        let number = id.to_string();
        let wrapped = service.wrap(&key, &self.context(&number)).await;
        let wrapped = wrapped.map_err(|source| Error::KeyManagement { id, source })?;
        self.keys.insert(id, wrapped);
        Ok(())
    }

    /// Sets the key that seals.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownKey`] when it is not in the keyset.
    pub fn set_primary(&mut self, id: KeyId) -> Result<(), Error> {
        if !self.keys.contains_key(&id) {
            return Err(Error::UnknownKey(id));
        }
        self.primary = id;
        Ok(())
    }

    /// Takes a key out for good. What it sealed no longer opens.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownKey`] when it is not in the keyset; [`Error::Configuration`] for the primary.
    pub fn remove(&mut self, id: KeyId) -> Result<(), Error> {
        if id == self.primary {
            return Err(Problems::one(format!("key {id}"), "is the primary").into());
        }
        match self.keys.remove(&id) {
            Some(_) => Ok(()),
            None => Err(Error::UnknownKey(id)),
        }
    }

    /// Unwraps every key.
    ///
    /// # Errors
    ///
    /// [`Error::KeyManagement`] for the first key that the service does not unwrap; or as
    /// [`KeyringBuilder::build`](crate::KeyringBuilder::build).
    pub async fn unwrap(&self, service: &impl KeyManagement) -> Result<Keyring, Error> {
        let mut builder = Keyring::builder();
        for (&id, wrapped) in &self.keys {
            let number = id.to_string();
            let key = service.unwrap(wrapped, &self.context(&number)).await;
            let key = key.map_err(|source| Error::KeyManagement { id, source })?;
            builder = if id == self.primary {
                builder.primary(id, key)
            } else {
                builder.decrypt_only(id, key)
            };
        }
        builder.build()
    }

    fn context<'a>(&'a self, number: &'a str) -> [(&'a str, &'a str); 3] {
        [
            ("purpose", "palisade-crypto keyset"),
            ("keyset", &self.name),
            ("key", number),
        ]
    }

    /// The keyset in JSON: `{"name": "...", "primary": 1, "keys": [{"id": 1, "wrapped": "<base64>"}]}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let keys: Vec<serde_json::Value> = self
            .keys
            .iter()
            .map(|(id, wrapped)| serde_json::json!({"id": id.0, "wrapped": STANDARD.encode(wrapped)}))
            .collect();
        serde_json::json!({"name": self.name, "primary": self.primary.0, "keys": keys}).to_string()
    }

    /// The keyset that [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] with everything that is wrong.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let stored: Stored = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let place = format!("is not a wrapped keyset, at line {line} column {column}");
            Problems::one("keyset", place)
        })?;
        let mut problems = Problems::none();
        let mut keys = BTreeMap::new();
        for StoredKey { id, wrapped } in stored.keys {
            let id = KeyId(id);
            match STANDARD.decode(wrapped) {
                Ok(wrapped) => {
                    if keys.insert(id, wrapped).is_some() {
                        problems.push(format!("key {id}"), "is given twice");
                    }
                }
                Err(_) => problems.push(format!("key {id}"), "is not base64"),
            }
        }
        let primary = KeyId(stored.primary);
        if problems.is_empty() && !keys.contains_key(&primary) {
            problems.push("primary", "must name one of the keys, which then seals");
        }
        Ok(problems.into_result(Self {
            name: stored.name.into(),
            primary,
            keys,
        })?)
    }
}

impl fmt::Debug for WrappedKeyset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKeyset")
            .field("name", &self.name)
            .field("primary", &self.primary)
            .field("ids", &self.keys.keys().collect::<Vec<_>>())
            .finish()
    }
}
