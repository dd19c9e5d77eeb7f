//! The one composition: two filters in one service, the first outside of the second.

use std::task::{Context, Poll, ready};

use http::{Request, Response};

use super::{Exchange, Failure, Filter, Park, ReplaceBody, Step, Wait};

impl<A: Filter, B: Filter> Filter for (A, B) {
    type Kept = PairKept<A, B>;
    type Wait = PairWait<A, B>;
    type Watch = (A::Watch, B::Watch);

    fn response_fields(&self) -> usize {
        self.0.response_fields() + self.1.response_fields()
    }

    #[inline(always)]
    fn on_request<Rq>(&self, exchange: &mut Exchange, request: &mut Request<Rq>) -> Step<Self> {
        match self.0.on_request(exchange, request) {
            Step::Pass(outer) => {
                let step = self.1.on_request(exchange, request);
                with_outer(outer, step)
            }
            step => before_inner(step),
        }
    }

    #[inline(always)]
    fn needs_response(&self, kept: &Self::Kept) -> bool {
        match &kept.0 {
            Kept::Both(outer, inner) => {
                self.1.needs_response(inner) || self.0.needs_response(outer)
            }
            Kept::Outer(outer) => self.0.needs_response(outer),
        }
    }

    #[inline(always)]
    fn poll_response<Rs: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: &mut Self::Kept,
        response: &mut Response<Rs>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let outer = match &mut kept.0 {
            Kept::Both(outer, inner) => {
                ready!(self.1.poll_response(exchange, inner, response, cx));
                outer
            }
            Kept::Outer(outer) => outer,
        };
        self.0.poll_response(exchange, outer, response, cx)
    }

    #[inline(always)]
    fn on_response<Rs: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: Self::Kept,
        response: &mut Response<Rs>,
    ) -> Self::Watch {
        let (outer, inner) = match kept.0 {
            Kept::Both(outer, inner) => {
                let inner = self.1.on_response(exchange, inner, response);
                (outer, inner)
            }
            Kept::Outer(outer) => (outer, B::Watch::default()),
        };
        (self.0.on_response(exchange, outer, response), inner)
    }

    fn on_failure(&self, exchange: &mut Exchange, kept: Self::Kept, failure: Failure) {
        let outer = match kept.0 {
            Kept::Both(outer, inner) => {
                self.1.on_failure(exchange, inner, failure);
                outer
            }
            Kept::Outer(outer) => outer,
        };
        self.0.on_failure(exchange, outer, failure);
    }
}

/// State of one request in two filters, of those that it has passed.
#[expect(
    missing_debug_implementations,
    reason = "the state of a filter need not be `Debug`"
)]
pub struct PairKept<A: Filter, B: Filter>(Kept<A, B>);

/// An enum rather than options side by side, so that a filter that keeps nothing adds nothing to the future.
enum Kept<A: Filter, B: Filter> {
    Both(A::Kept, B::Kept),
    /// The inner one has answered, or its answer keeps nothing.
    Outer(A::Kept),
}

/// The query that one of two filters waits for.
#[expect(
    missing_debug_implementations,
    reason = "the state of a filter need not be `Debug`"
)]
pub struct PairWait<A: Filter, B: Filter>(Waiting<A, B>);

enum Waiting<A: Filter, B: Filter> {
    Outer(A::Wait),
    /// The state of the outer one is held meanwhile.
    Inner(A::Kept, B::Wait),
}

/// The step of the inner filter, where the request has passed the outer one.
#[inline(always)]
fn with_outer<A: Filter, B: Filter>(outer: A::Kept, step: Step<B>) -> Step<(A, B)> {
    match step {
        Step::Pass(inner) => Step::Pass(PairKept(Kept::Both(outer, inner))),
        Step::Answer(answer, inner) => {
            let kept = match inner {
                Some(inner) => Kept::Both(outer, inner),
                None => Kept::Outer(outer),
            };
            Step::Answer(answer, Some(PairKept(kept)))
        }
        Step::Wait(wait) => Step::Wait(PairWait(Waiting::Inner(outer, wait))),
    }
}

/// The step of the outer filter, where the request does not reach the inner one now.
#[inline(always)]
fn before_inner<A: Filter, B: Filter>(step: Step<A>) -> Step<(A, B)> {
    match step {
        Step::Pass(outer) => Step::Pass(PairKept(Kept::Outer(outer))),
        Step::Answer(answer, outer) => {
            Step::Answer(answer, outer.map(|outer| PairKept(Kept::Outer(outer))))
        }
        Step::Wait(wait) => Step::Wait(PairWait(Waiting::Outer(wait))),
    }
}

impl<A: Filter, B: Filter> Wait<(A, B)> for PairWait<A, B> {
    fn poll_wait(&mut self, filters: &(A, B), cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Waiting::Outer(wait) => wait.poll_wait(&filters.0, cx),
            Waiting::Inner(_, wait) => wait.poll_wait(&filters.1, cx),
        }
    }

    fn resume<Rq>(
        self,
        filters: &(A, B),
        exchange: &mut Exchange,
        request: &mut Request<Rq>,
    ) -> Step<(A, B)> {
        match self.0 {
            Waiting::Outer(wait) => match wait.resume(&filters.0, exchange, request) {
                Step::Pass(outer) => {
                    let step = filters.1.on_request(exchange, request);
                    with_outer(outer, step)
                }
                step => before_inner(step),
            },
            Waiting::Inner(outer, wait) => {
                let step = wait.resume(&filters.1, exchange, request);
                with_outer(outer, step)
            }
        }
    }
}

impl<S, A, B> Park<S> for PairWait<A, B>
where
    A: Filter<Wait: Park<S>>,
    B: Filter<Wait: Park<S>>,
{
    fn park(&self, service: &mut S) -> S {
        match &self.0 {
            Waiting::Outer(wait) => wait.park(service),
            Waiting::Inner(_, wait) => wait.park(service),
        }
    }
}
