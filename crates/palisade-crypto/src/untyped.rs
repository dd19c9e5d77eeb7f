use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use crate::Error;
use crate::format::Kind;

/// The type of values that do not carry one: legacy values, and plaintext that is permitted.
///
/// A sealed value carries its type. What another program sealed, and what nobody sealed, does not, and its bytes do not
/// tell: a key of 32 bytes may happen to be UTF-8. So the caller says it, in
/// [`FieldCipher::untyped`](crate::FieldCipher::untyped) or by the method that is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Untyped {
    /// A text in UTF-8, the default, because most fields are texts.
    #[default]
    Text,
    /// Bytes, whatever they are.
    Bytes,
    /// JSON: a string becomes a text, and any other value stays what it is.
    Json,
}

impl Untyped {
    /// Hands `content` to `read` with its type.
    ///
    /// [`Error::WrongType`] when it is not of this type.
    pub(crate) fn read<T>(
        self,
        content: &[u8],
        read: impl FnOnce(Kind, &[u8]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self {
            Self::Text => match std::str::from_utf8(content) {
                Ok(_) => read(Kind::Text, content),
                Err(_) => Err(wrong(Kind::Text.name(), Kind::Bytes.name())),
            },
            Self::Bytes => read(Kind::Bytes, content),
            Self::Json => {
                let json = content.trim_ascii();
                // A string that no Rust string can hold stays JSON, as in a document.
                if json.starts_with(b"\"")
                    && let Ok(text) = serde_json::from_slice::<String>(json)
                {
                    return read(Kind::Text, Zeroizing::new(text).as_bytes());
                }
                // The message of serde_json may quote the value.
                serde_json::from_slice::<IgnoredAny>(json)
                    .map_err(|_| wrong("JSON", "something else"))?;
                read(Kind::Json, json)
            }
        }
    }
}

const fn wrong(wanted: &'static str, found: &'static str) -> Error {
    Error::WrongType { wanted, found }
}
