//! The sources of secrets.

#[cfg(feature = "aws")]
mod aws;
mod bounded;
mod directory;
mod env;
mod file;
#[cfg(feature = "vault")]
mod vault;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use palisade_core::Name;

#[cfg(feature = "aws")]
pub use self::aws::AwsSecretsManager;
pub(crate) use self::bounded::fetch;
pub use self::directory::MountedDirectory;
pub use self::env::EnvVars;
#[cfg(feature = "vault")]
pub use self::vault::Vault;
use crate::{ProviderError, Secret};

/// A version of a secret, by its place in a rotation.
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
    /// The name of the provider in errors and records.
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
    /// The time until its end, if its source gave it one.
    pub(crate) good_for: Option<Duration>,
}

impl Fetched {
    /// A secret that may change while the service runs.
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self {
            secret,
            fixed: false,
            good_for: None,
        }
    }

    /// A secret that does not change while the service runs, so that it is read once.
    #[must_use]
    pub const fn fixed(secret: Secret) -> Self {
        Self {
            secret,
            fixed: true,
            good_for: None,
        }
    }

    /// Sets a time after which the secret is no longer accepted, such as the end of its lease. It is read anew ahead of
    /// that, even where the time to live is longer, and never used after it, whatever `max_stale` says.
    #[must_use]
    pub const fn good_for(mut self, time: Duration) -> Self {
        self.good_for = Some(time);
        self
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
