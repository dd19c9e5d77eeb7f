use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use palisade_core::{RejectionContext, ResponseBody};

use crate::body::AuditBody;
use crate::flight::InFlight;
use crate::service::refusal;
use crate::trail::ack::Ack;
use crate::trail::alarm::Deadline;
use crate::{Delivery, Outcome};

pin_project_lite::pin_project! {
    /// The response future of [`AuditService`](crate::AuditService).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves the record of an aborted request.
    pub struct ResponseFuture<F, B> {
        #[pin]
        kind: Kind<F, B>,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProj]
    enum Kind<F, B> {
        Running {
            #[pin]
            inner: F,
            flight: Option<InFlight>,
            context: Option<RejectionContext>,
            held: Option<Box<Held<B>>>,
        },
        Refused {
            answer: Option<Box<(Response<ResponseBody<B>>, InFlight)>>,
        },
    }
}

/// A response that waits for its record.
struct Held<B> {
    response: Response<B>,
    flight: InFlight,
    delivery: Delivery,
    wait: Wait,
    deadline: Deadline,
}

enum Wait {
    Room,
    Disk(Arc<Ack>),
}

impl<F, B> ResponseFuture<F, B> {
    pub(crate) const fn off(inner: F) -> Self {
        Self {
            kind: Kind::Running {
                inner,
                flight: None,
                context: None,
                held: None,
            },
        }
    }

    pub(crate) const fn running(
        inner: F,
        flight: InFlight,
        context: Option<RejectionContext>,
    ) -> Self {
        Self {
            kind: Kind::Running {
                inner,
                flight: Some(flight),
                context,
                held: None,
            },
        }
    }

    pub(crate) fn refused(response: Response<ResponseBody<B>>, flight: InFlight) -> Self {
        Self {
            kind: Kind::Refused {
                answer: Some(Box::new((response, flight))),
            },
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<AuditBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (inner, flight, context, held) = match self.project().kind.project() {
            KindProj::Running {
                inner,
                flight,
                context,
                held,
            } => (inner, flight, context, held),
            KindProj::Refused { answer } => {
                return match answer.take() {
                    Some(answer) => {
                        let (response, mut flight) = *answer;
                        flight.see_head(&response);
                        flight.complete();
                        Poll::Ready(Ok(response.map(|body| AuditBody::new(body, None))))
                    }
                    None => Poll::Pending,
                };
            }
        };
        if held.is_none() {
            set_inside(flight, true);
            let polled = inner.poll(cx);
            set_inside(flight, false);
            let response = match ready!(polled) {
                Ok(response) => response,
                Err(error) => {
                    if let Some(mut flight) = flight.take() {
                        flight.finish(Outcome::Error);
                    }
                    return Poll::Ready(Err(error));
                }
            };
            let Some(mut flight) = flight.take() else {
                return Poll::Ready(Ok(
                    response.map(|body| AuditBody::new(ResponseBody::inner(body), None))
                ));
            };
            let delivery = flight.see_head(&response);
            match hold(response, flight, delivery) {
                Ok(response) => return Poll::Ready(Ok(response)),
                Err(waiting) => *held = Some(waiting),
            }
        }
        let Some(waiting) = held else {
            return Poll::Pending;
        };
        let kept = ready!(waiting.poll(cx));
        match held.take() {
            Some(waiting) => Poll::Ready(Ok(waiting.release(kept, context.as_ref()))),
            None => Poll::Pending,
        }
    }
}

fn set_inside(flight: &mut Option<InFlight>, inside: bool) {
    if let Some(flight) = flight {
        flight.set_inside(inside);
    }
}

/// Lets the response go at once, or keeps it until its record is kept.
fn hold<B: Body<Data = Bytes>>(
    response: Response<B>,
    mut flight: InFlight,
    delivery: Delivery,
) -> Result<Response<AuditBody<B>>, Box<Held<B>>> {
    let alarm = &flight.audit().shared().alarm;
    let (wait, deadline) = match delivery {
        Delivery::BestEffort => return Ok(release(response, flight)),
        Delivery::Block(patience) => {
            if flight.is_reserved() || flight.audit().shared().queue.reserve() {
                flight.set_reserved();
                return Ok(release(response, flight));
            }
            (Wait::Room, alarm.after(patience))
        }
        Delivery::Durable | Delivery::FailClosed => {
            let deadline = alarm.after(Delivery::SYNC_TIMEOUT);
            let (ack, settle) = Ack::pair();
            flight.push_stage(settle);
            (Wait::Disk(ack), deadline)
        }
    };
    Err(Box::new(Held {
        response,
        flight,
        delivery,
        wait,
        deadline,
    }))
}

fn release<B: Body<Data = Bytes>>(
    response: Response<B>,
    flight: InFlight,
) -> Response<AuditBody<B>> {
    response.map(|body| AuditBody::new(ResponseBody::inner(body), Some(flight)))
}

impl<B: Body<Data = Bytes>> Held<B> {
    /// Whether the record was kept, once that is known or the time is over.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<bool> {
        let kept = match &self.wait {
            Wait::Disk(ack) => ack.poll(cx),
            Wait::Room => {
                let reserved = self.flight.audit().shared().queue.poll_reserve(cx);
                if reserved == Poll::Ready(true) {
                    self.flight.set_reserved();
                }
                reserved
            }
        };
        if kept.is_ready() {
            return kept;
        }
        self.deadline.poll(cx).map(|()| false)
    }

    fn release(self, kept: bool, context: Option<&RejectionContext>) -> Response<AuditBody<B>> {
        if let (false, Delivery::FailClosed, Some(context)) = (kept, self.delivery, context) {
            let mut flight = self.flight;
            let response = refusal(context);
            flight.see_head(&response);
            flight.complete();
            return response.map(|body| AuditBody::new(body, None));
        }
        release(self.response, self.flight)
    }
}

impl<F, B> std::fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
