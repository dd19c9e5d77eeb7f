use std::task::{Context, Poll};

use tower_service::Service;

/// Gives back what a service has reserved for a call that is not made, such as a place under a concurrency limit.
///
/// A service that is `Clone` does so by a clone taking its place, because a clone has reserved nothing. One that is not goes
/// into a [`KeepReserved`].
pub trait Release {
    /// Gives back what is reserved, if it can be.
    fn release(&mut self);
}

impl<S: Clone> Release for S {
    #[inline]
    fn release(&mut self) {
        *self = self.clone();
    }
}

/// A service that cannot be cloned, such as one around a connection of hyper's over HTTP/1, for a breaker to guard.
///
/// When a call is refused after this service was polled ready, it keeps what it reserved until a later call. That matters
/// only where others wait for the same, as under a shared concurrency limit.
///
/// # Example
///
/// ```
/// use palisade_breaker::{BreakerLayer, KeepReserved};
/// use tower::util::BoxService;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let not_clone = BoxService::new(service_fn(|word: &'static str| async move { Ok::<_, std::io::Error>(word.len()) }));
/// let guarded = BreakerLayer::new("lengths").layer(KeepReserved::new(not_clone));
/// assert_eq!(guarded.oneshot("five!").await?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct KeepReserved<S>(S);

impl<S> KeepReserved<S> {
    /// Wraps a service.
    pub const fn new(service: S) -> Self {
        Self(service)
    }

    /// The service.
    pub const fn get_ref(&self) -> &S {
        &self.0
    }

    /// The service, unwrapped.
    pub fn into_inner(self) -> S {
        self.0
    }
}

impl<S> Release for KeepReserved<S> {
    #[inline]
    fn release(&mut self) {}
}

impl<S: Service<Req>, Req> Service<Req> for KeepReserved<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> S::Future {
        self.0.call(request)
    }
}
