//! A filter behind one pointer.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::{ArcSwap, Guard};
use http::{Request, Response};

use super::{Exchange, Failure, Filter, Park, ReplaceBody, Step, Wait};

/// A filter behind one pointer, which all clones share: counted, or static after [`leak`](Self::leak), and one that
/// [`Reload::replace`] may replace if it was made by [`reloadable`](Self::reloadable).
///
/// A request keeps the filter with which it began, to the end of its response's head.
pub struct SharedFilter<F: 'static>(Pointer<F>);

enum Pointer<F: 'static> {
    Counted(Arc<F>),
    Static(&'static F),
    Reloadable(Arc<ArcSwap<F>>),
    StaticReloadable(&'static ArcSwap<F>),
}

/// Replaces the filter of every service that a reloadable [`SharedFilter`] was put around.
pub struct Reload<F: 'static>(Arc<ArcSwap<F>>);

impl<F> SharedFilter<F> {
    /// A filter that stays the same.
    #[must_use]
    pub fn new(filter: F) -> Self {
        Self(Pointer::Counted(Arc::new(filter)))
    }

    /// A filter that begins as this one, and what replaces it.
    #[must_use]
    pub fn reloadable(filter: F) -> (Self, Reload<F>) {
        let shared = Arc::new(ArcSwap::from_pointee(filter));
        (
            Self(Pointer::Reloadable(Arc::clone(&shared))),
            Reload(shared),
        )
    }

    /// Reads the filter that requests meet now.
    pub fn read<T>(&self, read: impl FnOnce(&F) -> T) -> T {
        match &self.0 {
            Pointer::Counted(filter) => read(filter),
            Pointer::Static(filter) => read(filter),
            Pointer::Reloadable(shared) => read(&shared.load()),
            Pointer::StaticReloadable(shared) => read(&shared.load()),
        }
    }

    /// Keeps the pointer for the rest of the process, so that clones of the service count nothing. Filters that are
    /// replaced are freed all the same.
    #[must_use]
    pub fn leak(self) -> Self {
        Self(match self.0 {
            Pointer::Counted(filter) => {
                let forever: &'static Arc<F> = Box::leak(Box::new(filter));
                Pointer::Static(forever)
            }
            Pointer::Reloadable(shared) => {
                let forever: &'static Arc<ArcSwap<F>> = Box::leak(Box::new(shared));
                Pointer::StaticReloadable(forever)
            }
            leaked @ (Pointer::Static(_) | Pointer::StaticReloadable(_)) => leaked,
        })
    }

    /// The filter of now, if it may be replaced.
    #[inline(always)]
    fn load(&self) -> Option<Guard<Arc<F>>> {
        match &self.0 {
            Pointer::Counted(_) | Pointer::Static(_) => None,
            Pointer::Reloadable(shared) => Some(shared.load()),
            Pointer::StaticReloadable(shared) => Some(shared.load()),
        }
    }

    /// The filter that a request met; `None` for one that may be replaced and was not loaded, of which there is none.
    #[inline(always)]
    fn met<'a>(&'a self, loaded: Option<&'a Arc<F>>) -> Option<&'a F> {
        match (loaded, &self.0) {
            (Some(loaded), _) => Some(loaded),
            (None, Pointer::Counted(filter)) => Some(filter),
            (None, Pointer::Static(filter)) => Some(filter),
            (None, _) => None,
        }
    }
}

impl<F> Reload<F> {
    /// Replaces the filter: every request that begins after the call sees this one.
    pub fn replace(&self, filter: F) {
        self.0.store(Arc::new(filter));
    }
}

impl<F: Filter> Filter for SharedFilter<F> {
    type Kept = SharedKept<F>;
    type Wait = SharedWait<F>;
    type Watch = F::Watch;

    fn response_fields(&self) -> usize {
        self.read(Filter::response_fields)
    }

    #[inline(always)]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        let loaded = self.load();
        let step = match self.met(loaded.as_deref()) {
            Some(filter) => filter.on_request(exchange, request),
            None => self.read(|filter| filter.on_request(exchange, request)),
        };
        with_loaded(loaded, step)
    }

    #[inline(always)]
    fn needs_response(&self, kept: &Self::Kept) -> bool {
        let filter = self.met(kept.loaded.as_deref());
        filter.is_some_and(|filter| filter.needs_response(&kept.kept))
    }

    #[inline(always)]
    fn poll_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: &mut Self::Kept,
        response: &mut Response<B>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let SharedKept { kept, loaded } = kept;
        match self.met(loaded.as_deref()) {
            Some(filter) => filter.poll_response(exchange, kept, response, cx),
            None => Poll::Ready(()),
        }
    }

    #[inline(always)]
    fn on_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: Self::Kept,
        response: &mut Response<B>,
    ) -> Self::Watch {
        let SharedKept { kept, loaded } = kept;
        match self.met(loaded.as_deref()) {
            Some(filter) => filter.on_response(exchange, kept, response),
            None => F::Watch::default(),
        }
    }

    fn on_failure(&self, exchange: &mut Exchange, kept: Self::Kept, failure: Failure) {
        let SharedKept { kept, loaded } = kept;
        if let Some(filter) = self.met(loaded.as_deref()) {
            filter.on_failure(exchange, kept, failure);
        }
    }
}

/// State of one request in a shared filter, and that filter if it may have been replaced since.
#[expect(
    missing_debug_implementations,
    reason = "the state of a filter need not be `Debug`"
)]
pub struct SharedKept<F: Filter> {
    kept: F::Kept,
    loaded: Option<Guard<Arc<F>>>,
}

/// The query of a shared filter, and that filter if it may have been replaced since.
#[expect(
    missing_debug_implementations,
    reason = "the state of a filter need not be `Debug`"
)]
pub struct SharedWait<F: Filter> {
    wait: F::Wait,
    loaded: Option<Arc<F>>,
}

#[inline(always)]
fn with_loaded<F: Filter>(loaded: Option<Guard<Arc<F>>>, step: Step<F>) -> Step<SharedFilter<F>> {
    match step {
        Step::Pass(kept) => Step::Pass(SharedKept { kept, loaded }),
        Step::Answer(answer, kept) => {
            Step::Answer(answer, kept.map(|kept| SharedKept { kept, loaded }))
        }
        // A wait may last: a counted reference holds up no replacement.
        Step::Wait(wait) => Step::Wait(SharedWait {
            wait,
            loaded: loaded.map(Guard::into_inner),
        }),
    }
}

impl<F: Filter> Wait<SharedFilter<F>> for SharedWait<F> {
    fn poll_wait(&mut self, shared: &SharedFilter<F>, cx: &mut Context<'_>) -> Poll<()> {
        match shared.met(self.loaded.as_ref()) {
            Some(filter) => self.wait.poll_wait(filter, cx),
            None => Poll::Pending,
        }
    }

    fn resume<B>(
        self,
        shared: &SharedFilter<F>,
        exchange: &mut Exchange,
        request: &mut Request<B>,
    ) -> Step<SharedFilter<F>> {
        let Self { wait, loaded } = self;
        let step = match shared.met(loaded.as_ref()) {
            Some(filter) => wait.resume(filter, exchange, request),
            None => shared.read(|filter| wait.resume(filter, exchange, request)),
        };
        with_loaded(loaded.map(Guard::from_inner), step)
    }
}

impl<S, F: Filter<Wait: Park<S>>> Park<S> for SharedWait<F> {
    fn park(&self, service: &mut S) -> S {
        self.wait.park(service)
    }
}

impl<F> Clone for SharedFilter<F> {
    #[inline]
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Pointer::Counted(filter) => Pointer::Counted(Arc::clone(filter)),
            Pointer::Static(filter) => Pointer::Static(filter),
            Pointer::Reloadable(shared) => Pointer::Reloadable(Arc::clone(shared)),
            Pointer::StaticReloadable(shared) => Pointer::StaticReloadable(shared),
        })
    }
}

impl<F> Clone for Reload<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for SharedFilter<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedFilter").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Reload<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}
