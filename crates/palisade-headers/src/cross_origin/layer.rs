use palisade_core::{Handle, Problems};

use super::check::Rules;
use super::pattern::Pattern;
use crate::origin::OriginPattern;
use crate::{CorsLayer, HeadersError};

/// Refuses requests with effects, and WebSockets, that pages of other origins make.
///
/// See [the rules](crate::cross_origin). For services that know their visitors by a cookie; a caller that proves itself
/// by a header that only its own code can set passes, because there is nothing to forge.
///
/// # Example
///
/// ```
/// use palisade_headers::CrossOriginGuardLayer;
/// use tower::{Layer, ServiceExt};
///
/// # tokio_test::block_on(async {
/// let guard = CrossOriginGuardLayer::new()
///     .add_trusted_origin("https://admin.example")?
///     .add_insecure_bypass("POST /webhooks/{provider}")?;
/// let service = guard.layer(tower::service_fn(|_: http::Request<()>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
/// }));
///
/// let forged = http::Request::post("/transfer").header("sec-fetch-site", "cross-site").body(())?;
/// assert_eq!(service.oneshot(forged).await?.status(), 403);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct CrossOriginGuardLayer(pub(super) Option<Handle<Rules>>);

impl CrossOriginGuardLayer {
    /// A guard that trusts the origin of the service alone.
    pub fn new() -> Self {
        Self::of(Rules::default())
    }

    /// Switched off: every request passes.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.0.is_none()
    }

    fn of(rules: Rules) -> Self {
        Self(Some(Handle::new(rules)))
    }

    fn change(self, change: impl FnOnce(&mut Rules)) -> Self {
        let Some(rules) = &self.0 else {
            return self;
        };
        let mut rules = (**rules).clone();
        change(&mut rules);
        Self::of(rules)
    }

    /// Lets pages of this origin make requests with effects: `https://admin.example`, or `https://*.example.com`.
    ///
    /// # Errors
    ///
    /// Says why the text is not an origin; see [`CorsBuilder::origins`](crate::CorsBuilder::origins).
    pub fn add_trusted_origin(self, origin: &str) -> Result<Self, HeadersError> {
        let pattern = OriginPattern::parse(origin)
            .map_err(|reason| problem("trusted origin", origin, reason))?;
        Ok(self.change(|rules| rules.trusted.add(&pattern)))
    }

    /// Trusts what a CORS policy allows, so that no preflight promises what is refused here. A `Stack` with both layers
    /// does so by itself.
    ///
    /// Of a policy that lists origins, those are trusted. Under a policy for everybody, which never comes with
    /// credentials, calls without credentials pass: no cookie, no `Authorization`, and by `Sec-Fetch-Mode` no form and no
    /// link.
    pub fn trust_cors(self, cors: &CorsLayer) -> Self {
        if let Some(origins) = cors.listed_origins() {
            return self.change(|rules| rules.trusted.extend(origins));
        }
        match cors.is_for_everybody() {
            true => self.change(|rules| rules.open = true),
            false => self,
        }
    }

    /// Lets every request pass that matches a pattern of Go's `http.ServeMux`: `[METHOD ][HOST]/[PATH]`, with `{name}`
    /// for one segment, `{name...}` or a `/` at the end for all that follows, and `{$}` for the end.
    ///
    /// # Security
    ///
    /// A handler behind a bypass must prove its caller by other means, such as the signature of a webhook. A path with
    /// `..`, empty segments, backslashes or `%` in it never matches, because the router might read it differently.
    ///
    /// # Errors
    ///
    /// Says why the text is not a pattern.
    pub fn add_insecure_bypass(self, pattern: &str) -> Result<Self, HeadersError> {
        let parsed =
            Pattern::parse(pattern).map_err(|reason| problem("bypass", pattern, reason))?;
        Ok(self.change(|rules| rules.bypasses.push(parsed)))
    }

    /// Keeps the rules for the rest of the process; see [`Handle::leak`].
    pub fn leak(self) -> Self {
        Self(self.0.map(Handle::leak))
    }
}

fn problem(what: &str, text: &str, reason: &str) -> HeadersError {
    HeadersError::CrossOrigin(Problems::one(format!("{what} {text:?}"), reason))
}

impl Default for CrossOriginGuardLayer {
    fn default() -> Self {
        Self::new()
    }
}
