use std::fmt;
use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use palisade_core::Name;
use secrecy::{ExposeSecret, SecretString};

/// A secret with where it came from. Clones share it; the last one wipes it.
///
/// # Example
///
/// ```
/// use palisade_secrets::{ExposeSecret, Secret};
///
/// let token = Secret::new("t0k3n").version("v7");
/// assert_eq!(token.expose_secret(), "t0k3n");
/// assert!(!format!("{token:?}").contains("t0k3n"));
/// ```
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    value: SecretString,
    version: Option<Box<str>>,
    source: Name,
    /// The secret as a bearer token, once somebody has signed with it.
    header: OnceLock<HeaderValue>,
}

impl Secret {
    /// A secret without a version, of the source `literal`.
    #[must_use]
    pub fn new(value: impl Into<SecretString>) -> Self {
        Self(Arc::new(Inner {
            value: value.into(),
            version: None,
            source: Name::from_static("literal"),
            header: OnceLock::new(),
        }))
    }

    /// Sets the version by which its provider knows it.
    #[must_use]
    pub fn version(self, version: &str) -> Self {
        self.rebuilt(Some(version.into()), None)
    }

    pub(crate) fn with_source(self, source: Name) -> Self {
        self.rebuilt(None, Some(source))
    }

    fn rebuilt(self, version: Option<Box<str>>, source: Option<Name>) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => Self(Arc::new(Inner {
                version: version.or(inner.version),
                source: source.unwrap_or(inner.source),
                value: inner.value,
                header: OnceLock::new(),
            })),
            Err(shared) => Self(Arc::new(Inner {
                value: shared.value.clone(),
                version: version.or_else(|| shared.version.clone()),
                source: source.unwrap_or(shared.source),
                header: OnceLock::new(),
            })),
        }
    }

    /// The version by which its provider knows it.
    #[must_use]
    pub fn version_text(&self) -> Option<&str> {
        self.0.version.as_deref()
    }

    /// The provider that it came from.
    #[must_use]
    pub fn source(&self) -> Name {
        self.0.source
    }

    /// Whether both have the same text; takes the same time wherever they differ.
    #[must_use]
    pub fn same_value(&self, other: &Self) -> bool {
        let (a, b) = (
            self.expose_secret().as_bytes(),
            other.expose_secret().as_bytes(),
        );
        let differences = a.iter().zip(b).fold(0, |found, (a, b)| found | (a ^ b));
        a.len() == b.len() && std::hint::black_box(differences) == 0
    }

    pub(crate) fn header(&self) -> Option<&HeaderValue> {
        self.0.header.get()
    }

    pub(crate) fn keep_header(&self, value: HeaderValue) {
        let _ = self.0.header.set(value);
    }
}

impl ExposeSecret<str> for Secret {
    fn expose_secret(&self) -> &str {
        self.0.value.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("value", &"[redacted]")
            .field("version", &self.0.version)
            .field("source", &self.0.source)
            .finish()
    }
}

/// A secret and the one before it, while both are good.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pair {
    /// The one to use.
    pub current: Secret,
    /// The one before it, to accept for a while.
    pub previous: Option<Secret>,
}

impl Pair {
    /// Both, the current first.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_version_and_source_and_no_value() {
        let secret = Secret::new("hunter2").version("v7");
        assert_eq!(secret.version_text(), Some("v7"));
        assert_eq!(Secret::new("hunter2").version_text(), None);
        let text = format!("{secret:?}");
        assert!(text.contains("[redacted]") && text.contains("v7"), "{text}");
        assert!(
            text.contains("literal") && !text.contains("hunter2"),
            "{text}"
        );
    }

    #[test]
    fn a_value_is_the_same_where_every_byte_is() {
        let texts = ["", "a", "b", "ab", "ba", "aba", "abb", "aa", "bb"];
        for a in texts {
            for b in texts {
                let same = Secret::new(a).same_value(&Secret::new(b));
                assert_eq!(same, a == b, "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_header_is_kept_until_the_secret_is_another() {
        let secret = Secret::new("a");
        assert_eq!(secret.header(), None);
        let value = HeaderValue::from_static("Bearer a");
        secret.keep_header(value.clone());
        assert_eq!(secret.header(), Some(&value));
        assert_eq!(secret.version("v2").header(), None);
    }
}
