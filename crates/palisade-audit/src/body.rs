use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use palisade_core::ResponseBody;

use crate::Outcome;
use crate::flight::InFlight;

pin_project_lite::pin_project! {
    /// The body of a response, which leaves its record when it ends, fails or is dropped.
    ///
    /// Bytes, trailers, errors and size hints are the inner body's.
    pub struct AuditBody<B> {
        #[pin]
        inner: ResponseBody<B>,
        flight: Option<InFlight>,
    }
}

impl<B> AuditBody<B> {
    pub(crate) fn new(inner: ResponseBody<B>, flight: Option<InFlight>) -> Self
    where
        B: Body<Data = Bytes>,
    {
        let mut body = Self { inner, flight };
        if body.inner.is_end_stream() {
            complete(&mut body.flight);
        }
        body
    }
}

impl<B> Default for AuditBody<B> {
    fn default() -> Self {
        Self {
            inner: ResponseBody::empty(),
            flight: None,
        }
    }
}

fn complete(flight: &mut Option<InFlight>) {
    if let Some(mut flight) = flight.take() {
        flight.complete();
    }
}

impl<B> Body for AuditBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(flight) = this.flight.as_mut() else {
            return this.inner.poll_frame(cx);
        };
        flight.set_inside(true);
        let polled = this.inner.as_mut().poll_frame(cx);
        flight.set_inside(false);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => complete(this.flight),
            Poll::Ready(Some(Err(_))) => {
                flight.finish(Outcome::Incomplete);
                *this.flight = None;
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    flight.see_data(data);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    flight.see_trailers(trailers);
                    complete(this.flight);
                } else if this.inner.is_end_stream() {
                    // Servers need not ask again once the body says that it is over.
                    complete(this.flight);
                }
            }
        }
        polled
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> fmt::Debug for AuditBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditBody")
            .field("recorded", &self.flight.is_none())
            .finish_non_exhaustive()
    }
}
