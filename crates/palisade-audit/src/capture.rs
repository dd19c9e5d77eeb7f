use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body::{Body, Frame, SizeHint};
use ring::digest;
use tower_service::Service;

/// The bytes of a body as it passed, up to a limit.
#[derive(Clone)]
pub(crate) struct Capture {
    kind: BodyKind,
    limit: usize,
    kept: Vec<u8>,
    total: u64,
    digest: digest::Context,
}

/// The format of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Json,
    Form,
    /// Not at all: another type, or compressed.
    Opaque,
}

impl BodyKind {
    fn of(headers: &HeaderMap) -> Self {
        if headers
            .get(header::CONTENT_ENCODING)
            .is_some_and(|coding| coding != "identity")
        {
            return Self::Opaque;
        }
        let Some(Ok(full)) = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str()) else {
            return Self::Opaque;
        };
        let essence = full.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        match essence.as_str() {
            "application/json" | "text/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Form,
            other if other.ends_with("+json") => Self::Json,
            _ => Self::Opaque,
        }
    }
}

impl Capture {
    pub(crate) fn of(headers: &HeaderMap, limit: usize) -> Self {
        Self {
            kind: BodyKind::of(headers),
            limit,
            kept: Vec::new(),
            total: 0,
            digest: digest::Context::new(&digest::SHA256),
        }
    }

    /// Takes note of bytes; beyond the limit of their number and digest alone.
    pub(crate) fn note(&mut self, data: &[u8]) {
        self.total = self.total.saturating_add(data.len() as u64);
        self.digest.update(data);
        if self.kind != BodyKind::Opaque {
            let room = self.limit - self.kept.len();
            self.kept.extend_from_slice(&data[..data.len().min(room)]);
        }
    }

    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// The body, if it is there as a whole.
    pub(crate) fn whole(&self) -> Option<(BodyKind, &[u8])> {
        let is_whole = self.kind != BodyKind::Opaque && self.kept.len() as u64 == self.total;
        is_whole.then_some((self.kind, &self.kept[..]))
    }

    pub(crate) fn digest(&self) -> digest::Digest {
        self.digest.clone().finish()
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("kind", &self.kind)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

/// A capture that a body in the service writes, and the record reads.
#[derive(Debug, Clone)]
pub(crate) struct SharedCapture(Arc<Mutex<Capture>>);

impl SharedCapture {
    pub(crate) fn new(capture: Capture) -> Self {
        Self(Arc::new(Mutex::new(capture)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Capture> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project_lite::pin_project! {
    /// The body of a request, of which the audit trail takes note while the service reads it.
    ///
    /// Bytes, trailers, errors and size hints are the inner body's.
    pub struct CapturedBody<B> {
        #[pin]
        inner: B,
        capture: Option<SharedCapture>,
    }
}

impl<B> CapturedBody<B> {
    const fn new(inner: B, capture: Option<SharedCapture>) -> Self {
        Self { inner, capture }
    }
}

impl<B: Body<Data = Bytes>> Body for CapturedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let polled = this.inner.poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(capture)) = (&polled, this.capture)
            && let Some(data) = frame.data_ref()
        {
            capture.lock().note(data);
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

impl<B> fmt::Debug for CapturedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedBody")
            .field("capture", &self.capture)
            .finish_non_exhaustive()
    }
}

/// Bodies of requests reach the service as they are, and are not captured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Untouched;

/// Bodies of requests are captured, and reach the service as a closure makes them from a [`CapturedBody`].
#[derive(Clone)]
pub struct Captured<F>(pub(crate) F);

impl<F> fmt::Debug for Captured<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Captured")
    }
}

/// The service inside an [`AuditLayer`](crate::AuditLayer) that captures the bodies of requests.
#[derive(Debug, Clone)]
pub struct CaptureRequests<S, F> {
    inner: S,
    map: Captured<F>,
}

impl<S, F> CaptureRequests<S, F> {
    pub(crate) const fn new(inner: S, map: Captured<F>) -> Self {
        Self { inner, map }
    }
}

impl<S, F, Rq, Out> Service<Request<Rq>> for CaptureRequests<S, F>
where
    S: Service<Request<Out>>,
    F: Fn(CapturedBody<Rq>) -> Out,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Rq>) -> S::Future {
        let capture = request.extensions_mut().remove();
        self.inner
            .call(request.map(|body| (self.map.0)(CapturedBody::new(body, capture))))
    }
}
