use palisade_core::Handle;

use crate::limiter::RateLimiter;
use crate::limits::Limits;

/// Limits how often each key may call a service.
///
/// Counts live in the layer: its clones, and every service that it makes, count together. See the
/// [crate's documentation](crate) for the two places where it stands.
///
/// Twice in one stack it charges every request twice. Within a request scope a warning in the log says so once.
#[derive(Debug, Clone)]
pub struct RateLimitLayer(pub(crate) Option<Handle<Limits>>);

impl RateLimitLayer {
    pub(crate) const fn new(limits: Handle<Limits>) -> Self {
        Self(Some(limits))
    }

    /// A layer that limits nothing, as fast as if it were not there.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// The layer's policies without HTTP, with the same counts. One that is off has no policies.
    ///
    /// A limiter of a layer that is off refuses every check as [`UnknownPolicy`](crate::Outcome::UnknownPolicy).
    #[must_use]
    pub fn limiter(&self) -> RateLimiter {
        RateLimiter(self.0.clone())
    }

    /// Keeps the layer for the rest of the process, so that clones of its services count nothing; see
    /// [`Handle::leak`]. Call it once, at start-up.
    #[must_use]
    pub fn leak(self) -> Self {
        Self(self.0.map(Handle::leak))
    }
}
