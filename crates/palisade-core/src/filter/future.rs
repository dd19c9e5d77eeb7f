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
        found: Found,
        held: Option<Held<F>>,
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
            if this.found.running && let Some(held) = this.held.take() {
                held.fail(this.found, Failure::Panic);
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

/// The filters of a request, and the state that they keep until its response.
pub(super) struct Held<F: Filter> {
    filter: F,
    kept: F::Kept,
}

impl<F: Filter> Held<F> {
    #[inline(always)]
    pub(super) const fn new(filter: F, kept: F::Kept) -> Self {
        Self { filter, kept }
    }

    /// Nothing is held where the response concerns no filter.
    #[inline(always)]
    pub(super) fn until_response(filter: &F, kept: F::Kept) -> Option<Self>
    where
        F: Clone,
    {
        match filter.needs_response(&kept) {
            true => Some(Self::new(filter.clone(), kept)),
            false => None,
        }
    }

    fn fail(self, found: &mut Found, failure: Failure) {
        let mut exchange = Exchange::resume(std::mem::take(found));
        self.filter.on_failure(&mut exchange, self.kept, failure);
    }
}

/// A request that waits for a query, with the service that was ready for it.
pub(super) struct Parked<S, F: Filter, Rq>(Option<Waiting<S, F, Rq>>);

struct Waiting<S, F: Filter, Rq> {
    // Dropped first: what the outer filters keep of the request is settled with it.
    wait: F::Wait,
    filter: F,
    service: S,
    request: Request<Rq>,
}

impl<S, F: Filter, Rq> Parked<S, F, Rq> {
    #[cold]
    pub(super) fn new(filter: F, service: S, request: Request<Rq>, wait: F::Wait) -> Box<Self> {
        Box::new(Self(Some(Waiting {
            wait,
            filter,
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
    pub(super) const fn running(inner: S::Future, found: Found, held: Option<Held<F>>) -> Self {
        Self {
            found,
            held,
            state: State::Running { inner },
        }
    }

    pub(super) fn answer(
        answer: Response<Bytes>,
        exchange: Exchange,
        held: Option<Held<F>>,
    ) -> Self {
        Self {
            found: exchange.pause(),
            held,
            state: State::Leaving {
                response: Some(Box::new(answer.map(ResponseBody::unwatched_full))),
            },
        }
    }

    pub(super) fn wait(parked: Box<Parked<S, F, Rq>>, exchange: Exchange) -> Self {
        Self {
            found: exchange.pause(),
            held: None,
            state: State::Waiting { parked },
        }
    }
}

impl<S, F, Rq, B> Future for ResponseFuture<S, F, Rq, B>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    F: Filter + Clone,
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
                            if let Some(held) = this.held.take() {
                                held.fail(this.found, Failure::Error);
                            }
                            return Poll::Ready(Err(error));
                        }
                    };
                    // What is made here and borrowed by nothing is made in the caller's place.
                    if this.held.is_none() {
                        return Poll::Ready(Ok(response.map(ResponseBody::unwatched)));
                    }
                    // Made where it is returned, which saves a move of the response.
                    let mut ready = Poll::Ready(Ok(response.map(ResponseBody::unwatched)));
                    if let Poll::Ready(Ok(response)) = &mut ready
                        && release(this.found, this.held, response, cx).is_ready()
                    {
                        return ready;
                    }
                    if let Poll::Ready(Ok(response)) = ready {
                        let response = Some(Box::new(response));
                        this.state.set(State::Leaving { response });
                    }
                    return Poll::Pending;
                }
                StateProj::Waiting { parked } => {
                    ready!(parked.poll(cx));
                    match parked.resume(this.found, this.held) {
                        Some(state) => this.state.set(state),
                        None => return Poll::Pending,
                    }
                }
                StateProj::Leaving { response: leaving } => {
                    // Polled after it was done, which the contract of futures does not allow.
                    let Some(mut response) = leaving.take() else {
                        return Poll::Pending;
                    };
                    if release(this.found, this.held, &mut response, cx).is_pending() {
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
    found: &mut Found,
    held: &mut Option<Held<F>>,
    response: &mut Response<ResponseBody<B, F::Watch>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(Held { filter, kept }) = held else {
        return Poll::Ready(());
    };
    let mut exchange = Exchange::resume(std::mem::take(found));
    if filter
        .poll_response(&mut exchange, kept, response, cx)
        .is_pending()
    {
        *found = exchange.pause();
        return Poll::Pending;
    }
    if let Some(Held { filter, kept }) = held.take() {
        let watch = filter.on_response(&mut exchange, kept, response);
        // First, because a body without anything ends the request in `watch`, which is then the last to hold its scope.
        exchange.end();
        response.body_mut().watch(watch);
    }
    Poll::Ready(())
}

impl<S, F: Filter, Rq> Parked<S, F, Rq> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(Waiting { wait, filter, .. }) => wait.poll_wait(filter, cx),
            None => Poll::Pending,
        }
    }

    /// Goes on with the request, with what is kept of it. Returns no state only where there is no request any more.
    fn resume<B>(
        &mut self,
        found: &mut Found,
        held: &mut Option<Held<F>>,
    ) -> Option<State<S, F, Rq, B>>
    where
        F: Clone,
        S: Service<Request<Rq>, Response = Response<B>>,
        B: Body<Data = Bytes>,
    {
        let Waiting {
            wait,
            filter,
            mut service,
            mut request,
        } = self.0.take()?;
        let mut exchange = Exchange::resume(std::mem::take(found));
        let step = wait.resume(&filter, &mut exchange, &mut request);
        *found = exchange.pause();
        match step {
            Step::Pass(pass) => {
                *held = Held::until_response(&filter, pass);
                let _entered = found.span().map(tracing::Span::enter);
                let inner = service.call(request);
                Some(State::Running { inner })
            }
            Step::Answer(answer, left) => {
                *held = left.map(|left| Held::new(filter, left));
                let response = Some(Box::new(answer.map(ResponseBody::unwatched_full)));
                Some(State::Leaving { response })
            }
            Step::Wait(wait) => {
                let parked = Self::new(filter, service, request, wait);
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
