use std::convert::Infallible;

use http::Request;
use palisade_core::filter::{Exchange, Filter, Filtered, Step};
use tower_layer::Layer;

use crate::Secrets;

/// Puts [`Secrets`] into every request, where [`Secrets::of`] finds them.
///
/// # Security
///
/// Whatever sees the request can read every secret. Prefer to give a handler the one secret that it needs.
#[derive(Debug, Clone)]
pub struct SecretsLayer(Option<Secrets>);

impl SecretsLayer {
    /// A layer with these secrets.
    #[must_use]
    pub const fn new(secrets: Secrets) -> Self {
        Self(Some(secrets))
    }

    /// A layer that passes everything through, of the same type.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Keeps the secrets for the rest of the process; see [`palisade_core::Handle::leak`].
    #[must_use]
    pub fn leak(self) -> Self {
        Self(self.0.map(Secrets::leak))
    }
}

impl<S> Layer<S> for SecretsLayer {
    type Service = SecretsService<S>;

    fn layer(&self, inner: S) -> SecretsService<S> {
        Filtered::new(inner, self.clone())
    }
}

/// The service made by [`SecretsLayer`].
pub type SecretsService<S> = Filtered<S, SecretsLayer>;

impl Filter for SecretsLayer {
    type Kept = ();
    type Wait = Infallible;
    type Watch = ();

    #[inline]
    fn on_request<B>(&self, _: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        if let Some(secrets) = &self.0 {
            request.extensions_mut().insert(secrets.clone());
        }
        Step::Pass(())
    }

    #[inline]
    fn needs_response(&self, (): &()) -> bool {
        false
    }
}
