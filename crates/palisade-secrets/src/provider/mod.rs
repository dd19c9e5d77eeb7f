//! Where secrets come from.

#[cfg(feature = "aws")]
mod aws;
mod bounded;
mod directory;
mod env;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use palisade_core::Name;

#[cfg(feature = "aws")]
pub use self::aws::AwsSecretsManager;
pub(crate) use self::bounded::fetch;
pub use self::directory::MountedDirectory;
pub use self::env::EnvVars;
use crate::{ProviderError, Secret};

/// Which of the versions of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The one to use.
    Current,
    /// The one before it.
    Previous,
    /// The one that will be used next, while a rotation is under way.
    Pending,
}

impl Stage {
    pub(crate) const ALL: [Self; 3] = [Self::Current, Self::Previous, Self::Pending];
}

/// A source of secrets.
///
/// # Example
///
/// ```
/// use palisade_core::Name;
/// use palisade_secrets::{Fetched, Provider, ProviderError, Secret, Stage};
///
/// struct Fixed;
///
/// impl Provider for Fixed {
///     fn name(&self) -> Name {
///         Name::from_static("fixed")
///     }
///
///     async fn fetch(&self, name: &str, stage: Stage) -> Result<Option<Fetched>, ProviderError> {
///         Ok((name == "TOKEN" && stage == Stage::Current).then(|| Fetched::new(Secret::new("t0k3n"))))
///     }
/// }
/// ```
pub trait Provider: Send + Sync + 'static {
    /// What it is called in errors and records.
    fn name(&self) -> Name;

    /// Reads a secret.
    ///
    /// `None` says with certainty that the secret is not here, and the next provider is asked. It may be dropped at any
    /// time, and is not called twice at once for the same secret. Readers that have no value yet wait for it, for as long
    /// as [`provider_timeout`](crate::SecretsBuilder::provider_timeout) says; where it panics it counts as failed.
    ///
    /// # Errors
    ///
    /// Everything else that can go wrong; no other provider is then asked, because a store that cannot be reached may
    /// well have another value.
    fn fetch(
        &self,
        name: &str,
        stage: Stage,
    ) -> impl Future<Output = Result<Option<Fetched>, ProviderError>> + Send;
}

/// A secret as its provider gave it.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub(crate) secret: Secret,
    pub(crate) fixed: bool,
}

impl Fetched {
    /// A secret that may change while the service runs.
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self {
            secret,
            fixed: false,
        }
    }

    /// A secret that does not change while the service runs, so that it is read once.
    #[must_use]
    pub const fn fixed(secret: Secret) -> Self {
        Self {
            secret,
            fixed: true,
        }
    }

    /// The secret.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }
}

pub(crate) type BoxFetch<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Fetched>, ProviderError>> + Send + 'a>>;

/// A [`Provider`] of any type.
pub(crate) trait AnyProvider: Send + Sync {
    fn name(&self) -> Name;
    fn fetch<'a>(&'a self, name: &'a str, stage: Stage) -> BoxFetch<'a>;
}

impl<P: Provider> AnyProvider for P {
    fn name(&self) -> Name {
        Provider::name(self)
    }

    fn fetch<'a>(&'a self, name: &'a str, stage: Stage) -> BoxFetch<'a> {
        Box::pin(Provider::fetch(self, name, stage))
    }
}

impl fmt::Debug for dyn AnyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

/// The most bytes that a file with a secret may have.
const MAX_FILE: u64 = 1024 * 1024;

/// The secret in a file, without the line break at its end. `None` if there is no such file.
fn read_file(path: &std::path::Path) -> Result<Option<secrecy::SecretString>, ProviderError> {
    use std::io::{ErrorKind, Read};

    use zeroize::Zeroizing;

    let failed = |error: std::io::Error| {
        let message = format!("{} cannot be read: {}", path.display(), error.kind());
        ProviderError::new(message)
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let len = file.metadata().map_err(failed)?.len();
    // Room for all of it, because a buffer that grows leaves copies behind.
    let room = usize::try_from(len.min(MAX_FILE)).unwrap_or(0) + 1;
    let mut text = Zeroizing::new(String::with_capacity(room));
    file.take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        let message = format!("{} is larger than 1 MiB", path.display());
        return Err(ProviderError::new(message));
    }
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err(ProviderError::new(format!("{} is empty", path.display())));
    }
    Ok(Some(value.into()))
}
