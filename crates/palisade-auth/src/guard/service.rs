use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use palisade_core::{Handle, Rejection, RejectionContext, ResponseBody};
use tower_layer::Layer;
use tower_service::Service;

use super::{Config, Guard};
use crate::challenge::refuse;

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            config: self.0.clone(),
        }
    }
}

/// The service made by [`Guard`].
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    config: Option<Handle<Config>>,
}

impl<S, Rq, B> Service<Request<Rq>> for Guarded<S>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let refused = self.config.as_ref().and_then(|config| {
            let (refusal, principal) = config.decide(&request).err()?;
            let rejection = config.rejection(&request, refusal);
            let subject = principal.as_ref().map(|principal| principal.subject());
            let context = refuse(&mut request, refusal, subject, &config.counters);
            Some((rejection, context))
        });
        GuardFuture {
            kind: match refused {
                Some(refused) => Kind::Refused {
                    refused: Some(refused),
                },
                None => Kind::Inner {
                    future: self.inner.call(request),
                },
            },
        }
    }
}

pin_project_lite::pin_project! {
    /// The response future of [`Guarded`].
    pub struct GuardFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProj]
    enum Kind<F> {
        Inner { #[pin] future: F },
        Refused { refused: Option<(Rejection, RejectionContext)> },
    }
}

impl<F, B, E> Future for GuardFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Inner { future } => {
                let response = ready!(future.poll(cx))?;
                Poll::Ready(Ok(response.map(ResponseBody::inner)))
            }
            KindProj::Refused { refused } => match refused.take() {
                Some((rejection, context)) => Poll::Ready(Ok(rejection.into_response(&context))),
                // Polled again after it was done, which no caller may do.
                None => Poll::Pending,
            },
        }
    }
}

impl<F> fmt::Debug for GuardFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardFuture").finish_non_exhaustive()
    }
}
