use std::fmt;

use super::filter::{self, Filters};
use super::{Source, Stack};

/// Replaces a running [`Stack`], between two requests and without a restart; made by [`Stack::reloadable`].
///
/// A request keeps the stack with which it began until the head of its response is made. Counts, trails, caches, key sets
/// and breakers live on where the new stack shares them with the old one: layers are clones of each other's state, and
/// stores and trails are passed to both.
#[derive(Clone)]
pub struct Reload(pub(super) palisade_core::filter::Reload<Filters>);

impl Stack {
    /// A stack that can be replaced as a whole while it runs, and what replaces it.
    ///
    /// Call it last: a setter of the stack that it returns makes another stack, which nothing replaces.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade::{ClientIp, Stack};
    /// use tower::Layer;
    /// # let router = tower::service_fn(|_: http::Request<()>| async {
    /// #     Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
    /// # });
    ///
    /// let (stack, reload) = Stack::new().reloadable();
    /// let service = stack.leak().layer(router);
    /// // Later, say on SIGHUP: every request that begins from here on meets the new stack.
    /// reload.replace(Stack::new().client_ip(ClientIp::trusting(["10.0.0.0/8"])?));
    /// # drop(service);
    /// # Ok::<(), palisade::ClientIpError>(())
    /// ```
    #[must_use = "nothing can be replaced without the second of the two"]
    pub fn reloadable(self) -> (Self, Reload) {
        let (current, reload) = filter::reloadable(self.into_layers());
        (Self(Source::Built(current)), Reload(reload))
    }
}

impl Reload {
    /// Replaces the stack: every request that begins after the call meets this one.
    ///
    /// A rate limit's policy of the same name on the same store goes on counting. Where the new stack gives it other
    /// numbers its layer is built with `RateLimitBuilder::replacing`, which says for which changes counts go on; other
    /// numbers without it are refused when the layer is built. The new layer must be built while the old one is in use,
    /// since counts are freed with the last layer that has them.
    ///
    /// The old one is freed when the last of its requests has its response. Layers that were
    /// [leaked](Stack::leak) one by one are not.
    pub fn replace(&self, stack: Stack) {
        self.0.replace(Filters::of(stack.into_layers()));
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}
