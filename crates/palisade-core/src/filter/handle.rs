//! A filter behind a pointer, which is counted or static.

use std::task::{Context, Poll};

use http::{Request, Response};

use super::{Exchange, Failure, Filter, Park, ReplaceBody, Step, Wait};
use crate::Handle;

impl<F: Filter + 'static> Filter for Handle<F> {
    type Kept = F::Kept;
    type Wait = HandleWait<F>;
    type Watch = F::Watch;

    fn response_fields(&self) -> usize {
        (**self).response_fields()
    }

    #[inline(always)]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        behind((**self).on_request(exchange, request))
    }

    #[inline(always)]
    fn poll_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: &mut Self::Kept,
        response: &mut Response<B>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        (**self).poll_response(exchange, kept, response, cx)
    }

    #[inline(always)]
    fn on_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: Self::Kept,
        response: &mut Response<B>,
    ) -> Self::Watch {
        (**self).on_response(exchange, kept, response)
    }

    fn on_failure(&self, exchange: &mut Exchange, kept: Self::Kept, failure: Failure) {
        (**self).on_failure(exchange, kept, failure);
    }
}

/// The query of a filter behind a [`Handle`].
#[derive(Debug)]
pub struct HandleWait<F: Filter>(F::Wait);

#[inline(always)]
fn behind<F: Filter + 'static>(step: Step<F>) -> Step<Handle<F>> {
    match step {
        Step::Pass(kept) => Step::Pass(kept),
        Step::Answer(answer, kept) => Step::Answer(answer, kept),
        Step::Wait(wait) => Step::Wait(HandleWait(wait)),
    }
}

impl<F: Filter + 'static> Wait<Handle<F>> for HandleWait<F> {
    fn poll_wait(&mut self, filter: &Handle<F>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_wait(filter, cx)
    }

    fn resume<B>(
        self,
        filter: &Handle<F>,
        exchange: &mut Exchange,
        request: &mut Request<B>,
    ) -> Step<Handle<F>> {
        behind(self.0.resume(filter, exchange, request))
    }
}

impl<S, F: Filter<Wait: Park<S>>> Park<S> for HandleWait<F> {
    fn park(&self, service: &mut S) -> S {
        self.0.park(service)
    }
}
