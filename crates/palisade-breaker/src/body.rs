use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};

use crate::classify::GrpcWatch;
use crate::permit::BodyPermit;
use crate::state::grant::Verdict;

pin_project_lite::pin_project! {
    /// The body of a guarded response, which tells the breaker how it ended.
    ///
    /// Frames pass as they are.
    pub struct GuardedBody<B> {
        #[pin]
        inner: B,
        guard: Guard,
    }
}

enum Guard {
    /// Settled already.
    Free,
    /// Succeeds unless an error comes.
    UntilError(BodyPermit),
    /// Not settled before the trailers.
    UntilTrailers(GrpcWatch),
    /// Not settled before the end, which a classifier of tower-http judges.
    #[cfg(feature = "tower-http")]
    UntilEnd(crate::classify::EosWatch),
}

impl<B> GuardedBody<B> {
    #[inline]
    pub(crate) const fn free(inner: B) -> Self {
        Self {
            inner,
            guard: Guard::Free,
        }
    }

    #[inline]
    pub(crate) fn until_error(inner: B, body_permit: Option<BodyPermit>) -> Self {
        Self {
            inner,
            guard: body_permit.map_or(Guard::Free, Guard::UntilError),
        }
    }

    pub(crate) const fn until_trailers(inner: B, watch: GrpcWatch) -> Self {
        Self {
            inner,
            guard: Guard::UntilTrailers(watch),
        }
    }

    #[cfg(feature = "tower-http")]
    pub(crate) const fn until_end(inner: B, watch: crate::classify::EosWatch) -> Self {
        Self {
            inner,
            guard: Guard::UntilEnd(watch),
        }
    }

    /// The body that is guarded.
    pub const fn get_ref(&self) -> &B {
        &self.inner
    }
}

impl Guard {
    fn observe<D, E>(&mut self, frame: Option<&Result<Frame<D>, E>>) {
        match self {
            Self::Free => {}
            Self::UntilError(_) => match frame {
                Some(Ok(_)) => {}
                Some(Err(_)) => {
                    if let Self::UntilError(body_permit) = std::mem::replace(self, Self::Free) {
                        body_permit.end(Verdict::Failure(None));
                    }
                }
                None => *self = Self::Free,
            },
            Self::UntilTrailers(watch) => match frame {
                Some(Ok(frame)) => match frame.trailers_ref() {
                    Some(trailers) => watch.trailers(trailers),
                    None => watch.message(),
                },
                Some(Err(_)) | None => watch.broke_off(),
            },
            #[cfg(feature = "tower-http")]
            Self::UntilEnd(watch) => {
                let trailers = match frame {
                    Some(Ok(frame)) if frame.is_data() => return watch.message(),
                    Some(Ok(frame)) => frame.trailers_ref(),
                    Some(Err(_)) | None => None,
                };
                if let Self::UntilEnd(watch) = std::mem::replace(self, Self::Free) {
                    match frame {
                        Some(Err(_)) => watch.broke_off(),
                        Some(Ok(_)) | None => watch.ended(trailers),
                    }
                }
            }
        }
    }
}

impl<B: Body> Body for GuardedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        this.guard.observe(frame.as_ref());
        Poll::Ready(frame)
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

impl<B> From<B> for GuardedBody<B> {
    /// A body that nothing depends on, such as a fallback's.
    fn from(inner: B) -> Self {
        Self::free(inner)
    }
}

impl<B: Default> Default for GuardedBody<B> {
    fn default() -> Self {
        Self::free(B::default())
    }
}

impl<B: fmt::Debug> fmt::Debug for GuardedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GuardedBody").field(&self.inner).finish()
    }
}
