use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use palisade_core::time::UnixTime;
use palisade_core::{Handle, LimitDecision, RequestScope, ResponseBody};
use tower_service::Service;

use crate::headers::Headers;
use crate::limits::{Limits, Ruling};
use crate::policy::Refund;
use crate::refusal::Refusal;

pin_project_lite::pin_project! {
    /// The response future of [`RateLimit`](crate::RateLimit).
    pub struct ResponseFuture<S, Rq>
    where
        S: Service<Request<Rq>>,
    {
        #[pin]
        kind: Kind<S::Future>,
        request: PhantomData<fn(Rq)>,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProj]
    enum Kind<F> {
        Passing { #[pin] inner: F },
        Counted { #[pin] inner: F, ticket: Ticket },
        Refused { refusal: Option<Refusal> },
    }
}

impl<S, Rq> ResponseFuture<S, Rq>
where
    S: Service<Request<Rq>>,
{
    #[inline]
    pub(crate) const fn passing(inner: S::Future) -> Self {
        Self::new(Kind::Passing { inner })
    }

    #[inline]
    pub(crate) const fn counted(inner: S::Future, ticket: Ticket) -> Self {
        Self::new(Kind::Counted { inner, ticket })
    }

    pub(crate) const fn refused(refusal: Refusal) -> Self {
        Self::new(Kind::Refused {
            refusal: Some(refusal),
        })
    }

    #[inline]
    const fn new(kind: Kind<S::Future>) -> Self {
        Self {
            kind,
            request: PhantomData,
        }
    }
}

impl<S, Rq, B> Future for ResponseFuture<S, Rq>
where
    S: Service<Request<Rq>, Response = Response<B>>,
{
    type Output = Result<Response<ResponseBody<B>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match self.project().kind.project() {
            KindProj::Passing { inner } => ready!(inner.poll(cx))?.map(ResponseBody::inner),
            KindProj::Counted { inner, ticket } => {
                let mut response = ready!(inner.poll(cx))?.map(ResponseBody::inner);
                ticket.settle(&mut response);
                response
            }
            KindProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => refusal.into_response(),
                // Polled after it was done, which the contract of futures does not allow.
                None => return Poll::Pending,
            },
        };
        Poll::Ready(Ok(response))
    }
}

impl<S, Rq> fmt::Debug for ResponseFuture<S, Rq>
where
    S: Service<Request<Rq>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// What is left to do for a counted request when its response comes.
pub(crate) struct Ticket {
    decision: LimitDecision,
    unix: UnixTime,
    headers: Headers,
    refund: Option<Box<PendingRefund>>,
}

struct PendingRefund {
    when: Arc<Refund>,
    ruling: Ruling,
    limits: Handle<Limits>,
}

impl Ticket {
    /// The headers will speak of the closest limit, whether ours or one that another limiter has noted in the scope.
    #[inline]
    pub(crate) fn new(
        ruling: &Ruling,
        limits: &Handle<Limits>,
        scope: Option<&RequestScope>,
    ) -> Self {
        let own = LimitDecision::from(ruling.decision);
        let refund = limits.refund_of(ruling).map(|when| {
            Box::new(PendingRefund {
                when,
                ruling: *ruling,
                limits: limits.clone(),
            })
        });
        let decision = match scope {
            Some(scope) if limits.headers != Headers::Off => {
                scope.with_limits(|noted| closest(own, noted))
            }
            _ => own,
        };
        Self {
            decision,
            unix: ruling.unix,
            headers: limits.headers,
            refund,
        }
    }

    #[inline]
    fn settle<B>(&mut self, response: &mut Response<B>) {
        if let Some(refund) = self.refund.take()
            && (refund.when)(response.status())
        {
            refund.limits.refund(&refund.ruling);
        }
        self.headers
            .write(&self.decision, self.unix, response.headers_mut());
    }
}

fn closest(own: LimitDecision, noted: &[LimitDecision]) -> LimitDecision {
    let counted = noted
        .iter()
        .filter(|decision| decision.allowed && decision.limit > 0);
    counted.fold(own, |closest, other| {
        if other.remaining < closest.remaining {
            *other
        } else {
            closest
        }
    })
}
