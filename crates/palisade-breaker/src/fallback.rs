use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready as ready_or_return};

use tower_service::Service;

use crate::{Refuse, Rejected};

/// Answers refused calls by a closure; see [`BreakerLayer::fallback`](crate::BreakerLayer::fallback).
#[derive(Clone, Copy)]
pub struct Fallback<F>(pub(crate) F);

impl<F, Req, Out, Err> Refuse<Req, Out, Err> for Fallback<F>
where
    F: Fn(Req, Rejected) -> Result<Out, Err>,
{
    type RequestInfo = ();
    type Output = Out;
    type Error = Err;
    type Future = Ready<Result<Out, Err>>;

    #[inline]
    fn inspect(&self, _: &Req) {}

    fn refuse(&self, request: Req, rejected: Rejected) -> Self::Future {
        ready((self.0)(request, rejected))
    }

    #[inline]
    fn output(&self, (): (), out: Out) -> Out {
        out
    }

    #[inline]
    fn error(&self, error: Err) -> Err {
        error
    }
}

impl<F> fmt::Debug for Fallback<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fallback")
    }
}

/// Answers refused calls by another service; see
/// [`BreakerLayer::fallback_service`](crate::BreakerLayer::fallback_service).
#[derive(Debug, Clone, Copy)]
pub struct FallbackService<F>(pub(crate) F);

impl<F, Req, Out, Err> Refuse<Req, Out, Err> for FallbackService<F>
where
    F: Service<Req, Response = Out, Error = Err> + Clone,
{
    type RequestInfo = ();
    type Output = Out;
    type Error = Err;
    type Future = FallbackFuture<F, Req>;

    #[inline]
    fn inspect(&self, _: &Req) {}

    fn refuse(&self, request: Req, _: Rejected) -> Self::Future {
        FallbackFuture {
            kind: Kind::Waiting {
                service: self.0.clone(),
                request: Some(request),
            },
        }
    }

    #[inline]
    fn output(&self, (): (), out: Out) -> Out {
        out
    }

    #[inline]
    fn error(&self, error: Err) -> Err {
        error
    }
}

pin_project_lite::pin_project! {
    /// The future of a [`FallbackService`]: waits until the service is ready, and calls it.
    pub struct FallbackFuture<F, Req>
    where
        F: Service<Req>,
    {
        #[pin]
        kind: Kind<F, F::Future, Req>,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProj]
    enum Kind<F, U, Req> {
        Waiting {
            service: F,
            request: Option<Req>,
        },
        Calling {
            #[pin]
            call: U,
        },
    }
}

impl<F: Service<Req>, Req> Future for FallbackFuture<F, Req> {
    type Output = Result<F::Response, F::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut kind = self.project().kind;
        loop {
            let call = match kind.as_mut().project() {
                KindProj::Calling { call } => return call.poll(cx),
                KindProj::Waiting { service, request } => {
                    ready_or_return!(service.poll_ready(cx))?;
                    match request.take() {
                        Some(request) => service.call(request),
                        // Only after a panic of the service.
                        None => return Poll::Pending,
                    }
                }
            };
            kind.set(Kind::Calling { call });
        }
    }
}

impl<F: Service<Req>, Req> fmt::Debug for FallbackFuture<F, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FallbackFuture")
    }
}
