//! A service that keeps to the contract of tower and to nothing more, for layers that count on more.
//!
//! It panics when it is called without having been ready; its clones are not ready; it is ready only as often as it was
//! told; neither it, its errors, its futures nor its bodies may be sent to another thread or moved once they are
//! polled; its request is a type that nobody knows.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::marker::{PhantomData, PhantomPinned};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use tower::Service;

/// An error that is neither `Send` nor `Sync`, implements nothing, and knows itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd(pub Rc<str>);

impl Odd {
    /// An error with this mark.
    #[must_use]
    pub fn new(mark: &str) -> Self {
        Self(mark.into())
    }
}

/// The body of a request, of which no layer can know anything.
#[derive(Debug)]
pub struct Unknown(PhantomData<Rc<()>>, PhantomPinned);

impl Unknown {
    /// A body.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "layers must not make one up")]
    pub fn new() -> Self {
        Self(PhantomData, PhantomPinned)
    }
}

/// The answer of the service to the next `poll_ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet; it wakes the task at once.
    Pending,
    /// Never again.
    Fails,
    /// Once.
    Ready,
}

/// The outcomes of calls, over all clones of one service.
#[derive(Debug, Default)]
pub struct Log {
    readiness: RefCell<VecDeque<Readiness>>,
    always_ready: Cell<bool>,
    pauses: Cell<usize>,
    fails: Cell<bool>,
    /// Calls that were made.
    pub calls: Cell<usize>,
    /// Calls that were answered.
    pub answered: Cell<usize>,
    /// Calls whose future was dropped before it answered.
    pub dropped: Cell<usize>,
    /// Bodies that were dropped, read to the end or not.
    pub bodies_dropped: Cell<usize>,
}

/// The service; see the module.
#[derive(Debug)]
pub struct Hostile {
    log: Rc<Log>,
    ready: bool,
}

impl Clone for Hostile {
    fn clone(&self) -> Self {
        Self {
            log: Rc::clone(&self.log),
            ready: false,
        }
    }
}

impl Hostile {
    /// Ready exactly as often as `readiness` says, and afterwards pending for ever.
    #[must_use]
    pub fn scripted(readiness: impl IntoIterator<Item = Readiness>) -> Self {
        let log = Log::default();
        log.readiness.borrow_mut().extend(readiness);
        Self {
            log: Rc::new(log),
            ready: false,
        }
    }

    /// Ready whenever it is asked.
    #[must_use]
    pub fn willing() -> Self {
        let service = Self::scripted([]);
        service.log.always_ready.set(true);
        service
    }

    /// Waits so many times before it answers.
    #[must_use]
    pub fn pausing(self, pauses: usize) -> Self {
        self.log.pauses.set(pauses);
        self
    }

    /// Answers calls with [`Odd`] marked `call`.
    #[must_use]
    pub fn failing(self) -> Self {
        self.log.fails.set(true);
        self
    }

    /// The outcomes of the calls.
    #[must_use]
    pub fn log(&self) -> Rc<Log> {
        Rc::clone(&self.log)
    }
}

impl Service<Request<Unknown>> for Hostile {
    type Response = Response<Words>;
    type Error = Odd;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Odd>> {
        if self.ready {
            return Poll::Ready(Ok(()));
        }
        let next = self.log.readiness.borrow_mut().pop_front();
        match next {
            None if self.log.always_ready.get() => {}
            Some(Readiness::Ready) => {}
            None => return Poll::Pending,
            Some(Readiness::Fails) => return Poll::Ready(Err(Odd::new("readiness"))),
            Some(Readiness::Pending) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Unknown>) -> Answer {
        assert!(
            std::mem::take(&mut self.ready),
            "called without having been ready"
        );
        self.log.calls.set(self.log.calls.get() + 1);
        Answer {
            pauses: self.log.pauses.get(),
            answered: false,
            log: Rc::clone(&self.log),
            pinned: PhantomPinned,
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of one call.
    #[derive(Debug)]
    pub struct Answer {
        pauses: usize,
        answered: bool,
        log: Rc<Log>,
        #[pin]
        pinned: PhantomPinned,
    }

    impl PinnedDrop for Answer {
        fn drop(this: Pin<&mut Self>) {
            let count = if this.answered { &this.log.answered } else { &this.log.dropped };
            count.set(count.get() + 1);
        }
    }
}

impl Future for Answer {
    type Output = Result<Response<Words>, Odd>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        assert!(!*this.answered, "polled after it had answered");
        if *this.pauses > 0 {
            *this.pauses -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        *this.answered = true;
        if this.log.fails.get() {
            return Poll::Ready(Err(Odd::new("call")));
        }
        Poll::Ready(Ok(Response::new(Words {
            next: 0,
            log: Rc::clone(this.log),
            pinned: PhantomPinned,
        })))
    }
}

pin_project_lite::pin_project! {
    /// Two frames with a pause between them, and trailers.
    #[derive(Debug)]
    pub struct Words {
        next: usize,
        log: Rc<Log>,
        #[pin]
        pinned: PhantomPinned,
    }

    impl PinnedDrop for Words {
        fn drop(this: Pin<&mut Self>) {
            this.log.bodies_dropped.set(this.log.bodies_dropped.get() + 1);
        }
    }
}

/// The whole text of [`Words`].
pub const SAID: &str = "hello world";

impl Body for Words {
    type Data = Bytes;
    type Error = Odd;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Odd>>> {
        let this = self.project();
        *this.next += 1;
        let frame = match *this.next {
            1 => Frame::data(Bytes::from_static(b"hello ")),
            2 => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            3 => Frame::data(Bytes::from_static(b"world")),
            4 => {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-trailer", http::HeaderValue::from_static("kept"));
                Frame::trailers(trailers)
            }
            _ => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(frame)))
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    #[should_panic(expected = "called without having been ready")]
    async fn a_call_without_readiness_is_an_offence() {
        let _ = Hostile::willing().call(Request::new(Unknown::new())).await;
    }

    #[tokio::test]
    #[should_panic(expected = "called without having been ready")]
    async fn a_clone_of_a_ready_service_is_not_ready() {
        let mut service = Hostile::willing();
        let mut clone = ServiceExt::ready(&mut service).await.unwrap().clone();
        let _ = clone.call(Request::new(Unknown::new())).await;
    }

    #[tokio::test]
    async fn readiness_runs_out() {
        let mut service = Hostile::scripted([Readiness::Ready]);
        let ready = ServiceExt::<Request<Unknown>>::ready(&mut service)
            .await
            .unwrap();
        ready.call(Request::new(Unknown::new())).await.unwrap();
        let again = std::future::poll_fn(|cx| Poll::Ready(service.poll_ready(cx)));
        assert!(again.await.is_pending());
    }
}
