use palisade_core::Problems;
use palisade_core::random::RandomError;

/// An error of configuration or issuing. It never holds a secret.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Settings that cannot be used, all of them at once.
    #[error("{0}")]
    Config(#[from] Problems),
    /// The operating system gave no random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A token could not be signed, or what it should carry could not be written.
    #[error("the token could not be issued: {0}")]
    Issue(&'static str),
    /// The store could not be told, so that nothing began. Try again, or answer with 503.
    #[error("the store is not available")]
    StoreUnavailable,
}

impl AuthError {
    pub(crate) fn one(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Config(Problems::one(field, reason))
    }
}

palisade_core::debug_as_display!(AuthError);
