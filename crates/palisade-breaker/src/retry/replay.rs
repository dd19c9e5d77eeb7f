use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// Makes the body of a request for another attempt.
pub trait Replay<T> {
    /// Another body like `sent`, which may be in use already; `None` where there can be none.
    fn again(&self, sent: &T) -> Option<T>;

    /// Returns whether that other body will yield all that the first one did.
    fn is_whole(&self, again: &T) -> bool;

    /// Takes that other body into use, and the ones before out of it; `false` where it is not whole any more.
    fn take_over(&self, again: &T) -> bool {
        self.is_whole(again)
    }
}

/// Repeats a body by cloning it: the default, for bodies that lie in memory such as `Full<Bytes>`, and changes no type.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CloneBodies;

impl<T: Clone> Replay<T> for CloneBodies {
    fn again(&self, sent: &T) -> Option<T> {
        Some(sent.clone())
    }

    fn is_whole(&self, _: &T) -> bool {
        true
    }
}

/// Repeats a body by keeping what was sent of it, up to a cap; see
/// [`RetryLayer::replay_bodies`](crate::RetryLayer::replay_bodies).
#[derive(Debug, Clone, Copy)]
pub struct ReplayBodies {
    pub(crate) cap: usize,
}

impl<B> Replay<ReplayBody<B>> for ReplayBodies {
    fn again(&self, sent: &ReplayBody<B>) -> Option<ReplayBody<B>> {
        let mut kept = sent.kept();
        kept.made += 1;
        Some(ReplayBody {
            kept: Arc::clone(&sent.kept),
            number: kept.made,
            position: 0,
        })
    }

    fn is_whole(&self, again: &ReplayBody<B>) -> bool {
        !again.kept().lost
    }

    fn take_over(&self, again: &ReplayBody<B>) -> bool {
        let mut kept = again.kept();
        if kept.lost {
            return false;
        }
        kept.reading = again.number;
        let waiting = kept.waiting.take();
        drop(kept);
        // The reader before finds out that it is superseded.
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        true
    }
}

/// A body that keeps what it has yielded, up to a cap, so that another attempt can send it again.
///
/// The frames are not copied, they share their memory. As soon as there is to be a later attempt, earlier ones fail with
/// [`ReplayError::Superseded`]. Beyond the cap the attempt that reads goes on to the end, and is the last.
pub struct ReplayBody<B> {
    kept: Arc<Mutex<Kept<B>>>,
    /// The number of the attempt.
    number: u32,
    /// Frames of the kept ones that it has yielded.
    position: usize,
}

struct Kept<B> {
    rest: Pin<Box<B>>,
    cap: usize,
    frames: Vec<Bytes>,
    len: usize,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// Too much to keep, or broken: there is no other attempt.
    lost: bool,
    made: u32,
    /// The attempt that reads.
    reading: u32,
    /// The reader, while it waits for the rest.
    waiting: Option<Waker>,
}

/// The error of a [`ReplayBody`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError<E> {
    /// The body that it repeats broke off.
    #[error("the request's body broke off")]
    Inner(#[source] E),
    /// A later attempt has taken over.
    #[error("a later attempt sends this body")]
    Superseded,
}

impl<B> ReplayBody<B> {
    pub(crate) fn new(body: B, cap: usize) -> Self {
        Self {
            kept: Arc::new(Mutex::new(Kept {
                rest: Box::pin(body),
                cap,
                frames: Vec::new(),
                len: 0,
                trailers: None,
                ended: false,
                lost: false,
                made: 0,
                reading: 0,
                waiting: None,
            })),
            number: 0,
            position: 0,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<B>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type ReplayedFrame<E> = Result<Frame<Bytes>, ReplayError<E>>;

impl<B: Body<Data = Bytes>> Kept<B> {
    /// The next frame of the body itself, kept unless it is too much.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<ReplayedFrame<B::Error>>> {
        let frame = match self.rest.as_mut().poll_frame(cx) {
            Poll::Pending => {
                self.waiting
                    .get_or_insert_with(|| cx.waker().clone())
                    .clone_from(cx.waker());
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => {
                self.lose();
                return Poll::Ready(Some(Err(ReplayError::Inner(error))));
            }
            Poll::Ready(None) => {
                self.ended = true;
                return Poll::Ready(None);
            }
        };
        if let Some(data) = frame.data_ref() {
            self.len = self.len.saturating_add(data.len());
            if self.len > self.cap {
                self.lose();
            }
            if !self.lost {
                self.frames.push(data.clone());
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
            self.ended = true;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn lose(&mut self) {
        self.lost = true;
        self.frames = Vec::new();
    }
}

impl<B: Body<Data = Bytes>> Body for ReplayBody<B> {
    type Data = Bytes;
    type Error = ReplayError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let mut kept = this.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let begins_too_late = this.number > kept.reading && kept.lost;
        if this.number < kept.reading || begins_too_late {
            return Poll::Ready(Some(Err(ReplayError::Superseded)));
        }
        kept.reading = this.number;
        // Frames, then the trailers, then the end.
        if let Some(data) = kept.frames.get(this.position) {
            let data = data.clone();
            this.position += 1;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if kept.ended {
            let trailers = kept
                .trailers
                .clone()
                .filter(|_| this.position == kept.frames.len());
            this.position = kept.frames.len() + 1;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let frame = ready!(kept.poll_rest(cx));
        this.position = kept.frames.len() + usize::from(kept.ended);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let kept = self.kept();
        if kept.ended {
            self.position > kept.frames.len()
                || self.position == kept.frames.len() && kept.trailers.is_none()
        } else {
            self.position >= kept.frames.len() && kept.rest.is_end_stream()
        }
    }

    fn size_hint(&self) -> SizeHint {
        let kept = self.kept();
        let ahead = kept.frames.iter().skip(self.position);
        let ahead: usize = ahead.map(Buf::remaining).sum();
        let mut hint = if kept.ended {
            SizeHint::with_exact(0)
        } else {
            kept.rest.size_hint()
        };
        let ahead = ahead as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(ahead));
        }
        hint.set_lower(hint.lower().saturating_add(ahead));
        hint
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody")
            .field("attempt", &self.number)
            .finish_non_exhaustive()
    }
}
