use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use palisade_core::ResponseBody;
use tower_service::Service;

use crate::refusal::Refusal;
use crate::ticket::Ticket;

pin_project_lite::pin_project! {
    /// The response future of [`RateLimit`](crate::RateLimit).
    pub struct ResponseFuture<S, Rq>
    where
        S: Service<Request<Rq>>,
    {
        #[pin]
        kind: Kind<S, Rq>,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProj]
    enum Kind<S, Rq>
    where
        S: Service<Request<Rq>>,
    {
        Passing { #[pin] inner: S::Future },
        Counted { #[pin] inner: S::Future, ticket: Ticket },
        Refused { refusal: Option<Refusal> },
        Asking { deferred: Option<Box<Deferred<S, Rq>>> },
    }
}

/// A request that waits for a store's answer, with the service that was ready for it.
#[cfg_attr(
    not(feature = "redis"),
    expect(dead_code, reason = "only a store over the network lets requests wait")
)]
pub(crate) struct Deferred<S, Rq> {
    pub(crate) service: S,
    pub(crate) request: Request<Rq>,
    #[cfg(feature = "redis")]
    pub(crate) question: Box<crate::ask::Question>,
}

impl<S, Rq> ResponseFuture<S, Rq>
where
    S: Service<Request<Rq>>,
{
    #[inline]
    pub(crate) const fn passing(inner: S::Future) -> Self {
        Self {
            kind: Kind::Passing { inner },
        }
    }

    #[inline]
    pub(crate) const fn counted(inner: S::Future, ticket: Ticket) -> Self {
        Self {
            kind: Kind::Counted { inner, ticket },
        }
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self {
            kind: Kind::Refused {
                refusal: Some(refusal),
            },
        }
    }

    #[cfg(feature = "redis")]
    pub(crate) fn asking(deferred: Deferred<S, Rq>) -> Self {
        Self {
            kind: Kind::Asking {
                deferred: Some(Box::new(deferred)),
            },
        }
    }
}

impl<S, Rq, B> Future for ResponseFuture<S, Rq>
where
    S: Service<Request<Rq>, Response = Response<B>>,
{
    type Output = Result<Response<ResponseBody<B>>, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project().kind.project() {
                KindProj::Passing { inner } => {
                    return Poll::Ready(Ok(ready!(inner.poll(cx))?.map(ResponseBody::inner)));
                }
                KindProj::Counted { inner, ticket } => {
                    let mut response = ready!(inner.poll(cx))?;
                    ticket.settle(&mut response);
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                KindProj::Refused { refusal } => match refusal.take() {
                    Some(refusal) => return Poll::Ready(Ok(refusal.into_response())),
                    // Polled after it was done, which the contract of futures does not allow.
                    None => return Poll::Pending,
                },
                KindProj::Asking { deferred } => ready!(poll_deferred(deferred, cx)),
            };
            self.as_mut().project().kind.set(next.kind);
        }
    }
}

/// Waits for the store's answer, and then does what it says.
#[cfg(feature = "redis")]
fn poll_deferred<S, Rq>(
    deferred: &mut Option<Box<Deferred<S, Rq>>>,
    cx: &mut Context<'_>,
) -> Poll<ResponseFuture<S, Rq>>
where
    S: Service<Request<Rq>>,
{
    let Some(waiting) = deferred else {
        return Poll::Pending;
    };
    let answer = ready!(waiting.question.poll(cx));
    match deferred.take() {
        Some(waiting) => {
            let Deferred {
                mut service,
                request,
                question,
            } = *waiting;
            Poll::Ready(crate::service::proceed(&mut service, request, |view| {
                question.conclude(answer, view)
            }))
        }
        None => Poll::Pending,
    }
}

/// Without a store that has to be asked there is nothing to wait for.
#[cfg(not(feature = "redis"))]
fn poll_deferred<S, Rq>(
    _deferred: &mut Option<Box<Deferred<S, Rq>>>,
    _cx: &mut Context<'_>,
) -> Poll<ResponseFuture<S, Rq>>
where
    S: Service<Request<Rq>>,
{
    Poll::Pending
}

impl<S, Rq> fmt::Debug for ResponseFuture<S, Rq>
where
    S: Service<Request<Rq>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
