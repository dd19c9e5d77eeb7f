use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use palisade_core::Problems;
use ring::hkdf::Prk;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::suite::{Committing, Failed, Xaes, expand, extract};
use crate::{Error, Key, KeyId};

/// The keys of a service: one primary that seals and opens, and others that only open.
///
/// A sealed value names its key, and no other is tried.
///
/// # Example
///
/// ```
/// use palisade_crypto::{Key, KeyId, Keyring};
///
/// let keys = Keyring::builder()
///     .primary(KeyId(7), Key::generate()?)
///     .decrypt_only(KeyId(6), Key::generate()?)
///     .build()?;
/// assert_eq!(keys.primary(), KeyId(7));
/// # Ok::<(), palisade_crypto::Error>(())
/// ```
#[derive(Clone)]
pub struct Keyring(pub(crate) Arc<Keys>);

pub(crate) struct Keys {
    primary: Entry,
    others: Vec<Entry>,
}

pub(crate) struct Entry {
    pub(crate) id: KeyId,
    pub(crate) xaes: Xaes,
    pub(crate) committing: Committing,
    /// From which the keys of blind indexes are derived.
    pub(crate) prk: Prk,
}

impl Entry {
    fn new(id: KeyId, key: &Key) -> Result<Self, Failed> {
        let prk = extract(key);
        let xaes = expand::<32>(&prk, &[b"palisade-crypto v1 suite 01"])?;
        Ok(Self {
            id,
            xaes: Xaes::new(&xaes),
            committing: Committing::new(key),
            prk,
        })
    }
}

impl Keyring {
    /// Starts a keyring.
    pub fn builder() -> KeyringBuilder {
        KeyringBuilder::default()
    }

    /// A keyring of this key alone, with the id 1.
    ///
    /// # Errors
    ///
    /// As [`KeyringBuilder::build`].
    pub fn single(key: Key) -> Result<Self, Error> {
        Self::builder().primary(KeyId(1), key).build()
    }

    /// The keys in environment variables: `ENCRYPTION_KEY` alone, which gets the id 1, or several
    /// `ENCRYPTION_KEY_<id>` and `ENCRYPTION_KEY_PRIMARY`, the id of the one that seals.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] with everything that is wrong, under the names of the variables.
    pub fn from_env(variable: &str) -> Result<Self, Error> {
        Self::from_vars(
            variable,
            std::env::vars_os().filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.into_string().ok()?))
            }),
        )
    }

    /// Reads the keys in the variables given, as [`from_env`](Self::from_env) does.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] with everything that is wrong, under the names of the variables.
    pub fn from_vars(
        variable: &str,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut builder = Self::builder();
        let mut numbered = BTreeMap::new();
        let mut alone = None;
        let mut primary = None;
        for (name, value) in vars {
            let value = Zeroizing::new(value);
            let Some(rest) = name.strip_prefix(variable) else {
                continue;
            };
            match rest.strip_prefix('_') {
                None if rest.is_empty() => alone = Some(value),
                Some("PRIMARY") => primary = Some(value),
                Some(id) if id.bytes().all(|byte| byte.is_ascii_digit()) => match id.parse() {
                    Ok(id) => {
                        numbered.insert(KeyId(id), (name, value));
                    }
                    Err(_) => builder.problems.push(name, "has a number above 4294967295"),
                },
                _ => {}
            }
        }
        let primary_name = format!("{variable}_PRIMARY");
        match (alone, numbered.is_empty()) {
            (Some(text), true) => {
                return match Key::from_text(variable, &text) {
                    Ok(key) => builder.primary(KeyId(1), key).build(),
                    Err(error) => builder.with_problems_of(error).build(),
                };
            }
            (Some(_), false) => builder.problems.push(
                variable,
                format!("is set beside {variable}_<id>; give it a number too"),
            ),
            (None, true) => builder.problems.push(variable, "is not set"),
            (None, false) => {}
        }
        let primary: Option<KeyId> = match primary.as_deref().map(|text| text.trim().parse()) {
            Some(Ok(id)) => Some(KeyId(id)),
            Some(Err(_)) => {
                builder
                    .problems
                    .push(&primary_name, "is not the number of a key");
                None
            }
            None if numbered.len() == 1 => numbered.keys().next().copied(),
            None => None,
        };
        if primary.is_none_or(|id| !numbered.contains_key(&id)) && !numbered.is_empty() {
            builder
                .problems
                .push(&primary_name, "must name one of the keys, which then seals");
        }
        for (id, (name, text)) in numbered {
            builder = match Key::from_text(&name, &text) {
                Ok(key) if Some(id) == primary => builder.primary(id, key),
                Ok(key) => builder.decrypt_only(id, key),
                Err(error) => builder.with_problems_of(error),
            };
        }
        builder.build()
    }

    /// A keyset in JSON: `{"primary": 7, "keys": [{"id": 7, "key": "<base64>"}, {"id": 6, "key": "<base64>"}]}`.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] with everything that is wrong, which never repeats the text.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Keyset<'a> {
            primary: u32,
            #[serde(borrow)]
            keys: Vec<Item<'a>>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Item<'a> {
            id: u32,
            #[serde(borrow)]
            key: Cow<'a, str>,
        }
        let keyset: Keyset<'_> = serde_json::from_str(text).map_err(|error| {
            // The message of serde_json may quote the text.
            let place = format!(
                "is not a keyset, at line {} column {}",
                error.line(),
                error.column()
            );
            Problems::one("keyset", place)
        })?;
        let mut builder = Self::builder();
        for (position, Item { id, key }) in keyset.keys.into_iter().enumerate() {
            builder = match Key::from_text(&format!("keys[{position}].key"), &key) {
                Ok(key) if id == keyset.primary => builder.primary(KeyId(id), key),
                Ok(key) => builder.decrypt_only(KeyId(id), key),
                Err(error) => builder.with_problems_of(error),
            };
        }
        builder.build()
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn primary(&self) -> KeyId {
        self.0.primary.id
    }

    /// The ids of all keys, the primary first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.entries().map(|entry| entry.id)
    }
}

impl Keys {
    pub(crate) fn sealing(&self) -> &Entry {
        &self.primary
    }

    /// All keys, the primary first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        std::iter::once(&self.primary).chain(&self.others)
    }

    pub(crate) fn entry(&self, id: KeyId) -> Result<&Entry, Error> {
        match self.entries().find(|entry| entry.id == id) {
            Some(entry) => Ok(entry),
            None => Err(Error::UnknownKey(id)),
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("primary", &self.primary())
            .field("ids", &self.ids().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Collects the keys of a [`Keyring`].
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct KeyringBuilder {
    primary: Option<KeyId>,
    keys: Vec<(KeyId, Key)>,
    problems: Problems,
}

impl KeyringBuilder {
    /// Sets the key that seals.
    pub fn primary(mut self, id: KeyId, key: Key) -> Self {
        if let Some(earlier) = self.primary.replace(id) {
            self.problems
                .push("primary", format!("is set twice, to {earlier} and to {id}"));
        }
        self.keys.push((id, key));
        self
    }

    /// Adds a key that only opens what it sealed before.
    pub fn decrypt_only(mut self, id: KeyId, key: Key) -> Self {
        self.keys.push((id, key));
        self
    }

    fn with_problems_of(mut self, error: Error) -> Self {
        match error {
            Error::Configuration(problems) => self.problems.append("", problems),
            other => self.problems.push("keyring", other.to_string()),
        }
        self
    }

    /// The keyring.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] with everything that is wrong: no primary, an id given twice, the same key under two
    /// ids.
    pub fn build(self) -> Result<Keyring, Error> {
        let Self {
            primary,
            keys,
            mut problems,
        } = self;
        for (position, (id, key)) in keys.iter().enumerate() {
            for (earlier_id, earlier) in &keys[..position] {
                if id == earlier_id {
                    problems.push(format!("key {id}"), "is given twice");
                } else if key.bytes() == earlier.bytes() {
                    problems.push(
                        format!("key {id}"),
                        format!("is the same as key {earlier_id}"),
                    );
                }
            }
        }
        let mut sealing = None;
        let mut others = Vec::new();
        for (id, key) in &keys {
            match Entry::new(*id, key) {
                Ok(entry) if Some(*id) == primary && sealing.is_none() => sealing = Some(entry),
                Ok(entry) => others.push(entry),
                Err(Failed) => problems.push(format!("key {id}"), "cannot be used"),
            }
        }
        match sealing {
            Some(sealing) => Ok(problems.into_result(Keyring(Arc::new(Keys {
                primary: sealing,
                others,
            })))?),
            None => {
                // Without this, an unreadable primary would be reported as missing too.
                if problems.is_empty() {
                    problems.push("primary", "is missing");
                }
                Err(problems.into())
            }
        }
    }
}
