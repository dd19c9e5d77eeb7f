use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use palisade_core::{Handle, RequestScope, ResponseBody};
use tower_service::Service;

use crate::challenge::refuse;
use crate::decide::{Config, Decision};
use crate::future::ResponseFuture;

/// The service made by [`AuthLayer`](crate::AuthLayer).
#[derive(Debug, Clone)]
pub struct AuthService<S> {
    inner: S,
    config: Option<Handle<Config>>,
}

impl<S> AuthService<S> {
    pub(crate) const fn new(inner: S, config: Option<Handle<Config>>) -> Self {
        Self { inner, config }
    }
}

impl<S, Rq, B> Service<Request<Rq>> for AuthService<S>
where
    // `Clone`, because a store that must be asked first makes the ready service wait inside the future.
    S: Service<Request<Rq>, Response = Response<B>> + Clone,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, Rq, S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let Some(config) = &self.config else {
            return ResponseFuture::inner(self.inner.call(request));
        };
        match config.decide(&mut request) {
            Decision::Now(Ok(principal)) => {
                RequestScope::enter(request.extensions_mut()).push_principal(principal);
                ResponseFuture::inner(self.inner.call(request))
            }
            Decision::Now(Err(refusal)) => {
                let context = refuse(&mut request, refusal, None, &config.counters);
                ResponseFuture::refused(config.challenges.rejection(refusal), context)
            }
            Decision::Anonymous => {
                let anonymous = config.challenges.anonymous();
                request.extensions_mut().insert(anonymous);
                ResponseFuture::inner(self.inner.call(request))
            }
            Decision::Later(lookup) => {
                let fresh = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, fresh);
                ResponseFuture::waiting(lookup, ready, request, config.clone())
            }
        }
    }
}
