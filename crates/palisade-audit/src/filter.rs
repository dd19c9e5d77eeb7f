use std::convert::Infallible;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use palisade_core::filter::{
    BodyEnd, Exchange, Failure, Filter, Filtered, ReplaceBody, Step, Watch,
};
use palisade_core::{Code, Rejection, RejectionContext};
use tower_layer::Layer;

use crate::capture::{CaptureRequests, Captured, Untouched};
use crate::flight::InFlight;
use crate::{AuditLayer, Delivery, Outcome};

/// The service made by [`AuditLayer`].
pub type AuditService<S> = Filtered<S, AuditLayer>;

impl<S> Layer<S> for AuditLayer {
    type Service = AuditService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Filtered::new(inner, self.clone())
    }
}

/// The bodies of requests change their type in a service of its own, inside the filter that captures them.
impl<S, F: Clone> Layer<S> for AuditLayer<Captured<F>> {
    type Service = AuditService<CaptureRequests<S, F>>;

    fn layer(&self, inner: S) -> Self::Service {
        let filter = AuditLayer {
            audit: self.audit.clone(),
            captures: true,
            request_body: Untouched,
        };
        filter.layer(CaptureRequests::new(inner, self.request_body.clone()))
    }
}

impl Filter for AuditLayer {
    type Kept = InFlight;
    type Wait = Infallible;
    type Watch = InFlight;

    #[inline]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        match &self.audit {
            None => Step::Pass(InFlight::default()),
            Some(_) => self.enter(exchange, request),
        }
    }

    #[inline]
    fn needs_response(&self, flight: &InFlight) -> bool {
        !flight.is_over()
    }

    #[inline]
    fn poll_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        flight: &mut InFlight,
        response: &mut Response<B>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match flight.is_over() {
            true => Poll::Ready(()),
            false => flight.poll_head(response, cx).map(|kept| {
                if !kept {
                    replace(response, &exchange.noted_context());
                    flight.note_response(response);
                }
            }),
        }
    }

    #[inline]
    fn on_response<B: ReplaceBody>(
        &self,
        _: &mut Exchange,
        flight: InFlight,
        _: &mut Response<B>,
    ) -> InFlight {
        flight
    }

    fn on_failure(&self, _: &mut Exchange, mut flight: InFlight, failure: Failure) {
        flight.finish(match failure {
            Failure::Panic => Outcome::Panic,
            _ => Outcome::Error,
        });
    }
}

impl AuditLayer {
    /// Begins the record of a request, or refuses the request while its record could not be kept.
    #[inline(never)]
    fn enter<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        let Some(audit) = &self.audit else {
            return Step::Pass(InFlight::default());
        };
        let mut flight = InFlight::enter(audit, exchange, request, self.captures);
        let shared = audit.shared();
        let fails_closed = flight.delivery() == Delivery::FailClosed;
        let refuses = shared.queue.is_refusing() && (fails_closed || shared.no_trail_no_service)
            || fails_closed && !flight.is_reserved();
        if refuses {
            let response = exchange.render(request, rejection());
            flight.note_head(response.status(), response.headers(), Some(0));
            flight.complete();
            return Step::answer(response);
        }
        if fails_closed || shared.deliveries.any_fails_closed() {
            exchange.note_form(request);
        }
        Step::Pass(flight)
    }
}

/// The refusal while there is no trail.
#[cold]
fn rejection() -> Rejection {
    tracing::error!(target: "palisade_audit", "request refused: its record cannot be kept");
    Rejection::new(Code::Unavailable).retry_after(std::time::Duration::from_secs(1))
}

/// Puts the refusal in the place of a response.
#[cold]
fn replace<B: ReplaceBody>(response: &mut Response<B>, context: &RejectionContext) {
    let refusal: Response<Bytes> = rejection().into_bytes(context);
    let (head, body) = refusal.into_parts();
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response.body_mut().replace(body);
}

/// Leaves the record when the body of the response ends, fails or is dropped.
impl Watch for InFlight {
    #[inline]
    fn is_idle(&self) -> bool {
        self.is_over()
    }

    #[inline]
    fn set_running(&mut self, running: bool) {
        self.set_inside(running);
    }

    #[inline]
    fn on_data(&mut self, data: &Bytes) {
        self.note_data(data);
    }

    fn on_trailers(&mut self, trailers: &http::HeaderMap) {
        self.note_trailers(trailers);
    }

    #[inline]
    fn on_end(&mut self, end: BodyEnd) {
        match end {
            BodyEnd::Complete => self.complete(),
            _ => self.finish(Outcome::Incomplete),
        }
    }
}
