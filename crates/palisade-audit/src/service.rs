use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use palisade_core::{Code, Rejection, RejectionContext, ResponseBody};
use tower_service::Service;

use crate::capture::{RequestBody, Tee, Untouched};
use crate::flight::InFlight;
use crate::{Audit, AuditBody, Delivery, ResponseFuture};

/// The service made by [`AuditLayer`](crate::AuditLayer).
#[derive(Debug, Clone)]
pub struct AuditService<S, M = Untouched> {
    inner: S,
    audit: Option<Audit>,
    request_body: M,
}

impl<S, M> AuditService<S, M> {
    pub(crate) const fn new(inner: S, audit: Option<Audit>, request_body: M) -> Self {
        Self {
            inner,
            audit,
            request_body,
        }
    }
}

impl<S, M, Rq, B> Service<Request<Rq>> for AuditService<S, M>
where
    M: RequestBody<Rq>,
    S: Service<Request<M::Body>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<AuditBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let Some(audit) = &self.audit else {
            let request = request.map(|body| self.request_body.wrap(body, Tee(None)));
            return ResponseFuture::off(self.inner.call(request));
        };
        let (mut flight, capture) =
            InFlight::enter(audit, &mut request, self.request_body.captures());
        let shared = audit.shared();
        let fails_closed = flight.delivery() == Delivery::FailClosed;
        if shared.queue.is_refusing() && (fails_closed || shared.no_trail_no_service)
            || fails_closed && !flight.is_reserved()
        {
            let context = RejectionContext::of(&request);
            return ResponseFuture::refused(refusal(&context), flight);
        }
        let context = (fails_closed || shared.deliveries.any_fails_closed())
            .then(|| RejectionContext::of(&request));
        let request = request.map(|body| self.request_body.wrap(body, Tee(capture)));
        flight.set_inside(true);
        let inner = self.inner.call(request);
        flight.set_inside(false);
        ResponseFuture::running(inner, flight, context)
    }
}

/// What a client gets while there is no trail.
pub(crate) fn refusal<B>(context: &RejectionContext) -> Response<ResponseBody<B>> {
    tracing::error!(target: "palisade_audit", "request refused: its record cannot be kept");
    Rejection::new(Code::Unavailable)
        .retry_after(std::time::Duration::from_secs(1))
        .into_response(context)
}
