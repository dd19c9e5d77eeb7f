use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::Secrets;

/// Puts [`Secrets`] into every request, where [`Secrets::of`] finds them.
///
/// It changes neither request nor response, so it fits every service.
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
        SecretsService {
            inner,
            secrets: self.0.clone(),
        }
    }
}

/// The service made by [`SecretsLayer`].
#[derive(Debug, Clone)]
pub struct SecretsService<S> {
    inner: S,
    secrets: Option<Secrets>,
}

impl<S, Rq> Service<Request<Rq>> for SecretsService<S>
where
    S: Service<Request<Rq>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Rq>) -> S::Future {
        if let Some(secrets) = &self.secrets {
            request.extensions_mut().insert(secrets.clone());
        }
        self.inner.call(request)
    }
}
