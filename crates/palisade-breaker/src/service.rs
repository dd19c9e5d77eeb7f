use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use palisade_core::{Handle, time};
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use crate::future::ResponseFuture;
use crate::shared::Shared;
use crate::state::grant::Refusal;
use crate::{BreakerHandle, Classify, ErrorsFail, FailWhenOpen, Permit, Refuse, Rejected, Release};

/// The service made by [`BreakerLayer`](crate::BreakerLayer): calls the guarded service while its breaker lets it.
///
/// While a call is sure to be refused the guarded service is not polled at all: this one is ready, and answers in its
/// place. It never calls a service that it has not polled ready.
///
/// When a call is refused after the guarded service was polled, a clone takes that service's place, so that what it
/// reserved, such as a place under a concurrency limit, is free again. A service that cannot be cloned goes into a
/// [`KeepReserved`](crate::KeepReserved).
pub struct Breaker<S, C = ErrorsFail, A = FailWhenOpen> {
    inner: S,
    shared: Handle<Shared>,
    classify: C,
    refuse: A,
    readiness: Readiness,
    /// Waits for the open time to be over, where that is asked for.
    open_wait: Option<Box<OpenWait>>,
}

/// The wait of a service that is pending until a call is let through.
#[derive(Debug, Default)]
struct OpenWait {
    sleep: Option<Pin<Box<Sleep>>>,
    place: Option<Place>,
}

/// A place among those that wait, given back when nobody waits there any more.
#[derive(Debug)]
struct Place {
    shared: Handle<Shared>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.waiting.leave(self.number);
    }
}

/// The result of the last `poll_ready`; no permit is taken before the call.
#[derive(Debug)]
enum Readiness {
    /// Nothing since the last call.
    Unasked,
    /// The guarded service was polled, and may have reserved something or queued for it.
    Pending,
    Ready,
    Refused(Refusal),
}

impl<S, C, A> Breaker<S, C, A> {
    pub(crate) fn new(inner: S, shared: Handle<Shared>, classify: C, refuse: A) -> Self {
        Self {
            inner,
            open_wait: shared.setup.pends.then(Box::default),
            shared,
            classify,
            refuse,
            readiness: Readiness::Unasked,
        }
    }

    /// Returns a handle to the breaker.
    #[must_use]
    pub fn handle(&self) -> BreakerHandle {
        BreakerHandle(self.shared.clone())
    }

    /// The guarded service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, Req, C, A> Service<Req> for Breaker<S, C, A>
where
    S: Service<Req> + Release,
    C: Classify<Req, S::Response, S::Error> + Clone,
    A: Refuse<Req, C::Output, S::Error> + Clone,
{
    type Response = A::Output;
    type Error = A::Error;
    type Future = ResponseFuture<S, Req, C, A>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), A::Error>> {
        if let Some(refusal) = self.shared.refuse_early() {
            self.release();
            match &mut self.open_wait {
                None => {
                    self.readiness = Readiness::Refused(refusal);
                    return Poll::Ready(Ok(()));
                }
                Some(open_wait) => ready!(open_wait.poll(&self.shared, cx)),
            }
        }
        self.readiness = Readiness::Pending;
        match ready!(self.inner.poll_ready(cx)) {
            Ok(()) => {
                self.readiness = Readiness::Ready;
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                self.shared.fail_readiness();
                Poll::Ready(Err(self.refuse.error(error)))
            }
        }
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let at_once = match self.readiness {
            Readiness::Ready => Permit::acquire_fast(&self.shared),
            _ => None,
        };
        let permit = match at_once {
            Some(permit) => {
                self.readiness = Readiness::Unasked;
                permit
            }
            None => match self.acquire_slow() {
                Ok(permit) => permit,
                Err(rejected) => {
                    self.release();
                    return ResponseFuture::refused(self.refuse.refuse(request, rejected));
                }
            },
        };
        // Not in a function of its own: each that takes the request and looks at it is a copy of it.
        let info = self.classify.inspect(&request);
        let refuse_info = self.refuse.inspect(&request);
        ResponseFuture::calling(
            self.inner.call(request),
            self.classify.clone(),
            info,
            permit,
            self.refuse.clone(),
            refuse_info,
        )
    }
}

impl OpenWait {
    #[cold]
    fn poll(&mut self, shared: &Handle<Shared>, cx: &mut Context<'_>) -> Poll<()> {
        let place = self.place.get_or_insert_with(|| Place {
            shared: shared.clone(),
            number: shared.waiting.place(),
        });
        // First, so that nothing can happen unnoticed between the look and the wait.
        shared.waiting.wait(place.number, cx.waker());
        while let Some(refusal) = shared.refuse_early() {
            let Some(wait) = refusal.retry_after() else {
                return Poll::Pending;
            };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(wait)));
            sleep.as_mut().reset(time::now() + wait);
            ready!(sleep.as_mut().poll(cx));
        }
        *self = Self::default();
        Poll::Ready(())
    }
}

impl<S, C, A> Breaker<S, C, A> {
    #[cold]
    fn acquire_slow(&mut self) -> Result<Permit, Rejected> {
        match self.readiness {
            Readiness::Ready => {
                let permit = Permit::acquire_slow(&self.shared)?;
                self.readiness = Readiness::Unasked;
                Ok(permit)
            }
            Readiness::Refused(refusal) => Err(self.shared.refused(self.shared.rejection(refusal))),
            Readiness::Unasked | Readiness::Pending => {
                Err(self.shared.refused(self.shared.not_ready()))
            }
        }
    }
}

impl<S: Release, C, A> Breaker<S, C, A> {
    /// Gives back what the guarded service may have reserved for a call that is not made.
    fn release(&mut self) {
        if matches!(self.readiness, Readiness::Pending | Readiness::Ready) {
            self.inner.release();
        }
        self.readiness = Readiness::Unasked;
    }
}

impl<S: Clone, C: Clone, A: Clone> Clone for Breaker<S, C, A> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: self.shared.clone(),
            classify: self.classify.clone(),
            refuse: self.refuse.clone(),
            // The clone's own service has not been polled.
            readiness: Readiness::Unasked,
            open_wait: self.open_wait.as_ref().map(|_| Box::default()),
        }
    }
}

impl<S: fmt::Debug, C: fmt::Debug, A> fmt::Debug for Breaker<S, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("name", &self.shared.name())
            .field("state", &self.shared.state())
            .field("classify", &self.classify)
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
