use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body::Body;
use palisade_core::{
    Code, EventKind, Handle, Rejection, RejectionContext, RequestScope, ResponseBody, SecurityEvent,
};
use tower_service::Service;

use super::future::ResponseFuture;
use super::token::{Signature, Tokens};
use crate::Error;

/// Every request is sent once.
#[derive(Debug, Clone, Copy)]
pub struct Once(());

impl Once {
    pub(super) const fn new() -> Self {
        Self(())
    }
}

/// The service made by [`BearerLayer`](super::BearerLayer).
///
/// It waits for a token before it is ready, so that `call` never does.
pub struct Bearer<S, R = Once> {
    pub(super) inner: S,
    pub(super) tokens: Option<Handle<Tokens>>,
    pub(super) repeat: R,
    /// Locked by nobody, since only `&mut self` reaches it: the lock makes the service `Sync`, as axum asks.
    waiting: Option<Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    /// A copy of the token, from `poll_ready` to `call`.
    signature: Option<Result<Signature, Error>>,
}

impl<S, R> Bearer<S, R> {
    pub(super) fn new(inner: S, tokens: Option<Handle<Tokens>>, repeat: R) -> Self {
        Self {
            inner,
            tokens,
            repeat,
            waiting: None,
            signature: None,
        }
    }

    /// Ready once it is decided what `call` signs with, or why it cannot.
    pub(super) fn poll_token(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(tokens) = &self.tokens else {
            return Poll::Ready(());
        };
        if self.waiting.is_none() {
            self.signature = tokens.now();
            if self.signature.is_some() {
                return Poll::Ready(());
            }
        }
        let waiting = self.waiting.get_or_insert_with(|| {
            let tokens = tokens.clone();
            Mutex::new(Box::pin(async move { tokens.wait().await }))
        });
        let waiting = waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        self.signature = tokens.now();
        Poll::Ready(())
    }

    /// Signs a request, or says how it is refused. Nothing happens to it when the layer is off.
    pub(super) fn sign<Rq, B>(
        &mut self,
        request: &mut Request<Rq>,
    ) -> Result<Option<Signature>, Box<Response<ResponseBody<B>>>> {
        let Some(tokens) = &self.tokens else {
            return Ok(None);
        };
        let refusal = match self.signature.take().or_else(|| tokens.now()) {
            Some(Ok(signature)) => {
                let value = signature.value.clone();
                request.headers_mut().insert(header::AUTHORIZATION, value);
                return Ok(Some(signature));
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        let error = refusal.as_ref().map(tracing::field::display);
        tracing::error!(target: "palisade_secrets", error, "no token to sign with");
        RequestScope::enter(request.extensions_mut())
            .record(SecurityEvent::new(EventKind::StoreUnavailable).reason("no_token"));
        let context = RejectionContext::of(request);
        let response = Rejection::new(Code::Unavailable).into_response(&context);
        Err(Box::new(response))
    }
}

impl<S: Clone, R: Clone> Clone for Bearer<S, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.tokens.clone(), self.repeat.clone())
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

impl<S, Rq, B> Service<Request<Rq>> for Bearer<S, Once>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.poll_token(cx));
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        match self.sign(&mut request) {
            Ok(_) => ResponseFuture::sent(self.inner.call(request)),
            Err(refusal) => ResponseFuture::refused(*refusal),
        }
    }
}
