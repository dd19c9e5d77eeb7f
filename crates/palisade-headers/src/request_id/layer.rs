use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use palisade_core::time::WallClock;
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
    pub(super) format: IdFormat,
    pub(super) clock: WallClock,
    /// Whether the request carries its id in `X-Request-ID`.
    pub(super) on_request: bool,
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

    /// Puts the id into `X-Request-ID` of the request too, for what reads it there, such as a span of tower-http or an
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

/// The caller's id, if it sent one that may be an id.
pub(super) fn sent_id(headers: &HeaderMap) -> Option<RequestId> {
    [X_REQUEST_ID, X_CORRELATION_ID]
        .iter()
        .find_map(|name| RequestId::from_header(only(headers, name)?).ok())
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
