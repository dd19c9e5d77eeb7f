use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::exchange::Found;
use super::{Exchange, Failure, Filter, Step, Wait};
use crate::ResponseBody;

pin_project_lite::pin_project! {
    /// The response future of [`Filtered`](super::Filtered).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops what the filters kept of the request, which settles it.
    pub struct ResponseFuture<S, F, Rq, B>
    where
        S: Service<Request<Rq>>,
        F: Filter,
    {
        filter: F,
        found: Found,
        kept: Option<F::Kept>,
        #[pin]
        state: State<S, F, Rq, B>,
    }

    impl<S, F, Rq, B> PinnedDrop for ResponseFuture<S, F, Rq, B>
    where
        S: Service<Request<Rq>>,
        F: Filter,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.found.running && let Some(kept) = this.kept.take() {
                let mut exchange = Exchange::resume(std::mem::take(this.found));
                this.filter.on_failure(&mut exchange, kept, Failure::Panic);
            }
        }
    }
}

pin_project_lite::pin_project! {
    #[project = StateProj]
    enum State<S, F, Rq, B>
    where
        S: Service<Request<Rq>>,
        F: Filter,
    {
        Running { #[pin] inner: S::Future },
        Waiting { parked: Box<Parked<S, F, Rq>> },
        Leaving { response: Option<Box<Response<ResponseBody<B, F::Watch>>>> },
    }
}

/// A request that waits for a query, with the service that was ready for it.
pub(super) struct Parked<S, F: Filter, Rq>(Option<Waiting<S, F, Rq>>);

struct Waiting<S, F: Filter, Rq> {
    // Dropped first: what the outer filters keep of the request is settled with it.
    wait: F::Wait,
    service: S,
    request: Request<Rq>,
}

impl<S, F: Filter, Rq> Parked<S, F, Rq> {
    #[cold]
    pub(super) fn new(service: S, request: Request<Rq>, wait: F::Wait) -> Box<Self> {
        Box::new(Self(Some(Waiting {
            wait,
            service,
            request,
        })))
    }
}

impl<S, F, Rq, B> ResponseFuture<S, F, Rq, B>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    F: Filter,
    B: Body<Data = Bytes>,
{
    /// Waits for the response of the inner service, which was called.
    #[inline(always)]
    pub(super) const fn running(inner: S::Future, filter: F, found: Found, kept: F::Kept) -> Self {
        Self {
            filter,
            found,
            kept: Some(kept),
            state: State::Running { inner },
        }
    }

    pub(super) fn answer(
        answer: Response<Bytes>,
        filter: F,
        exchange: Exchange,
        kept: Option<F::Kept>,
    ) -> Self {
        Self {
            filter,
            found: exchange.pause(),
            kept,
            state: State::Leaving {
                response: Some(Box::new(answer.map(ResponseBody::unwatched_full))),
            },
        }
    }

    pub(super) fn wait(parked: Box<Parked<S, F, Rq>>, filter: F, exchange: Exchange) -> Self {
        Self {
            filter,
            found: exchange.pause(),
            kept: None,
            state: State::Waiting { parked },
        }
    }
}

impl<S, F, Rq, B> Future for ResponseFuture<S, F, Rq, B>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    F: Filter,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B, F::Watch>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Running { inner } => {
                    this.found.running = true;
                    let polled = match this.found.span() {
                        None => inner.poll(cx),
                        Some(span) => {
                            let _entered = span.enter();
                            inner.poll(cx)
                        }
                    };
                    this.found.running = false;
                    let response = match ready!(polled) {
                        Ok(response) => response,
                        Err(error) => {
                            if let Some(kept) = this.kept.take() {
                                let mut exchange = Exchange::resume(std::mem::take(this.found));
                                this.filter.on_failure(&mut exchange, kept, Failure::Error);
                            }
                            return Poll::Ready(Err(error));
                        }
                    };
                    let mut response = response.map(ResponseBody::unwatched);
                    if release(this.filter, this.found, this.kept, &mut response, cx).is_pending() {
                        let response = Some(Box::new(response));
                        this.state.set(State::Leaving { response });
                        return Poll::Pending;
                    }
                    return Poll::Ready(Ok(response));
                }
                StateProj::Waiting { parked } => {
                    ready!(parked.poll(this.filter, cx));
                    match parked.resume(this.filter, this.found, this.kept) {
                        Some(state) => this.state.set(state),
                        None => return Poll::Pending,
                    }
                }
                StateProj::Leaving { response: leaving } => {
                    // Polled after it was done, which the contract of futures does not allow.
                    let Some(mut response) = leaving.take() else {
                        return Poll::Pending;
                    };
                    if release(this.filter, this.found, this.kept, &mut response, cx).is_pending() {
                        *leaving = Some(response);
                        return Poll::Pending;
                    }
                    return Poll::Ready(Ok(*response));
                }
            }
        }
    }
}

/// Lets the filters change the response, unless one of them waits before it may leave.
#[inline(always)]
fn release<F: Filter, B: Body<Data = Bytes>>(
    filter: &F,
    found: &mut Found,
    kept: &mut Option<F::Kept>,
    response: &mut Response<ResponseBody<B, F::Watch>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(held) = kept else {
        return Poll::Ready(());
    };
    let mut exchange = Exchange::resume(std::mem::take(found));
    if filter
        .poll_response(&mut exchange, held, response, cx)
        .is_pending()
    {
        *found = exchange.pause();
        return Poll::Pending;
    }
    if let Some(kept) = kept.take() {
        let watch = filter.on_response(&mut exchange, kept, response);
        response.body_mut().watch(watch);
    }
    Poll::Ready(())
}

impl<S, F: Filter, Rq> Parked<S, F, Rq> {
    fn poll(&mut self, filter: &F, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(waiting) => waiting.wait.poll_wait(filter, cx),
            None => Poll::Pending,
        }
    }

    /// Goes on with the request, with what is kept of it. Returns no state only where there is no request any more.
    fn resume<B>(
        &mut self,
        filter: &F,
        found: &mut Found,
        kept: &mut Option<F::Kept>,
    ) -> Option<State<S, F, Rq, B>>
    where
        S: Service<Request<Rq>, Response = Response<B>>,
        B: Body<Data = Bytes>,
    {
        let Waiting {
            wait,
            mut service,
            mut request,
        } = self.0.take()?;
        let mut exchange = Exchange::resume(std::mem::take(found));
        let step = wait.resume(filter, &mut exchange, &mut request);
        *found = exchange.pause();
        match step {
            Step::Pass(pass) => {
                *kept = Some(pass);
                let _entered = found.span().map(tracing::Span::enter);
                let inner = service.call(request);
                Some(State::Running { inner })
            }
            Step::Answer(answer, left) => {
                *kept = left;
                let response = Some(Box::new(answer.map(ResponseBody::unwatched_full)));
                Some(State::Leaving { response })
            }
            Step::Wait(wait) => {
                let parked = Self::new(service, request, wait);
                Some(State::Waiting { parked })
            }
        }
    }
}

impl<S, F, Rq, B> fmt::Debug for ResponseFuture<S, F, Rq, B>
where
    S: Service<Request<Rq>>,
    F: Filter,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
