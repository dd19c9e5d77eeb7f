//! What must not stand in a record, and how it is taken out.

mod names;
mod query;
mod value;

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_core::Problems;
use ring::hmac;
use serde_json::Value;

use self::names::{Memo, Names};
use crate::AuditError;
use crate::format::json;

/// What stands in the place of a masked value.
pub const MASK: &str = "[redacted]";

/// What happens to the value of a name that says that it is sensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// The value becomes `[redacted]`. The default: that there was a value is worth knowing.
    Mask,
    /// Name and value vanish.
    Drop,
    /// The value becomes `tok_` and 22 characters that depend on it and on a key (HMAC-SHA256, 128 bits): records
    /// about the same e-mail address can be joined without anybody knowing it.
    Tokenize,
    /// The value stays, although its name is on the list.
    Keep,
}

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
    key: Option<hmac::Key>,
}

impl Redactor {
    /// Masks the common names of secrets and personal data: passwords, tokens, keys, cookies, one-time codes, e-mail
    /// addresses, phone, card, bank and identity numbers.
    #[must_use]
    pub fn defaults() -> Self {
        Self {
            names: Names::defaults(),
            key: None,
        }
    }

    /// Takes nothing out by name; for trails whose records hold nothing sensitive, and for tests.
    #[must_use]
    pub fn insecure_none() -> Self {
        Self {
            names: Names::default(),
            key: None,
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

    /// What happens to a value of this name; `None` when it stays.
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

    fn token(&self, out: &mut Vec<u8>, value: &[u8]) {
        let Some(key) = &self.key else {
            out.extend_from_slice(MASK.as_bytes());
            return;
        };
        let tag = hmac::sign(key, value);
        let mut text = [0; 22];
        let half = tag.as_ref().get(..16).unwrap_or_default();
        // 16 bytes are 22 characters without padding.
        let _ = URL_SAFE_NO_PAD.encode_slice(half, &mut text);
        out.extend_from_slice(b"tok_");
        out.extend_from_slice(&text);
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
            .field("tokenizes", &self.key.is_some())
            .finish()
    }
}

/// A redactor at work on the writer's thread; it remembers names that it has seen.
#[derive(Debug)]
pub(crate) struct Redaction {
    redactor: Redactor,
    memo: Memo,
    scratch: Vec<u8>,
}

impl Redaction {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self {
            redactor,
            memo: Memo::default(),
            scratch: Vec::new(),
        }
    }

    fn decide(&mut self, name: &[u8]) -> Option<Action> {
        self.memo.decide(&self.redactor.names, name)
    }

    /// Appends a text that has no name.
    pub(crate) fn text(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        json::string(out, text);
    }

    /// Appends a value by its name; a dropped one leaves an empty string, because its name already stands there.
    pub(crate) fn named(&mut self, out: &mut Vec<u8>, name: &str, value: &[u8]) {
        match self.decide(name.as_bytes()) {
            None | Some(Action::Keep) => self.text(out, value),
            Some(action) => {
                out.push(b'"');
                self.replace(out, action, value);
                out.push(b'"');
            }
        }
    }

    /// Appends what stands in the place of a value, which needs no escape.
    fn replace(&self, out: &mut Vec<u8>, action: Action, value: &[u8]) {
        match action {
            Action::Mask | Action::Keep => out.extend_from_slice(MASK.as_bytes()),
            Action::Tokenize => self.redactor.token(out, value),
            Action::Drop => {}
        }
    }

    /// Appends a query string.
    pub(crate) fn query(&mut self, out: &mut Vec<u8>, query: &[u8]) {
        let mut clean = std::mem::take(&mut self.scratch);
        clean.clear();
        query::write(self, &mut clean, query);
        self.text(out, &clean);
        self.scratch = clean;
    }

    /// Appends the details of a record as an object.
    pub(crate) fn details(&mut self, out: &mut Vec<u8>, details: &[(Cow<'static, str>, Value)]) {
        let members = details.iter().map(|(name, value)| (name.as_ref(), value));
        value::object(self, out, members);
    }
}
