use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use palisade_core::{Handle, ResponseBody};
use tower_service::Service;

use crate::decide::Verdict;
use crate::future::ResponseFuture;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::view::RequestView;

/// The service made by [`RateLimitLayer`](crate::RateLimitLayer).
#[derive(Debug, Clone)]
pub struct RateLimit<S> {
    inner: S,
    limits: Option<Handle<Limits>>,
}

impl<S> RateLimit<S> {
    pub(crate) const fn new(inner: S, limits: Option<Handle<Limits>>) -> Self {
        Self { inner, limits }
    }
}

/// `S` is cloned only where a store has to be asked over the network before the call.
impl<S, Rq, B> Service<Request<Rq>> for RateLimit<S>
where
    S: Service<Request<Rq>, Response = Response<B>> + Clone,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, Rq>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<Rq>) -> Self::Future {
        let Some(limits) = &self.limits else {
            return ResponseFuture::passing(self.inner.call(request));
        };
        let verdict = Limits::admit(limits, &RequestView::new(&request, &limits.client_ip));
        #[cfg(feature = "redis")]
        if let Verdict::Ask(question) = verdict {
            let clone = self.inner.clone();
            let service = std::mem::replace(&mut self.inner, clone);
            return ResponseFuture::asking(crate::future::Deferred {
                service,
                request,
                question,
            });
        }
        match verdict {
            Verdict::Pass => ResponseFuture::passing(self.inner.call(request)),
            Verdict::Counted(ticket) => ResponseFuture::counted(self.inner.call(request), ticket),
            rare => carry_out(&mut self.inner, request, rare, limits),
        }
    }
}

/// Does what a verdict says. Out of the way of the usual verdicts: a request that is changed is moved once more.
fn carry_out<S, Rq>(
    service: &mut S,
    mut request: Request<Rq>,
    verdict: Verdict,
    limits: &Limits,
) -> ResponseFuture<S, Rq>
where
    S: Service<Request<Rq>>,
{
    match verdict {
        Verdict::Pass => ResponseFuture::passing(service.call(request)),
        Verdict::Counted(ticket) => ResponseFuture::counted(service.call(request), ticket),
        Verdict::Over(ruling) if ruling.shadow => {
            request.extensions_mut().insert(ruling.decision);
            ResponseFuture::passing(service.call(request))
        }
        Verdict::Over(ruling) => ResponseFuture::refused(Refusal::of(ruling, limits, &request)),
        #[cfg(feature = "redis")]
        Verdict::Ask(_) => ResponseFuture::passing(service.call(request)),
    }
}

/// Does what a verdict says that a store was asked for.
#[cfg(feature = "redis")]
pub(crate) fn proceed<S, Rq>(
    service: &mut S,
    request: Request<Rq>,
    conclude: impl FnOnce(&RequestView<'_>) -> (Verdict, Handle<Limits>),
) -> ResponseFuture<S, Rq>
where
    S: Service<Request<Rq>>,
{
    let client_ip = palisade_core::ClientIp::peer();
    let (verdict, limits) = conclude(&RequestView::new(&request, &client_ip));
    carry_out(service, request, verdict, &limits)
}
