use http::Request;

use super::BreakerLayer;
use crate::{Fallback, FallbackService, LastGood, RespondWhenOpen};

/// The classifier, and the answer to refused calls, which change the types of the guarded service.
impl<C, A> BreakerLayer<C, A> {
    /// Judges calls by this classifier. The breaker stays the same.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> BreakerLayer<D, A> {
        BreakerLayer {
            shared: self.shared,
            classify,
            refuse: self.refuse,
        }
    }

    /// Answers a refused call with a response, 503 or gRPC status 14, instead of an error, so that the error type of
    /// the service stays as it is: for servers, and for clients that read errors from responses. The breaker stays the
    /// same.
    #[must_use]
    pub fn respond_when_open(self) -> BreakerLayer<C, RespondWhenOpen> {
        self.refuse_with(RespondWhenOpen)
    }

    /// Answers a refused call by this closure, and leaves the service's error type as it is. The breaker stays the same.
    ///
    /// An answer that a retry around it would try again, such as a 503, ends the retries if the
    /// [`Rejected`](crate::Rejected) stands in its extensions.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_breaker::{BreakerLayer, Rejected};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let layer = BreakerLayer::new("rates").fallback(|_: u32, _: Rejected| Ok("yesterday's rate"));
    /// layer.handle().force_open();
    /// let client = layer.layer(service_fn(|_: u32| async { Ok::<_, std::io::Error>("today's rate") }));
    /// assert_eq!(client.oneshot(7).await?, "yesterday's rate");
    /// # Ok::<(), std::io::Error>(())
    /// # })
    /// # ?; Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Behind a classifier that guards bodies the answer is a `Response<GuardedBody<B>>`; `GuardedBody::from` makes
    /// that of any body.
    #[must_use]
    pub fn fallback<F>(self, answer: F) -> BreakerLayer<C, Fallback<F>> {
        self.refuse_with(Fallback(answer))
    }

    /// Answers a refused call by this service, with its own readiness awaited first. The breaker stays the same.
    #[must_use]
    pub fn fallback_service<F>(self, service: F) -> BreakerLayer<C, FallbackService<F>> {
        self.refuse_with(FallbackService(service))
    }

    /// Answers a refused `GET` with the last good response (200) to a request with the same key, marked by
    /// `Warning: 110` and its `Age`, without the headers of its connection, or else like [`respond_when_open`](Self::respond_when_open). The breaker stays the same.
    ///
    /// `key` tells requests apart, and `None` keeps nothing. At most `entries` responses of at most `cap` bytes are kept,
    /// the oldest making room; none that sets a cookie, that `Cache-Control` calls `no-store` or `private`, or that must
    /// not be shown stale: `no-cache`, `must-revalidate`, `proxy-revalidate`, `s-maxage` (RFC 9111, section 4.2.4).
    ///
    /// Each process keeps its own, in memory, also with `RedisSharing`: an answer of last resort
    /// that waits for a store over the network fails with the network, and bodies of responses would be readable to
    /// whoever reads the store. A process that was just started answers 503 until its first good response. Where that
    /// is too little, [`fallback_service`](Self::fallback_service) takes a service that asks a cache of your own.
    ///
    /// # Security
    ///
    /// Whatever makes two answers differ must be in the key, the caller included where answers are personal. A key that
    /// says too little shows one caller what was meant for another.
    #[must_use]
    pub fn last_good<F, Rq>(
        self,
        entries: usize,
        cap: usize,
        key: F,
    ) -> BreakerLayer<C, LastGood<F>>
    where
        F: Fn(&Request<Rq>) -> Option<String>,
    {
        self.refuse_with(LastGood::new(entries, cap, key))
    }

    /// Answers a refused call by this [`Refuse`](crate::Refuse). The breaker stays the same.
    #[must_use]
    pub fn refuse_with<R>(self, refuse: R) -> BreakerLayer<C, R> {
        BreakerLayer {
            shared: self.shared,
            classify: self.classify,
            refuse,
        }
    }
}
