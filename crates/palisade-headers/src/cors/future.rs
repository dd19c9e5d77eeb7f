use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use palisade_core::{Handle, ResponseBody};

use super::policy::{Policy, Verdict};

pin_project_lite::pin_project! {
    /// The response future of [`Cors`](super::Cors).
    pub struct ResponseFuture<F, B> {
        #[pin]
        kind: Kind<F, B>,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProj]
    enum Kind<F, B> {
        Inner { #[pin] inner: F, decided: Option<(Handle<Policy>, Verdict)> },
        Ready { response: Option<Response<ResponseBody<B>>> },
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) const fn off(inner: F) -> Self {
        Self {
            kind: Kind::Inner {
                inner,
                decided: None,
            },
        }
    }

    pub(super) const fn inner(inner: F, policy: Handle<Policy>, verdict: Verdict) -> Self {
        Self {
            kind: Kind::Inner {
                inner,
                decided: Some((policy, verdict)),
            },
        }
    }

    pub(super) const fn ready(response: Response<ResponseBody<B>>) -> Self {
        Self {
            kind: Kind::Ready {
                response: Some(response),
            },
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Inner { inner, decided } => {
                let mut response = ready!(inner.poll(cx))?;
                if let Some((policy, verdict)) = decided.take() {
                    policy.apply(verdict, response.headers_mut());
                }
                Poll::Ready(Ok(response.map(ResponseBody::inner)))
            }
            // Polled after it was done, which the contract of futures leaves open: there is nothing more to come.
            KindProj::Ready { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
        }
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
