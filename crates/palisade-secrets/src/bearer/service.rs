use std::fmt;
use std::task::{Context, Poll};

use http::header;
use palisade_core::Handle;
use tower_service::Service;

use super::future::{ResponseFuture, SecondAttempt, Waiting};
use super::outbound::Outbound;
use super::repeat::{Once, Repeat};
use super::token::Tokens;

/// The service made by [`BearerLayer`](super::BearerLayer).
///
/// It is ready when the service inside is. A call whose token must be read first waits for it in its response future,
/// with the service that was ready, so that a timeout around the call bounds that wait as well; a clone of the service
/// takes its place.
#[derive(Clone)]
pub struct Bearer<S, R = Once> {
    inner: S,
    tokens: Option<Handle<Tokens>>,
    repeat: R,
}

impl<S, R> Bearer<S, R> {
    pub(super) const fn new(inner: S, tokens: Option<Handle<Tokens>>, repeat: R) -> Self {
        Self {
            inner,
            tokens,
            repeat,
        }
    }
}

impl<S: Clone, R> Bearer<S, R> {
    /// The future of a call whose token is to be read first, with the service that was ready for it.
    #[cold]
    fn waiting<Req>(
        &mut self,
        tokens: Handle<Tokens>,
        request: Req,
        copy: Option<Req>,
    ) -> ResponseFuture<S, Req>
    where
        S: Service<Req>,
        Req: Outbound<S::Response>,
    {
        let clone = self.inner.clone();
        ResponseFuture::waiting(Waiting {
            signature: Tokens::signature(tokens.clone()),
            copy,
            request,
            service: std::mem::replace(&mut self.inner, clone),
            tokens,
        })
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Bearer<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("inner", &self.inner)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}

impl<S, R, Req> Service<Req> for Bearer<S, R>
where
    S: Service<Req> + Clone,
    R: Repeat<Req>,
    Req: Outbound<S::Response>,
{
    type Response = Req::Output;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Req) -> Self::Future {
        let Some(tokens) = &self.tokens else {
            return ResponseFuture::sent(self.inner.call(request), None);
        };
        let Some(copy) = self.repeat.copy(&request) else {
            return match tokens.value_now() {
                Some(Ok(value)) => {
                    request.headers_mut().insert(header::AUTHORIZATION, value);
                    ResponseFuture::sent(self.inner.call(request), None)
                }
                Some(Err(error)) => ResponseFuture::refused(request, &error),
                None => self.waiting(tokens.clone(), request, None),
            };
        };
        let signature = match tokens.signature_now() {
            Some(Ok(signature)) => signature,
            Some(Err(error)) => return ResponseFuture::refused(request, &error),
            None => return self.waiting(tokens.clone(), request, Some(copy)),
        };
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, signature.value.clone());
        let second = SecondAttempt::new(copy, signature, tokens.clone(), self.inner.clone());
        ResponseFuture::sent(self.inner.call(request), Some(second))
    }
}
