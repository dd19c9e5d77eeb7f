use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tower_service::Service;

use crate::{Classify, Permit, Refuse};

pin_project_lite::pin_project! {
    /// The response future of [`Breaker`](crate::Breaker).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the call and cancels its [`Permit`].
    pub struct ResponseFuture<S, Req, C, A>
    where
        S: Service<Req>,
        C: Classify<Req, S::Response, S::Error>,
        A: Refuse<Req, C::Output, S::Error>,
    {
        #[pin]
        kind: Kind<S::Future, C, C::RequestInfo, A, A::RequestInfo, A::Future>,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProj]
    enum Kind<F, C, N, A, M, R> {
        Calling {
            #[pin]
            inner: F,
            classify: C,
            permit: Permit,
            refuse: A,
            // Of the request, for the classifier and for the answer; taken when the call has ended.
            info: Option<(N, M)>,
        },
        Refused {
            #[pin]
            answer: R,
        },
    }
}

impl<S, Req, C, A> ResponseFuture<S, Req, C, A>
where
    S: Service<Req>,
    C: Classify<Req, S::Response, S::Error>,
    A: Refuse<Req, C::Output, S::Error>,
{
    #[inline]
    pub(crate) const fn calling(
        inner: S::Future,
        classify: C,
        info: C::RequestInfo,
        permit: Permit,
        refuse: A,
        refuse_info: A::RequestInfo,
    ) -> Self {
        Self {
            kind: Kind::Calling {
                inner,
                classify,
                permit,
                refuse,
                info: Some((info, refuse_info)),
            },
        }
    }

    pub(crate) const fn refused(answer: A::Future) -> Self {
        Self {
            kind: Kind::Refused { answer },
        }
    }
}

impl<S, Req, C, A> Future for ResponseFuture<S, Req, C, A>
where
    S: Service<Req>,
    C: Classify<Req, S::Response, S::Error>,
    A: Refuse<Req, C::Output, S::Error>,
{
    type Output = Result<A::Output, A::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Calling {
                inner,
                classify,
                permit,
                refuse,
                info,
            } => {
                // Polled again after its end, which is the caller's mistake, it stays silent.
                if info.is_none() {
                    return Poll::Pending;
                }
                let result = ready!(inner.poll(cx));
                let Some((info, refuse_info)) = info.take() else {
                    return Poll::Pending;
                };
                // The result in no tuple or option, each of which would be a copy of it.
                match classify.settle_in_place(info, result, permit) {
                    Ok(out) => Poll::Ready(Ok(refuse.output(refuse_info, out))),
                    Err(error) => Poll::Ready(Err(refuse.error(error))),
                }
            }
            KindProj::Refused { answer } => answer.poll(cx),
        }
    }
}

impl<S, Req, C, A> fmt::Debug for ResponseFuture<S, Req, C, A>
where
    S: Service<Req>,
    C: Classify<Req, S::Response, S::Error>,
    A: Refuse<Req, C::Output, S::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Calling { .. } => "ResponseFuture(calling)",
            Kind::Refused { .. } => "ResponseFuture(refused)",
        })
    }
}
