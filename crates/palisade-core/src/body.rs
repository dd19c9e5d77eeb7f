mod watch;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

pub use self::watch::{BodyEnd, Watch};

pin_project_lite::pin_project! {
    /// The body of a response that may be the service's own or a layer's refusal, with an observer `W` where a layer
    /// has one.
    ///
    /// An enum without a box, so that one layer type fits axum, hyper and tonic, and costs no allocation. Its
    /// [`Default`] is empty and asks nothing of `B`, as some foreign layers need to build a response of their own.
    pub struct ResponseBody<B, W = ()> {
        #[pin]
        kind: Kind<B>,
        watch: W,
    }
}

pin_project_lite::pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Full { data: Bytes },
    }
}

impl<B> ResponseBody<B> {
    /// The inner service's own body.
    #[inline]
    pub const fn inner(body: B) -> Self {
        Self {
            kind: Kind::Inner { body },
            watch: (),
        }
    }

    /// A body known in full.
    pub fn full(data: impl Into<Bytes>) -> Self {
        Self {
            kind: Kind::Full { data: data.into() },
            watch: (),
        }
    }

    /// No bytes at all.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            kind: Kind::Full { data: Bytes::new() },
            watch: (),
        }
    }
}

impl<B: Body<Data = Bytes>, W: Watch> ResponseBody<B, W> {
    /// The inner service's own body, to be [watched](Self::watch) later.
    #[inline]
    pub(crate) fn unwatched(body: B) -> Self {
        Self {
            kind: Kind::Inner { body },
            watch: W::default(),
        }
    }

    /// A body known in full, to be [watched](Self::watch) later.
    pub(crate) fn unwatched_full(data: Bytes) -> Self {
        Self {
            kind: Kind::Full { data },
            watch: W::default(),
        }
    }

    /// Puts the body under an observer.
    #[inline]
    pub(crate) fn watch(&mut self, watch: W) {
        self.watch = watch;
        if W::WATCHES && self.kind.is_end_stream() {
            self.watch.on_end(BodyEnd::Complete);
        }
    }
}

impl<B: Body<Data = Bytes>, W: Watch> ResponseBody<B, W> {
    /// The inner service's own body, if it is one and nothing observes it.
    ///
    /// # Errors
    ///
    /// Returns the body as it is otherwise.
    #[inline]
    pub fn into_inner(self) -> Result<B, Self> {
        match self.kind {
            Kind::Inner { body } if self.watch.is_idle() => Ok(body),
            kind => Err(Self {
                kind,
                watch: self.watch,
            }),
        }
    }
}

/// A body of a response that a filter may replace by one known in full.
pub trait ReplaceBody: Body<Data = Bytes> {
    /// Replaces the body.
    fn replace(&mut self, data: Bytes);
}

impl<B: Body<Data = Bytes>, W: Watch> ReplaceBody for ResponseBody<B, W> {
    fn replace(&mut self, data: Bytes) {
        self.kind = Kind::Full { data };
    }
}

impl<B, W: Default> Default for ResponseBody<B, W> {
    fn default() -> Self {
        Self {
            kind: Kind::Full { data: Bytes::new() },
            watch: W::default(),
        }
    }
}

impl<B, W> Body for ResponseBody<B, W>
where
    B: Body<Data = Bytes>,
    W: Watch,
{
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        if !W::WATCHES {
            return this.kind.poll_frame(cx);
        }
        this.watch.set_running(true);
        let polled = this.kind.as_mut().poll_frame(cx);
        this.watch.set_running(false);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => this.watch.on_end(BodyEnd::Complete),
            Poll::Ready(Some(Err(_))) => this.watch.on_end(BodyEnd::Error),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.watch.on_data(data);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    this.watch.on_trailers(trailers);
                }
                // Servers need not ask again once the body says that it is over, nor after trailers.
                if frame.is_trailers() || this.kind.is_end_stream() {
                    this.watch.on_end(BodyEnd::Complete);
                }
            }
        }
        polled
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.kind.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Full { data } => SizeHint::with_exact(data.remaining() as u64),
        }
    }
}

impl<B: Body<Data = Bytes>> Kind<B> {
    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project() {
            KindProj::Inner { body } => body.poll_frame(cx),
            KindProj::Full { data } if data.is_empty() => Poll::Ready(None),
            KindProj::Full { data } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(data))))),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Inner { body } => body.is_end_stream(),
            Self::Full { data } => data.is_empty(),
        }
    }
}

impl<B, W> fmt::Debug for ResponseBody<B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Inner { .. } => f.write_str("ResponseBody::Inner"),
            Kind::Full { data } => write!(f, "ResponseBody::Full({} bytes)", data.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn a_full_body_yields_its_bytes_once() {
        let mut body = ResponseBody::<Full<Bytes>>::full("refused");
        assert_eq!(body.size_hint().exact(), Some(7));
        assert!(!body.is_end_stream());
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "refused"
        );
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn an_inner_body_passes_through() {
        let body = ResponseBody::inner(Full::new(Bytes::from_static(b"hello")));
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
    }

    #[derive(Default)]
    struct Idle(bool);

    impl Watch for Idle {
        fn is_idle(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn an_inner_body_comes_out_unless_it_is_observed_or_replaced() {
        let watched = |idle| {
            let mut body = ResponseBody::<_, Idle>::unwatched(Full::new(Bytes::new()));
            body.watch = Idle(idle);
            body
        };
        assert!(watched(true).into_inner().is_ok());
        assert!(watched(false).into_inner().is_err());
        let mut replaced = watched(true);
        replaced.replace(Bytes::from_static(b"refused"));
        assert_eq!(
            replaced.into_inner().unwrap_err().size_hint().exact(),
            Some(7)
        );
        assert!(
            ResponseBody::inner(Full::new(Bytes::new()))
                .into_inner()
                .is_ok()
        );
    }

    #[test]
    fn nesting_does_not_grow_the_body() {
        type One = ResponseBody<Full<Bytes>>;
        type Three = ResponseBody<ResponseBody<One>>;
        assert_eq!(size_of::<Three>(), size_of::<One>());
        assert_eq!(size_of::<One>(), 40);
    }
}
