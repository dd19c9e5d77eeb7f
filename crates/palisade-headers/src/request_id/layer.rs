use std::fmt;
use std::sync::Arc;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{ClientIp, Handle, RequestId, peer_addr};

use super::IdFormat;

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Gives every request an id; see [the rules](crate::request_id).
///
/// Put it outside all layers that log, refuse or call others.
///
/// # Example
///
/// ```
/// use http_body_util::BodyExt;
/// use palisade_headers::RequestIdLayer;
/// use palisade_core::RequestScope;
/// use tower::{Layer, ServiceExt};
///
/// # tokio_test::block_on(async {
/// let service = RequestIdLayer::new().layer(tower::service_fn(|request: http::Request<()>| async move {
///     let id = RequestScope::current(request.extensions()).and_then(RequestScope::request_id).cloned();
///     Ok::<_, std::convert::Infallible>(http::Response::new(id.unwrap().to_string()))
/// }));
/// let request = http::Request::get("/").header("x-request-id", "chosen-by-the-caller").body(())?;
/// let response = service.oneshot(request).await?;
/// let id = response.headers()["x-request-id"].clone();
/// assert_ne!(id, "chosen-by-the-caller");
/// assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), id.as_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct RequestIdLayer(pub(super) Option<Handle<Settings>>);

#[derive(Debug, Clone)]
pub(super) struct Settings {
    trust: Trust,
    /// The header that carries the id.
    pub(super) header: HeaderName,
    generator: Option<Generator>,
    format: IdFormat,
    pub(super) clock: WallClock,
    /// Whether the request carries its id in `X-Request-ID`.
    pub(super) on_request: bool,
}

/// A closure of the user that makes ids.
#[derive(Clone)]
struct Generator(Arc<dyn Fn() -> Option<RequestId> + Send + Sync>);

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Generator")
    }
}

#[derive(Debug, Clone)]
enum Trust {
    Nobody,
    Proxies(ClientIp),
    Everybody,
}

impl RequestIdLayer {
    /// A layer that trusts nobody's id and makes UUIDs of version 7.
    pub fn new() -> Self {
        Self(Some(Handle::new(Settings {
            trust: Trust::Nobody,
            header: X_REQUEST_ID,
            generator: None,
            format: IdFormat::default(),
            clock: WallClock::system(),
            on_request: false,
        })))
    }

    /// Switched off: no scope, no id, every request and response passes as it is.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.0.is_none()
    }

    fn change(self, change: impl FnOnce(&mut Settings)) -> Self {
        Self(self.0.map(|settings| {
            let mut settings = (*settings).clone();
            change(&mut settings);
            Handle::new(settings)
        }))
    }

    /// Accepts the id and the trace of peers that are proxies by this setting, such as a gateway in front that makes the
    /// ids.
    pub fn trust_proxies(self, proxies: ClientIp) -> Self {
        self.change(|settings| settings.trust = Trust::Proxies(proxies))
    }

    /// Accepts the id and the trace of every caller.
    ///
    /// # Security
    ///
    /// Right only where no outsider can send a request, or where the proxy in front overwrites both headers. A caller
    /// who chooses ids can make one request look like another in every log.
    pub fn trust_callers(self) -> Self {
        self.change(|settings| settings.trust = Trust::Everybody)
    }

    /// Sets how fresh ids are made; default [`IdFormat::UuidV7`].
    pub fn format(self, format: IdFormat) -> Self {
        self.change(|settings| settings.format = format)
    }

    /// Makes fresh ids by a closure, such as one for ULIDs or ids of a tracer. Where it returns `None`, one of the
    /// [`format`](Self::format) is made.
    ///
    /// It runs for every request and must not block. Ids that can be guessed say how many requests there were.
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// use palisade_core::RequestId;
    /// use palisade_headers::RequestIdLayer;
    ///
    /// let next = AtomicU64::new(0);
    /// let layer = RequestIdLayer::new().generator(move || {
    ///     RequestId::new(&format!("eu-1.{}", next.fetch_add(1, Ordering::Relaxed))).ok()
    /// });
    /// # drop(layer);
    /// ```
    pub fn generator(
        self,
        generate: impl Fn() -> Option<RequestId> + Send + Sync + 'static,
    ) -> Self {
        self.change(|settings| settings.generator = Some(Generator(Arc::new(generate))))
    }

    /// Sets the header that carries the id: it is read from there under trust, else from `X-Correlation-ID`, and written
    /// there on the response; default `X-Request-ID`.
    ///
    /// A client side has it by [`PropagateRequestIdLayer::header`](crate::PropagateRequestIdLayer::header), and pages of
    /// other origins read it once CORS [exposes](crate::CorsBuilder::expose) it.
    pub fn header(self, name: HeaderName) -> Self {
        self.change(|settings| settings.header = name)
    }

    /// Puts the id into `X-Request-ID`, or what [`header`](Self::header) names, of the request too, for what reads it there, such as a span of tower-http or an
    /// upstream that requests are forwarded to. Default not: our layers find it in the scope, and a header more costs
    /// memory.
    pub fn write_to_request(self) -> Self {
        self.change(|settings| settings.on_request = true)
    }

    /// Replaces the clock that a UUID's time comes from; for tests.
    pub fn clock(self, clock: WallClock) -> Self {
        self.change(|settings| settings.clock = clock)
    }

    /// Keeps the settings for the rest of the process; see [`Handle::leak`].
    pub fn leak(self) -> Self {
        Self(self.0.map(Handle::leak))
    }
}

impl Settings {
    /// A fresh id of this time, or none while the operating system gives no random bytes.
    #[inline]
    pub(super) fn make(&self, now: UnixTime) -> Option<RequestId> {
        let own = self.generator.as_ref().and_then(|Generator(make)| make());
        own.or_else(|| self.format.make(now))
    }

    /// The caller's id, if it sent one that may be an id.
    pub(super) fn sent_id(&self, headers: &HeaderMap) -> Option<RequestId> {
        [&self.header, &X_CORRELATION_ID]
            .into_iter()
            .find_map(|name| RequestId::from_header(only(headers, name)?).ok())
    }

    #[inline]
    pub(super) fn trusts(&self, extensions: &Extensions) -> bool {
        match &self.trust {
            Trust::Nobody => false,
            Trust::Everybody => true,
            Trust::Proxies(proxies) => {
                peer_addr(extensions).is_some_and(|peer| proxies.trusts(peer.ip()))
            }
        }
    }
}

/// The value of a header that is there once. One that is there twice is none: there is no telling who believes which.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

impl Default for RequestIdLayer {
    fn default() -> Self {
        Self::new()
    }
}
