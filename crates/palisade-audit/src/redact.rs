//! Redaction of secrets and personal data.

mod action;
mod cleaner;
mod decision_cache;
mod json;
mod layers;
mod marks;
mod names;
mod pairs;
mod path;
mod query;
mod replacements;
mod signs;
mod text;
mod value;
mod values;

pub use self::action::{Action, MASK};
pub use self::cleaner::Cleaner;
pub use self::json::Unreadable;
pub use self::path::Censor;
pub(crate) use self::text::Kept;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_core::Problems;
use ring::hmac;

use self::names::Names;
use self::path::Paths;
use crate::AuditError;

/// Takes secrets and personal data out of records, by the names of their values.
///
/// A name matches over case, `-`, `_` and camelCase, by its words: `user_password`, `newPassword` and `X-Api-Key`
/// match `password` and `api_key`, `passwordless` and `token_count` do not.
///
/// # Example
///
/// ```
/// use palisade_audit::{Action, Redactor};
///
/// let key = b"kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
/// let redactor = Redactor::defaults().tokenize(["email", "phone"], key)?.mask(["room_code"]);
/// assert_eq!(redactor.action("guestEmail"), Some(Action::Tokenize));
/// assert_eq!(redactor.action("Room-Code"), Some(Action::Mask));
/// assert_eq!(redactor.action("room"), None);
/// # Ok::<(), palisade_audit::AuditError>(())
/// ```
#[derive(Clone)]
pub struct Redactor {
    names: Names,
    finds_values: bool,
    key: Option<hmac::Key>,
    paths: Paths,
}

impl Redactor {
    /// Masks the common names of secrets and personal data: passwords, tokens, keys, cookies, sessions, one-time codes,
    /// e-mail addresses, phone, card, bank and identity numbers. Such names are known in JSON, forms, queries and
    /// headers, and also inside other texts, as `name=value` and `"name": value`.
    ///
    /// Under any name it masks what is known by its form: `Bearer` and `Basic` credentials, JSON Web Tokens (signed and
    /// encrypted), payment card numbers, user and password in URLs, private keys, and the secrets of issuers that mark
    /// theirs, such as AWS, GitHub, Google, OpenAI, Slack and Stripe.
    ///
    /// Texts are looked at as they are and under up to 8 layers of percent-encoding and of JSON's escapes; one that is
    /// encoded more often is masked as a whole. This holds for every text of a record that a client can choose: path,
    /// query, host, method, headers, bodies, actor, issuer, tenant, reason, resource, details and their names.
    #[must_use]
    pub fn defaults() -> Self {
        Self {
            names: Names::defaults(),
            finds_values: true,
            key: None,
            paths: Paths::default(),
        }
    }

    /// Takes nothing out; for trails whose records hold nothing sensitive, and for tests.
    #[must_use]
    pub fn insecure_none() -> Self {
        Self {
            names: Names::default(),
            finds_values: false,
            key: None,
            paths: Paths::default(),
        }
    }

    /// Masks the values of these names as well.
    #[must_use]
    pub fn mask<T: AsRef<str>>(self, names: impl IntoIterator<Item = T>) -> Self {
        self.set(names, Action::Mask)
    }

    /// Takes these names out with their values.
    #[must_use]
    pub fn drop<T: AsRef<str>>(self, names: impl IntoIterator<Item = T>) -> Self {
        self.set(names, Action::Drop)
    }

    /// Keeps the values of these names although they are on the list.
    ///
    /// # Security
    ///
    /// Whoever may read the trail can then read them.
    #[must_use]
    pub fn insecure_keep<T: AsRef<str>>(self, names: impl IntoIterator<Item = T>) -> Self {
        self.set(names, Action::Keep)
    }

    /// Replaces the values of these names by tokens that depend on `key`.
    ///
    /// # Errors
    ///
    /// Refuses a key under 32 bytes, and one that is a placeholder or not random: from a guessed key the values of a
    /// small set, such as phone numbers, can be found by trying.
    pub fn tokenize<T: AsRef<str>>(
        mut self,
        names: impl IntoIterator<Item = T>,
        key: &[u8],
    ) -> Result<Self, AuditError> {
        palisade_core::secret::check(key, 32)
            .map_err(|weakness| Problems::one("redact.tokenize key", weakness.to_string()))?;
        self.key = Some(hmac::Key::new(hmac::HMAC_SHA256, key));
        Ok(self.set(names, Action::Tokenize))
    }

    /// Redacts the value at a path of JSON bodies and of the details of records, whatever its name: `guest.name`,
    /// `cards[*].number`, `list[0]`, `["any name"].value`; `*` is any one member or item. Names are compared as they are.
    /// A path wins over what was set for the name, and a later path over an earlier one.
    ///
    /// # Errors
    ///
    /// Refuses what is no such path.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_audit::{Censor, Redactor};
    ///
    /// let redactor = Redactor::defaults()
    ///     .path("payment.card_number", Censor::keep_last(4))?
    ///     .path("guests[*].name", Censor::with(|name| format!("{} letters", name.chars().count())))?;
    /// let mut out = Vec::new();
    /// let body = br#"{"payment":{"card_number":"4111111111111111"},"guests":[{"name":"Ada"}]}"#;
    /// redactor.cleaner().json(body, &mut out)?;
    /// assert_eq!(out, br#"{"payment":{"card_number":"****1111"},"guests":[{"name":"3 letters"}]}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(mut self, path: &str, censor: Censor) -> Result<Self, AuditError> {
        self.paths.add(path, censor)?;
        Ok(self)
    }

    /// Returns the treatment of a value of this name; `None` when it stays.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<Action> {
        self.names.decide(name)
    }

    fn set<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>, action: Action) -> Self {
        for name in names {
            self.names.set(name.as_ref(), action);
        }
        self
    }

    fn token(&self, value: &[u8]) -> Option<[u8; 26]> {
        let tag = hmac::sign(self.key.as_ref()?, value);
        let half = tag.as_ref().get(..16)?;
        let mut token = *b"tok_----------------------";
        // 16 bytes are 22 characters without padding.
        URL_SAFE_NO_PAD
            .encode_slice(half, token.get_mut(4..)?)
            .ok()?;
        Some(token)
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::defaults()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor")
            .field("names", &self.names.len())
            .field("finds_values", &self.finds_values)
            .field("tokenizes", &self.key.is_some())
            .field("paths", &self.paths)
            .finish()
    }
}
