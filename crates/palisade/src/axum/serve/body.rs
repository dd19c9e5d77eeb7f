use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use palisade_core::time::{self, Instant};
use tokio::time::Sleep;

use super::settings::Settings;
use super::traffic::Counted;

pin_project_lite::pin_project! {
    /// The body of a response, which notes when the client takes its time.
    pub(super) struct SentBody {
        #[pin]
        inner: Body,
        counted: Counted,
    }
}

impl SentBody {
    /// Its begin is offered with its head: not every hyper asks a body before the client has a window for it.
    pub(super) fn new(inner: Body, mut counted: Counted) -> Self {
        counted.offer();
        Self { inner, counted }
    }
}

impl http_body::Body for SentBody {
    type Data = Bytes;
    type Error = ::axum::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        this.counted.taken();
        let frame = this.inner.poll_frame(cx);
        if let Poll::Ready(Some(Ok(_))) = frame {
            this.counted.offer();
        }
        frame
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

/// The body of a request, which ends in an error when its client is too slow.
///
/// No clock is read while its bytes are there when they are asked for.
pub(super) struct ReceivedBody {
    inner: Incoming,
    settings: Arc<Settings>,
    received: u64,
    /// The time that was spent waiting for the client.
    waited: Duration,
    waits_since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl ReceivedBody {
    pub(super) fn new(inner: Incoming, settings: Arc<Settings>) -> Self {
        Self {
            inner,
            settings,
            received: 0,
            waited: Duration::ZERO,
            waits_since: None,
            sleep: None,
        }
    }

    /// Adds up the time of a wait that is over.
    fn came(&mut self, bytes: usize) {
        self.received += bytes as u64;
        if let Some(since) = self.waits_since.take() {
            self.waited = match self.settings.any_progress_will_do() {
                true => Duration::ZERO,
                false => self.waited + time::now().saturating_duration_since(since),
            };
        }
    }

    /// Waits for the client until its time is over.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waits_since.is_none() {
            let now = time::now();
            self.waits_since = Some(now);
            let left = self
                .settings
                .allowance(self.received)
                .saturating_sub(self.waited);
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(now + left),
                None => self.sleep = Some(Box::pin(tokio::time::sleep(left))),
            }
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl http_body::Body for ReceivedBody {
    type Data = Bytes;
    type Error = ReceiveError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReceiveError>>> {
        let this = self.get_mut();
        let frame = match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                return this
                    .poll_overdue(cx)
                    .map(|()| Some(Err(ReceiveError::TooSlow)));
            }
        };
        let data = frame.as_ref().and_then(|frame| frame.as_ref().ok());
        this.came(data.and_then(Frame::data_ref).map_or(0, Bytes::len));
        Poll::Ready(frame.map(|frame| frame.map_err(ReceiveError::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The failure of a request's body.
#[derive(Debug)]
pub(super) enum ReceiveError {
    TooSlow,
    Broken(hyper::Error),
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooSlow => "the client sends the request's body too slowly",
            Self::Broken(_) => "the request's body broke off",
        })
    }
}

impl Error for ReceiveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooSlow => None,
            Self::Broken(error) => Some(error),
        }
    }
}
