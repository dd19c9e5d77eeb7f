use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue, Request, header};
use palisade_core::filter::{Exchange, Filter, Filtered, Park, Step, Wait};
use tower_layer::Layer;

use crate::origin::{LookedUp, is_written};

type Answer = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Asks an async closure whether an origin is allowed, such as one that reads a database. It stands outside of a
/// [`CorsLayer`](crate::CorsLayer) that was built with [`CorsBuilder::origins_by_lookup`](crate::CorsBuilder::origins_by_lookup),
/// and of its guard.
///
/// The closure is asked on every request with one `Origin` that is written as browsers write it, unless
/// `Sec-Fetch-Site` says `same-origin`. It allocates then. Where a set of origins fits into memory, prefer
/// [`CorsBuilder::origins_by`](crate::CorsBuilder::origins_by) and a task that keeps the set up to date.
///
/// The request waits for the answer: bound it by a timeout, keep answers for a while, and answer `false` where the
/// database is down. A request that is dropped drops the closure's future.
///
/// # Example
///
/// ```
/// use palisade_headers::{CorsLayer, OriginLookupLayer};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # tokio_test::block_on(async {
/// async fn is_customer(origin: String) -> bool {
///     origin == "https://shop.example"
/// }
///
/// let service = ServiceBuilder::new()
///     .layer(OriginLookupLayer::new(is_customer))
///     .layer(CorsLayer::builder().origins_by_lookup().try_build()?)
///     .service_fn(|_: http::Request<()>| async {
///         Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
///     });
/// let request = http::Request::get("/").header("origin", "https://shop.example").body(())?;
/// let response = service.oneshot(request).await?;
/// assert_eq!(response.headers()["access-control-allow-origin"], "https://shop.example");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct OriginLookupLayer(Option<Arc<dyn Fn(String) -> Answer + Send + Sync>>);

/// The service made by [`OriginLookupLayer`].
pub type OriginLookup<S> = Filtered<S, OriginLookupLayer>;

impl OriginLookupLayer {
    /// A layer that asks this closure.
    pub fn new<F, A>(allows: F) -> Self
    where
        F: Fn(String) -> A + Send + Sync + 'static,
        A: Future<Output = bool> + Send + 'static,
    {
        Self(Some(Arc::new(move |origin| Box::pin(allows(origin)))))
    }

    /// Switched off: nothing is asked, and no origin is allowed by a lookup.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// Does nothing: a request with an origin allocates anyway. It is here so that every layer has it.
    pub fn leak(self) -> Self {
        self
    }
}

impl fmt::Debug for OriginLookupLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OriginLookupLayer")
            .field("off", &self.is_off())
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for OriginLookupLayer {
    type Service = OriginLookup<S>;

    fn layer(&self, inner: S) -> OriginLookup<S> {
        Filtered::new(inner, self.clone())
    }
}

impl Filter for OriginLookupLayer {
    type Kept = ();
    type Wait = OriginQuery;
    type Watch = ();

    #[inline]
    fn on_request<B>(&self, _: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        let Some(allows) = &self.0 else {
            return Step::Pass(());
        };
        // What a layer further out has found is about its own policy.
        request.extensions_mut().remove::<LookedUp>();
        match foreign_origin(request.headers()) {
            Some((origin, text)) => Step::Wait(OriginQuery {
                answer: allows(text.to_owned()),
                origin: origin.clone(),
                allowed: false,
            }),
            None => Step::Pass(()),
        }
    }

    #[inline]
    fn needs_response(&self, (): &()) -> bool {
        false
    }
}

/// The one origin of a request, if it is written as browsers write it and is not known to be the service's own.
fn foreign_origin(headers: &HeaderMap) -> Option<(&HeaderValue, &str)> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (origin, None) = (origins.next()?, origins.next()) else {
        return None;
    };
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if sites.next().is_some_and(|site| site == "same-origin") && sites.next().is_none() {
        return None;
    }
    let text = std::str::from_utf8(origin.as_bytes()).ok()?;
    is_written(text).then_some((origin, text))
}

/// A pending query of an [`OriginLookupLayer`].
#[expect(
    missing_debug_implementations,
    reason = "the state of a filter need not be `Debug`"
)]
pub struct OriginQuery {
    answer: Answer,
    origin: HeaderValue,
    allowed: bool,
}

impl Wait<OriginLookupLayer> for OriginQuery {
    fn poll_wait(&mut self, _: &OriginLookupLayer, cx: &mut Context<'_>) -> Poll<()> {
        self.answer.as_mut().poll(cx).map(|allowed| {
            self.allowed = allowed;
        })
    }

    fn resume<B>(
        self,
        _: &OriginLookupLayer,
        _: &mut Exchange,
        request: &mut Request<B>,
    ) -> Step<OriginLookupLayer> {
        if self.allowed {
            request.extensions_mut().insert(LookedUp(self.origin));
        }
        Step::Pass(())
    }
}

impl<S: Clone> Park<S> for OriginQuery {
    fn park(&self, service: &mut S) -> S {
        let clone = service.clone();
        std::mem::replace(service, clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_says_whether_it_is_off() {
        let shown = |layer: OriginLookupLayer| format!("{layer:?}");
        assert_eq!(
            shown(OriginLookupLayer::off()),
            "OriginLookupLayer { off: true, .. }"
        );
        let asks = OriginLookupLayer::new(|_| async { true });
        assert_eq!(shown(asks), "OriginLookupLayer { off: false, .. }");
    }
}
