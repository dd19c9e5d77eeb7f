use std::fmt::Write;
use std::sync::Arc;

use crate::ProviderError;

/// The layout of secrets under a mount.
#[derive(Clone)]
pub(super) enum Layout {
    /// Each name is a secret, whose value is in this field.
    Each(Box<str>),
    /// All names are fields of the secret at this path.
    One(Box<str>),
    /// As a function says, in the form `path#field`.
    Named(Arc<dyn Fn(&str) -> String + Send + Sync>),
}

impl Default for Layout {
    fn default() -> Self {
        Self::Each("value".into())
    }
}

/// The place of a secret.
pub(super) struct Place {
    /// The path, percent-encoded.
    pub(super) path: String,
    /// One field, or all of them.
    pub(super) field: Option<Box<str>>,
    /// Whether a secret without the field is one that is absent, and not one that was made wrongly.
    pub(super) may_lack_field: bool,
}

impl Layout {
    pub(super) fn place(&self, name: &str) -> Result<Place, ProviderError> {
        let (path, field, may_lack_field) = match self {
            Self::Each(field) => (name.to_owned(), Some(field.clone()), false),
            Self::One(path) => (path.to_string(), Some(name.into()), true),
            Self::Named(place) => {
                let place = place(name);
                match place.split_once('#') {
                    Some((path, field)) => (path.to_owned(), Some(field.into()), true),
                    None => (place, None, true),
                }
            }
        };
        Ok(Place {
            path: encoded(&path)?,
            field,
            may_lack_field,
        })
    }
}

/// Encodes a path for a URL (RFC 3986, section 2.1). One that could lead elsewhere is refused.
pub(super) fn encoded(path: &str) -> Result<String, ProviderError> {
    let mut encoded = String::with_capacity(path.len());
    for (position, segment) in path.trim_matches('/').split('/').enumerate() {
        if matches!(segment, "" | "." | "..") {
            return Err(ProviderError::new("the name is not that of a path"));
        }
        if position > 0 {
            encoded.push('/');
        }
        for byte in segment.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    encoded.push(char::from(byte));
                }
                _ => {
                    // Writing to a string does not fail.
                    let _ = write!(encoded, "%{byte:02X}");
                }
            }
        }
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_under_its_mount() {
        assert_eq!(encoded("bookings/prod").unwrap(), "bookings/prod");
        assert_eq!(encoded("/a b/ü?x#y/").unwrap(), "a%20b/%C3%BC%3Fx%23y");
        for outside in ["", "/", "..", "a/../b", "a//b", "./a", "../../sys/mounts"] {
            assert!(encoded(outside).is_err(), "{outside:?}");
        }
        // A server that decodes twice is not led out either.
        assert_eq!(encoded("%2e%2e").unwrap(), "%252e%252e");
    }

    #[test]
    fn a_name_is_a_secret_a_field_or_what_a_function_says() {
        let place = |layout: &Layout, name| {
            let place = layout.place(name).unwrap();
            (place.path, place.field.map(String::from))
        };
        let field = |name: &str| Some(name.to_owned());
        assert_eq!(
            place(&Layout::default(), "TOKEN"),
            ("TOKEN".to_owned(), field("value"))
        );
        let one = Layout::One("bookings/prod".into());
        assert_eq!(
            place(&one, "TOKEN"),
            ("bookings/prod".to_owned(), field("TOKEN"))
        );
        let named = Layout::Named(Arc::new(|name| match name {
            "TOKEN" => "crm#token".to_owned(),
            other => format!("all/{other}"),
        }));
        assert_eq!(place(&named, "TOKEN"), ("crm".to_owned(), field("token")));
        assert_eq!(place(&named, "DB"), ("all/DB".to_owned(), None));
    }
}
