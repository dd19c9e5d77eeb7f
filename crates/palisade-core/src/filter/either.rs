//! One of two filters, such as one that is fixed and one that can be replaced.

use std::task::{Context, Poll};

use http::{Request, Response};

use super::{Exchange, Failure, Filter, Park, ReplaceBody, Step, Wait};

/// One of two filters that observe bodies in the same way; also what either keeps, and what it waits for.
#[derive(Debug, Clone, Copy)]
pub enum Either<A, B> {
    /// The first.
    Left(A),
    /// The second.
    Right(B),
}

/// The query of one of two filters.
#[derive(Debug)]
pub struct EitherWait<A, B>(Either<A, B>);

impl<A, B> Filter for Either<A, B>
where
    A: Filter,
    B: Filter<Watch = A::Watch>,
{
    type Kept = Either<A::Kept, B::Kept>;
    type Wait = EitherWait<A::Wait, B::Wait>;
    type Watch = A::Watch;

    #[inline(always)]
    fn on_request<Rq>(&self, exchange: &mut Exchange, request: &mut Request<Rq>) -> Step<Self> {
        match self {
            Self::Left(left) => left_step(left.on_request(exchange, request)),
            Self::Right(right) => right_step(right.on_request(exchange, request)),
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
        match (self, kept) {
            (Self::Left(left), Either::Left(kept)) => {
                left.poll_response(exchange, kept, response, cx)
            }
            (Self::Right(right), Either::Right(kept)) => {
                right.poll_response(exchange, kept, response, cx)
            }
            _ => Poll::Ready(()),
        }
    }

    #[inline(always)]
    fn on_response<Rs: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: Self::Kept,
        response: &mut Response<Rs>,
    ) -> Self::Watch {
        match (self, kept) {
            (Self::Left(left), Either::Left(kept)) => left.on_response(exchange, kept, response),
            (Self::Right(right), Either::Right(kept)) => {
                right.on_response(exchange, kept, response)
            }
            _ => Self::Watch::default(),
        }
    }

    fn on_failure(&self, exchange: &mut Exchange, kept: Self::Kept, failure: Failure) {
        match (self, kept) {
            (Self::Left(left), Either::Left(kept)) => left.on_failure(exchange, kept, failure),
            (Self::Right(right), Either::Right(kept)) => right.on_failure(exchange, kept, failure),
            _ => {}
        }
    }
}

#[inline(always)]
fn left_step<A, B>(step: Step<A>) -> Step<Either<A, B>>
where
    A: Filter,
    B: Filter<Watch = A::Watch>,
{
    match step {
        Step::Pass(kept) => Step::Pass(Either::Left(kept)),
        Step::Answer(answer, kept) => Step::Answer(answer, kept.map(Either::Left)),
        Step::Wait(wait) => Step::Wait(EitherWait(Either::Left(wait))),
    }
}

#[inline(always)]
fn right_step<A, B>(step: Step<B>) -> Step<Either<A, B>>
where
    A: Filter,
    B: Filter<Watch = A::Watch>,
{
    match step {
        Step::Pass(kept) => Step::Pass(Either::Right(kept)),
        Step::Answer(answer, kept) => Step::Answer(answer, kept.map(Either::Right)),
        Step::Wait(wait) => Step::Wait(EitherWait(Either::Right(wait))),
    }
}

impl<A, B> Wait<Either<A, B>> for EitherWait<A::Wait, B::Wait>
where
    A: Filter,
    B: Filter<Watch = A::Watch>,
{
    fn poll_wait(&mut self, filter: &Either<A, B>, cx: &mut Context<'_>) -> Poll<()> {
        match (&mut self.0, filter) {
            (Either::Left(wait), Either::Left(left)) => wait.poll_wait(left, cx),
            (Either::Right(wait), Either::Right(right)) => wait.poll_wait(right, cx),
            // The filter of a request does not change into the other.
            _ => Poll::Ready(()),
        }
    }

    fn resume<Rq>(
        self,
        filter: &Either<A, B>,
        exchange: &mut Exchange,
        request: &mut Request<Rq>,
    ) -> Step<Either<A, B>> {
        match (self.0, filter) {
            (Either::Left(wait), Either::Left(left)) => {
                left_step(wait.resume(left, exchange, request))
            }
            (Either::Right(wait), Either::Right(right)) => {
                right_step(wait.resume(right, exchange, request))
            }
            _ => filter.on_request(exchange, request),
        }
    }
}

impl<S, A: Park<S>, B: Park<S>> Park<S> for EitherWait<A, B> {
    fn park(&self, service: &mut S) -> S {
        match &self.0 {
            Either::Left(wait) => wait.park(service),
            Either::Right(wait) => wait.park(service),
        }
    }
}
