//! Answers to readers.

use palisade_core::{Name, time};

use crate::cache::Known;
use crate::{Error, ProviderError, Secret};

/// Returns the answer to a reader by the state of a secret.
pub(crate) fn outcome(name: &str, known: &Known) -> Result<Secret, Error> {
    match (&known.secret, &known.failure) {
        (Some(secret), _) => Ok(secret.clone()),
        (None, Some((provider, source))) => Err(Error::Provider {
            name: name.into(),
            provider: *provider,
            source: source.clone(),
        }),
        (None, None) => Err(Error::Missing { name: name.into() }),
    }
}

/// Returns the answer to a reader right after the providers were asked.
pub(crate) fn settled(name: &str, known: &Known) -> Result<Secret, Error> {
    if known.secret.is_some() && !known.is_usable(time::now()) {
        return Err(stale(name, known));
    }
    outcome(name, known)
}

/// The only way in which a read can end without an answer: what a provider panics with is caught.
pub(crate) fn shutting_down(name: &str) -> Error {
    Error::Provider {
        name: name.into(),
        provider: Name::from_static("runtime"),
        source: ProviderError::new("the runtime is shutting down"),
    }
}

pub(crate) fn stale(name: &str, known: &Known) -> Error {
    match &known.failure {
        Some((_, source)) => Error::Stale {
            name: name.into(),
            age: known.age(time::now()),
            source: source.clone(),
        },
        None => Error::Missing { name: name.into() },
    }
}
