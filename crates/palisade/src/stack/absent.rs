use std::convert::Infallible;

use http::Request;
use palisade_core::filter::{Exchange, Filter, Step};

/// A layer whose feature is off.
#[derive(Debug, Clone)]
pub struct Absent;

impl Absent {
    pub(super) const fn off() -> Self {
        Self
    }

    #[cfg(not(feature = "crypto"))]
    pub(super) const fn by_request() -> Self {
        Self
    }

    pub(super) const fn leak(self) -> Self {
        self
    }

    pub(super) const fn is_off(&self) -> bool {
        true
    }
}

impl<S> tower_layer::Layer<S> for Absent {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}

impl Filter for Absent {
    type Kept = ();
    type Wait = Infallible;
    type Watch = ();

    #[inline(always)]
    fn on_request<B>(&self, _: &mut Exchange, _: &mut Request<B>) -> Step<Self> {
        Step::Pass(())
    }

    #[inline(always)]
    fn needs_response(&self, (): &()) -> bool {
        false
    }
}
