use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_core::Problems;
use ring::hmac;
use zeroize::Zeroizing;

use crate::keyring::Entry;
use crate::suite::{Failed, expand};
use crate::{Error, FieldCipher, Suite};

/// Finds sealed values by equality: a keyed fingerprint of the plaintext, stored beside the sealed value.
///
/// Every index has a key of its own for each tenant, derived from each key of the keyring.
///
/// # Example
///
/// ```
/// use palisade_crypto::{BlindIndex, FieldCipher, Key, Keyring, Normaliser};
///
/// let cipher = FieldCipher::new(Keyring::single(Key::generate()?)?);
/// let emails = BlindIndex::new(&cipher, "users/email").normaliser(Normaliser::Email);
/// let stored = emails.token("Ann@Example.org", Some("t1"))?;
/// assert!(emails.query(" ann@example.org", Some("t1"))?.contains(&stored));
/// assert!(!emails.query("ann@example.org", Some("t2"))?.contains(&stored));
/// # Ok::<(), palisade_crypto::Error>(())
/// ```
///
/// # Security
///
/// Equal values have equal tokens: who reads the store sees which records share a value, and how often. Do not index
/// a field with few possible values.
#[derive(Debug, Clone)]
pub struct BlindIndex {
    cipher: FieldCipher,
    name: Box<str>,
    normaliser: Normaliser,
    len: usize,
}

/// A rule for which values count as the same.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub enum Normaliser {
    /// The same bytes, the default.
    #[default]
    Exact,
    /// Without the white space around it, in lower case: e-mail addresses.
    Email,
    /// The digits alone, and a plus sign before them: telephone numbers and cards.
    Digits,
    /// The result of a function of yours.
    Custom(fn(&str) -> String),
}

impl Normaliser {
    fn apply(self, value: &str) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::Exact => value.to_owned(),
            Self::Email => value.trim().to_lowercase(),
            Self::Digits => {
                let plus = value.trim_start().starts_with('+');
                let digits = value.chars().filter(char::is_ascii_digit);
                plus.then_some('+').into_iter().chain(digits).collect()
            }
            Self::Custom(apply) => apply(value),
        })
    }
}

/// The fingerprint of a value, as it is stored and asked for: base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexToken(Box<str>);

impl IndexToken {
    /// The text to store.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IndexToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BlindIndex {
    /// An index of this name, such as `users/email`, over exact values, with tokens of 16 bytes.
    ///
    /// It follows the keyring of `cipher`. 16 bytes make accidental matches impossible in practice.
    #[must_use]
    pub fn new(cipher: &FieldCipher, name: &str) -> Self {
        Self {
            cipher: cipher.clone(),
            name: name.into(),
            normaliser: Normaliser::Exact,
            len: 16,
        }
    }

    /// Sets what counts as the same value; default [`Normaliser::Exact`].
    #[must_use]
    pub const fn normaliser(mut self, normaliser: Normaliser) -> Self {
        self.normaliser = normaliser;
        self
    }

    /// Sets the length of the tokens, 1 to 32 bytes; default 16.
    ///
    /// Short tokens make different values share one on purpose, which hides more and finds too much.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] for another length.
    pub fn truncate(mut self, len: usize) -> Result<Self, Error> {
        if !(1..=32).contains(&len) {
            return Err(Problems::one("truncate", "must be 1 to 32 bytes").into());
        }
        self.len = len;
        Ok(self)
    }

    /// The token to store, under the primary key.
    ///
    /// # Errors
    ///
    /// [`Error::CannotSeal`], which valid keys do not cause.
    pub fn token(&self, value: &str, tenant: Option<&str>) -> Result<IndexToken, Error> {
        let value = self.normaliser.apply(value);
        self.token_under(self.cipher.session().keys().sealing(), &value, tenant)
    }

    /// The tokens to look for, one for each key, the primary's first: records may not be indexed anew yet.
    ///
    /// # Errors
    ///
    /// [`Error::CannotSeal`], which valid keys do not cause.
    pub fn query(&self, value: &str, tenant: Option<&str>) -> Result<Vec<IndexToken>, Error> {
        let value = self.normaliser.apply(value);
        let session = self.cipher.session();
        let tokens = session.keys().entries();
        tokens
            .map(|entry| self.token_under(entry, &value, tenant))
            .collect()
    }

    fn token_under(
        &self,
        entry: &Entry,
        value: &str,
        tenant: Option<&str>,
    ) -> Result<IndexToken, Error> {
        let mut info = b"palisade-crypto v1 blind index".to_vec();
        match tenant {
            None => info.push(0),
            Some(tenant) => {
                info.push(1);
                push_text(&mut info, tenant);
            }
        }
        push_text(&mut info, &self.name);
        let key =
            expand::<32>(&entry.prk, &[&info]).map_err(|Failed| Error::CannotSeal(Suite::Xaes))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*key);
        let tag = hmac::sign(&key, value.as_bytes());
        let shown = tag.as_ref().get(..self.len).unwrap_or(tag.as_ref());
        Ok(IndexToken(URL_SAFE_NO_PAD.encode(shown).into()))
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
