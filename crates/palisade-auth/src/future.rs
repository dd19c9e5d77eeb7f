//! The response futures of the services of this crate.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use palisade_core::{Handle, Rejection, RejectionContext, RequestScope, ResponseBody};
use tower_service::Service;

pub use crate::guard::GuardFuture;

use crate::challenge::refuse;
use crate::decide::Config;
use crate::outcome::Later;

pin_project_lite::pin_project! {
    /// The response future of [`AuthService`](crate::AuthService).
    pub struct ResponseFuture<S, Rq, F> {
        #[pin]
        kind: Kind<S, Rq, F>,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProj]
    enum Kind<S, Rq, F> {
        Inner { #[pin] future: F },
        Refused { refused: Option<(Rejection, RejectionContext)> },
        Waiting { waiting: Option<Box<Waiting<S, Rq>>> },
    }
}

/// A request whose credential a store is being asked about, and the service that was ready for it.
struct Waiting<S, Rq> {
    lookup: Later,
    service: S,
    request: Request<Rq>,
    config: Handle<Config>,
}

impl<S, Rq, F> ResponseFuture<S, Rq, F> {
    #[inline]
    pub(crate) const fn inner(future: F) -> Self {
        Self {
            kind: Kind::Inner { future },
        }
    }

    pub(crate) const fn refused(rejection: Rejection, context: RejectionContext) -> Self {
        Self {
            kind: Kind::Refused {
                refused: Some((rejection, context)),
            },
        }
    }

    pub(crate) fn waiting(
        lookup: Later,
        service: S,
        request: Request<Rq>,
        config: Handle<Config>,
    ) -> Self {
        let waiting = Waiting {
            lookup,
            service,
            request,
            config,
        };
        Self {
            kind: Kind::Waiting {
                waiting: Some(Box::new(waiting)),
            },
        }
    }
}

impl<S, Rq, B> Future for ResponseFuture<S, Rq, S::Future>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut kind = self.project().kind;
        loop {
            match kind.as_mut().project() {
                KindProj::Inner { future } => {
                    let response = ready!(future.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                KindProj::Refused { refused } => {
                    // Polled again after it was done, which no caller may do.
                    let Some((rejection, context)) = refused.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(rejection.into_response(&context)));
                }
                KindProj::Waiting { waiting } => {
                    let Some(looking) = waiting else {
                        return Poll::Pending;
                    };
                    let result = ready!(looking.lookup.as_mut().poll(cx));
                    if let Some(done) = waiting.take() {
                        let next = (*done).decided(result);
                        kind.set(next);
                    }
                }
            }
        }
    }
}

impl<S, Rq> Waiting<S, Rq> {
    fn decided<B>(
        self,
        result: Result<std::sync::Arc<palisade_core::Principal>, crate::Refusal>,
    ) -> Kind<S, Rq, S::Future>
    where
        S: Service<Request<Rq>, Response = Response<B>>,
    {
        let Self {
            mut service,
            mut request,
            config,
            ..
        } = self;
        match config.admit(result) {
            Ok(principal) => {
                RequestScope::enter(request.extensions_mut()).push_principal(principal);
                Kind::Inner {
                    future: service.call(request),
                }
            }
            Err(refusal) => {
                let context = refuse(&mut request, refusal, None, &config.counters);
                let rejection = config.challenges.rejection(refusal);
                Kind::Refused {
                    refused: Some((rejection, context)),
                }
            }
        }
    }
}

impl<S, Rq, F> fmt::Debug for ResponseFuture<S, Rq, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
