use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

pin_project_lite::pin_project! {
    /// The body of a response that may be the service's own or a layer's refusal.
    ///
    /// An enum without a box, so that one layer type fits axum, hyper and tonic, and costs no allocation. Its
    /// [`Default`] is empty and asks nothing of `B`, as some foreign layers need to build a response of their own.
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
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
    pub const fn inner(body: B) -> Self {
        Self {
            kind: Kind::Inner { body },
        }
    }

    /// A body known in full.
    pub fn full(data: impl Into<Bytes>) -> Self {
        Self {
            kind: Kind::Full { data: data.into() },
        }
    }

    /// No bytes at all.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            kind: Kind::Full { data: Bytes::new() },
        }
    }
}

impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Inner { body } => body.poll_frame(cx),
            KindProj::Full { data } if data.is_empty() => Poll::Ready(None),
            KindProj::Full { data } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(data))))),
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Full { data } => data.is_empty(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Full { data } => SizeHint::with_exact(data.remaining() as u64),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
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

    #[test]
    fn nesting_does_not_grow_the_body() {
        type One = ResponseBody<Full<Bytes>>;
        type Three = ResponseBody<ResponseBody<One>>;
        assert_eq!(size_of::<Three>(), size_of::<One>());
        assert_eq!(size_of::<One>(), 40);
    }
}
