use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::{Name, Problems};

/// An error of reading, judging or making secrets. It never holds a secret.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Secrets or settings that are not accepted, all of them at once.
    #[error("secrets refused: {0}")]
    Refused(Problems),
    /// No provider has it.
    #[error("secret {name} is missing")]
    Missing {
        /// The name that was asked for.
        name: Box<str>,
    },
    /// A provider could not say whether it has it, and so no later one was asked.
    #[error("secret {name}: {provider}: {source}")]
    Provider {
        /// The name that was asked for.
        name: Box<str>,
        /// The provider.
        provider: Name,
        /// The cause.
        source: ProviderError,
    },
    /// It is older than may be, and could not be read anew.
    #[error("secret {name} is {} s old and could not be read anew: {source}", age.as_secs())]
    Stale {
        /// The name that was asked for.
        name: Box<str>,
        /// Its age.
        age: Duration,
        /// The reason why it could not be read anew.
        source: ProviderError,
    },
    /// It is there, but is not what was asked for.
    #[error("secret {name}: {field} {reason}")]
    Invalid {
        /// The name that was asked for.
        name: Box<str>,
        /// The part that is wrong, or `value`.
        field: String,
        /// The reason.
        reason: String,
    },
    /// A file or a random value could not be made.
    #[error("{what}: {source}")]
    Generate {
        /// The thing that was being made.
        what: String,
        /// The cause.
        source: Arc<std::io::Error>,
    },
}

/// The reason why a provider could not answer.
///
/// The message is shown and logged, so it must not hold a secret; mind errors of parsers, which quote what they read.
#[derive(Clone, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    message: Cow<'static, str>,
    #[source]
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl ProviderError {
    /// An error with this message.
    #[must_use]
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// Keeps the error that caused it, which must not hold a secret either.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

palisade_core::debug_as_display!(Error);

/// The message and those of its sources, which [`Display`](fmt::Display) leaves to whoever shows the chain.
impl fmt::Debug for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
