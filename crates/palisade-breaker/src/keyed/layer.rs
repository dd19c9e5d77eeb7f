use std::fmt;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use palisade_core::Handle;
use tower_layer::Layer;
use tower_service::Service;

use super::key::ExtractKey;
use super::store::Store;
use crate::future::ResponseFuture;
use crate::permit::Permit;
use crate::{
    BreakerHandle, BreakerLayer, Classify, ErrorsFail, FailWhenOpen, Refuse, Release, State,
};

/// Puts a breaker of its own around the calls of each key, such as each host that a client talks to.
///
/// Made by [`BreakerLayer::keyed`]. All breakers bear the name and the settings of that layer.
///
/// At most so many keys are remembered as [`most_keys`](Self::most_keys) says. A new one takes the place of a breaker
/// that is closed, has no failures and no call in flight: forgetting that changes nothing. The same holds for one whose
/// open time ended so long ago, without a call since, that a failure of then would no longer count. While there is
/// neither, a call with a new key passes unguarded, because keys that others bring into trouble must not shut a server
/// out that is well; it is counted and told as [`BreakerEvent::Unguarded`](crate::BreakerEvent::Unguarded).
///
/// A key longer than 259 bytes, the longest host name with a port, is cut to that, and its SHA-256 in hex stands in the
/// place of the rest: in events, in what is shared, and in [`KeyedHandle::not_closed`].
///
/// The guarded service is polled ready before the key is known, even if its breaker turns out to be open; a clone then
/// takes its place, so that what it reserved, such as a place under a concurrency limit, is free again. One that cannot be
/// cloned goes into a [`KeepReserved`](crate::KeepReserved).
///
/// # Example
///
/// ```
/// use http::{Request, Response};
/// use palisade_breaker::{BreakerLayer, ByAuthority, State};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let layer = BreakerLayer::http("outbound").failure_threshold(1).keyed(ByAuthority::new());
/// let client = layer.layer(service_fn(|request: Request<String>| async move {
///     let status = if request.uri().host() == Some("down.example") { 503 } else { 200 };
///     Response::builder().status(status).body(String::new())
/// }));
/// let get = |uri: &str| client.clone().oneshot(Request::get(uri).body(String::new()).unwrap());
///
/// assert_eq!(get("http://down.example/").await?.status(), 503);
/// assert!(get("http://down.example/").await.is_err(), "its breaker is open");
/// assert_eq!(get("http://well.example/").await?.status(), 200);
/// assert_eq!(layer.handle().not_closed(), [("down.example:80".to_owned(), State::Open)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KeyedBreakerLayer<K, C = ErrorsFail, A = FailWhenOpen> {
    store: Handle<Store>,
    key: K,
    classify: C,
    refuse: A,
}

/// More hosts than nearly any client talks to, in some 5 MB.
const MOST_KEYS: usize = 10_000;

impl<C, A> BreakerLayer<C, A> {
    /// Makes of this breaker one for each key; see [`KeyedBreakerLayer`]. Set everything before: the breakers are new,
    /// and the one of this layer's own handle is not among them.
    #[must_use]
    pub fn keyed<K>(self, key: K) -> KeyedBreakerLayer<K, C, A> {
        let mut setup = (*self.shared.setup).clone();
        // A key that nobody has called yet is not in trouble.
        setup.begins_open = false;
        KeyedBreakerLayer {
            store: Handle::new(Store::new(setup, MOST_KEYS)),
            key,
            classify: self.classify,
            refuse: self.refuse,
        }
    }
}

impl<K, C, A> KeyedBreakerLayer<K, C, A> {
    /// Sets the number of keys that are remembered at most, about; default 10,000, at least 1.
    #[must_use]
    pub fn most_keys(mut self, keys: usize) -> Self {
        self.store = Handle::new(Store::new(self.store.setup().clone(), keys));
        self
    }

    /// Returns a handle to the breakers.
    #[must_use]
    pub fn handle(&self) -> KeyedHandle {
        KeyedHandle(self.store.clone())
    }

    /// Keeps the breakers for the rest of the process, so that clones no longer count; see [`Handle::leak`]. Last of
    /// all, at start-up.
    #[must_use]
    pub fn leak(mut self) -> Self {
        self.store = self.store.leak();
        self
    }
}

impl<S, K: Clone, C: Clone, A: Clone> Layer<S> for KeyedBreakerLayer<K, C, A> {
    type Service = KeyedBreaker<S, K, C, A>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedBreaker {
            inner,
            parts: self.clone(),
        }
    }
}

impl<K: fmt::Debug, C: fmt::Debug, A> fmt::Debug for KeyedBreakerLayer<K, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBreakerLayer")
            .field("name", &self.store.setup().name)
            .field("key", &self.key)
            .field("classify", &self.classify)
            .finish_non_exhaustive()
    }
}

/// A view of the breakers of a [`KeyedBreakerLayer`].
#[derive(Clone)]
pub struct KeyedHandle(pub(crate) Handle<Store>);

impl KeyedHandle {
    /// The breaker of this key, if it is remembered.
    #[must_use]
    pub fn breaker(&self, key: &str) -> Option<BreakerHandle> {
        self.0.find(key).map(BreakerHandle)
    }

    /// The breaker of this key, made if it is not remembered, such as one to force open before the first call; `None` where
    /// there is no room for it. It is remembered for as long as somebody holds it, or it stands where nobody would make it
    /// stand by calls.
    #[must_use]
    pub fn breaker_or_new(&self, key: &str) -> Option<BreakerHandle> {
        self.0.place(key).map(BreakerHandle)
    }

    /// Returns the keys whose breakers are not in the state they began in, which is closed unless the layer says otherwise, and
    /// the state they are in.
    #[must_use]
    pub fn not_closed(&self) -> Vec<(String, State)> {
        self.0.not_closed()
    }

    /// Keys that are remembered now.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.0.len()
    }

    /// Keys that made room for others since the layer was made.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.0.evicted.load(Ordering::Relaxed)
    }

    /// Calls that passed unguarded, for want of room, since the layer was made.
    #[must_use]
    pub fn unguarded(&self) -> u64 {
        self.0.unguarded.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for KeyedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedHandle")
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

/// The service made by [`KeyedBreakerLayer`].
#[derive(Clone)]
pub struct KeyedBreaker<S, K, C = ErrorsFail, A = FailWhenOpen> {
    inner: S,
    parts: KeyedBreakerLayer<K, C, A>,
}

impl<S, K, C, A> KeyedBreaker<S, K, C, A> {
    /// The guarded service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, Req, K, C, A> Service<Req> for KeyedBreaker<S, K, C, A>
where
    S: Service<Req> + Release,
    K: ExtractKey<Req>,
    C: Classify<Req, S::Response, S::Error> + Clone,
    A: Refuse<Req, C::Output, S::Error> + Clone,
{
    type Response = A::Output;
    type Error = A::Error;
    type Future = ResponseFuture<S, Req, C, A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), A::Error>> {
        let polled = self.inner.poll_ready(cx);
        polled.map_err(|error| self.parts.refuse.error(error))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let parts = &self.parts;
        let breaker = {
            let key = parts.key.extract(&request);
            parts.store.breaker(key.as_deref())
        };
        match Permit::acquire(&breaker) {
            Ok(permit) => {
                let info = parts.classify.inspect(&request);
                let refuse_info = parts.refuse.inspect(&request);
                ResponseFuture::calling(
                    self.inner.call(request),
                    parts.classify.clone(),
                    info,
                    permit,
                    parts.refuse.clone(),
                    refuse_info,
                )
            }
            Err(rejected) => {
                let refused = parts.refuse.refuse(request, rejected);
                // The one that is ready may hold a place that others wait for.
                self.inner.release();
                ResponseFuture::refused(refused)
            }
        }
    }
}

impl<S: fmt::Debug, K: fmt::Debug, C: fmt::Debug, A> fmt::Debug for KeyedBreaker<S, K, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBreaker")
            .field("parts", &self.parts)
            .field("inner", &self.inner)
            .finish()
    }
}
