use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use palisade_core::{Handle, RejectionContext, ResponseBody};
use tower_service::Service;

use super::config::{Config, Configured, RequestHead};
use super::future::{Job, ResponseFuture};

/// Requests keep the type of their body.
#[derive(Debug, Clone, Copy)]
pub struct Untouched(pub(super) ());

/// The service made by [`FieldCryptoLayer`](super::FieldCryptoLayer).
#[derive(Debug, Clone)]
pub struct FieldCrypto<S, M = Untouched> {
    pub(super) inner: S,
    pub(super) config: Option<Handle<Config>>,
    /// Whether the configuration is the one that a filter left with the request.
    pub(super) by_request: bool,
    pub(super) requests: M,
}

impl<S, M> FieldCrypto<S, M> {
    /// Returns the work to do on the response to this request.
    #[inline]
    pub(super) fn job<Rq>(&self, request: &mut Request<Rq>) -> Option<Box<Job>> {
        match &self.config {
            Some(config) => Self::job_by(config, request),
            None if self.by_request => {
                let Configured(config) = request.extensions_mut().remove()?;
                Self::job_by(&config, request)
            }
            None => None,
        }
    }

    fn job_by<Rq>(config: &Handle<Config>, request: &Request<Rq>) -> Option<Box<Job>> {
        config.response.as_ref()?;
        let head = RequestHead::of(request);
        config.concerns(&head).then(|| {
            Box::new(Job {
                config: config.clone(),
                binding: config.binding_by_closure(&head),
                context: RejectionContext::of(request),
            })
        })
    }
}

impl<S, Rq, B> Service<Request<Rq>> for FieldCrypto<S, Untouched>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let job = self.job(&mut request);
        ResponseFuture::new(self.inner.call(request), job)
    }
}
