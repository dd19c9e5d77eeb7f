//! A filter that can be replaced while the service runs.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::{ArcSwap, Guard};
use http::{Request, Response};

use super::{Exchange, Failure, Filter, Park, ReplaceBody, Step, Wait};
use crate::Handle;

/// A filter that [`Reload::replace`] replaces between two requests.
///
/// A request keeps the filter with which it began, to the end of its response's head.
pub struct Reloadable<F: 'static>(Handle<ArcSwap<F>>);

/// Replaces the filter of every service that a [`Reloadable`] was put around.
pub struct Reload<F: 'static>(Handle<ArcSwap<F>>);

impl<F> Reloadable<F> {
    /// A filter that begins as this one, and what replaces it.
    #[must_use]
    pub fn new(filter: F) -> (Self, Reload<F>) {
        let shared = Handle::new(ArcSwap::from_pointee(filter));
        (Self(shared.clone()), Reload(shared))
    }

    /// The filter that requests meet now.
    #[must_use]
    pub fn current(&self) -> Arc<F> {
        self.0.load_full()
    }

    /// Keeps the pointer to the filter for the rest of the process, so that clones of the service count nothing. The
    /// filters that are replaced are freed all the same.
    #[must_use]
    pub fn leak(self) -> Self {
        Self(self.0.leak())
    }
}

impl<F> Reload<F> {
    /// Replaces the filter: every request that begins after the call sees this one.
    pub fn replace(&self, filter: F) {
        self.0.store(Arc::new(filter));
    }
}

impl<F: Filter> Filter for Reloadable<F> {
    type Kept = ReloadableKept<F>;
    type Wait = ReloadableWait<F>;
    type Watch = F::Watch;

    #[inline(always)]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        let filter = self.0.load();
        let step = filter.on_request(exchange, request);
        with_filter(filter, step)
    }

    #[inline(always)]
    fn poll_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: &mut Self::Kept,
        response: &mut Response<B>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let ReloadableKept { filter, kept } = kept;
        filter.poll_response(exchange, kept, response, cx)
    }

    #[inline(always)]
    fn on_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: Self::Kept,
        response: &mut Response<B>,
    ) -> Self::Watch {
        let ReloadableKept { filter, kept } = kept;
        filter.on_response(exchange, kept, response)
    }

    fn on_failure(&self, exchange: &mut Exchange, kept: Self::Kept, failure: Failure) {
        let ReloadableKept { filter, kept } = kept;
        filter.on_failure(exchange, kept, failure);
    }
}

/// State of one request in a filter that may have been replaced since, and that filter.
#[expect(
    missing_debug_implementations,
    reason = "the state of a filter need not be `Debug`"
)]
pub struct ReloadableKept<F: Filter> {
    kept: F::Kept,
    filter: Guard<Arc<F>>,
}

/// The query of a filter that may have been replaced since, and that filter.
#[expect(
    missing_debug_implementations,
    reason = "the state of a filter need not be `Debug`"
)]
pub struct ReloadableWait<F: Filter> {
    wait: F::Wait,
    filter: Arc<F>,
}

#[inline(always)]
fn with_filter<F: Filter>(filter: Guard<Arc<F>>, step: Step<F>) -> Step<Reloadable<F>> {
    match step {
        Step::Pass(kept) => Step::Pass(ReloadableKept { kept, filter }),
        Step::Answer(answer, kept) => {
            Step::Answer(answer, kept.map(|kept| ReloadableKept { kept, filter }))
        }
        // A wait may last: what is counted holds up no replacement.
        Step::Wait(wait) => Step::Wait(ReloadableWait {
            wait,
            filter: Guard::into_inner(filter),
        }),
    }
}

impl<F: Filter> Wait<Reloadable<F>> for ReloadableWait<F> {
    fn poll_wait(&mut self, _: &Reloadable<F>, cx: &mut Context<'_>) -> Poll<()> {
        self.wait.poll_wait(&self.filter, cx)
    }

    fn resume<B>(
        self,
        _: &Reloadable<F>,
        exchange: &mut Exchange,
        request: &mut Request<B>,
    ) -> Step<Reloadable<F>> {
        let step = self.wait.resume(&self.filter, exchange, request);
        with_filter(Guard::from_inner(self.filter), step)
    }
}

impl<S, F: Filter<Wait: Park<S>>> Park<S> for ReloadableWait<F> {
    fn park(&self, service: &mut S) -> S {
        self.wait.park(service)
    }
}

impl<F> Clone for Reloadable<F> {
    #[inline]
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F> Clone for Reload<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F> fmt::Debug for Reloadable<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloadable").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Reload<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}
