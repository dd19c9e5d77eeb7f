use palisade_core::Handle;

use super::policy::{Allowed, Policy};
use crate::origin::Origins;

/// Allows pages of other origins to read the responses of a service.
///
/// # Example
///
/// ```
/// use http::Method;
/// use palisade_headers::CorsLayer;
/// use tower::{Layer, ServiceExt};
///
/// # tokio_test::block_on(async {
/// let cors = CorsLayer::builder()
///     .origins(["https://app.example", "https://*.tenant.example"])
///     .methods([Method::GET, Method::POST])
///     .headers(["authorization", "content-type"])
///     .credentials(true)
///     .try_build()?;
/// let service = cors.layer(tower::service_fn(|_: http::Request<()>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
/// }));
///
/// let preflight = http::Request::options("/")
///     .header("origin", "https://a.tenant.example")
///     .header("access-control-request-method", "POST")
///     .body(())?;
/// let response = service.oneshot(preflight).await?;
/// assert_eq!(response.status(), 204);
/// assert_eq!(response.headers()["access-control-allow-origin"], "https://a.tenant.example");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct CorsLayer(pub(super) Option<Handle<Policy>>);

impl CorsLayer {
    /// Switched off: every request and response passes as it is.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn of(policy: Policy) -> Self {
        Self(Some(Handle::new(policy)))
    }

    /// The origins that may read, unless everybody may or the layer is off.
    pub(crate) fn listed_origins(&self) -> Option<&Origins> {
        match &self.0.as_ref()?.allowed {
            Allowed::Listed(origins) => Some(origins),
            Allowed::Everybody => None,
        }
    }

    /// Whether every origin may read.
    pub(crate) fn is_for_everybody(&self) -> bool {
        let policy = self.0.as_ref();
        policy.is_some_and(|policy| matches!(policy.allowed, Allowed::Everybody))
    }

    /// Keeps the policy for the rest of the process, so that a response copies its headers without counting; see
    /// [`Handle::leak`].
    pub fn leak(self) -> Self {
        Self(
            self.0
                .map(|policy| Handle::new((*policy).clone().leak()).leak()),
        )
    }
}
