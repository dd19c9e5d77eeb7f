use palisade_core::Problems;
use palisade_core::random::RandomError;

use crate::{KeyId, KeyManagementError, Suite};

/// An error of this crate. It never holds a key, a plaintext or a sealed value.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Keys or settings that are not accepted, all of them at once.
    #[error("configuration refused: {0}")]
    Configuration(#[from] Problems),
    /// The operating system gave no random bytes, so nothing was sealed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A value that should be sealed is not.
    #[error("the value is not sealed")]
    NotSealed,
    /// A sealed value whose text is cut, altered or of another version.
    #[error("the sealed value is malformed")]
    Malformed,
    /// A sealed value of a suite that this version does not know.
    #[error("the sealed value has the unknown suite {0:#04x}")]
    UnknownSuite(u8),
    /// A sealed value whose key is not in the keyring. No other key is tried.
    #[error("the sealed value needs key {0}, which is not in the keyring")]
    UnknownKey(KeyId),
    /// A key management service did not wrap or unwrap a key.
    #[error("key {id}: {source}")]
    KeyManagement {
        /// The number of the key.
        id: KeyId,
        /// The error of the service.
        source: KeyManagementError,
    },
    /// A sealed value that does not open: it was altered, or it belongs to another field, record, tenant or key.
    #[error("the sealed value does not open here")]
    Refused,
    /// The value opened, but is of another type than was asked for.
    #[error("the sealed value is {found}, not {wanted}")]
    WrongType {
        /// The type that was asked for.
        wanted: &'static str,
        /// The type that was found.
        found: &'static str,
    },
    /// The keyring cannot serve this suite, or the value is too long for it.
    #[error("suite {0:?} cannot seal this")]
    CannotSeal(Suite),
    /// Not JSON (RFC 8259), or cut short.
    #[error("not valid JSON at byte {offset}")]
    InvalidJson {
        /// The number of bytes before the mistake.
        offset: usize,
    },
    /// JSON that nests deeper than the limit.
    #[error("JSON nests deeper than {limit} levels")]
    TooDeep {
        /// The limit, in levels.
        limit: usize,
    },
    /// A field of a document could not be sealed or opened.
    #[error("field {path}: {source}")]
    Field {
        /// The path of the field, with `[]` for any element of an array.
        path: String,
        /// The error of the field.
        source: Box<Error>,
    },
}

impl Error {
    pub(crate) fn at(self, path: &str) -> Self {
        Self::Field {
            path: path.to_owned(),
            source: Box::new(self),
        }
    }

    /// A code from a closed list, for events and counters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Configuration(_) => "configuration",
            Self::Random(_) => "random",
            Self::NotSealed => "not_sealed",
            Self::Malformed => "malformed",
            Self::UnknownSuite(_) => "unknown_suite",
            Self::UnknownKey(_) => "unknown_key",
            Self::KeyManagement { .. } => "key_management",
            Self::Refused => "refused",
            Self::WrongType { .. } => "wrong_type",
            Self::CannotSeal(_) => "cannot_seal",
            Self::InvalidJson { .. } => "invalid_json",
            Self::TooDeep { .. } => "too_deep",
            Self::Field { source, .. } => source.code(),
        }
    }
}

palisade_core::debug_as_display!(Error);
