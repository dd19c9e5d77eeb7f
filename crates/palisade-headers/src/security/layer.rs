use http::{HeaderName, HeaderValue, header};
use palisade_core::Handle;

use super::policy::{Policy, Settings};
use super::prepared::Prepared;
use super::preset::{
    self, EMBEDDER_POLICY, OPENER_POLICY, ORIGIN_AGENT_CLUSTER, PERMISSIONS_POLICY, RESOURCE_POLICY,
};
use super::{
    AnswerErrors, Csp, EmbedderPolicy, FrameOptions, Hsts, HstsWhen, Merge, NoStore, OpenerPolicy,
    PassErrors, PermissionsPolicy, ReferrerPolicy, ReportingEndpoints, ResourcePolicy,
    XssProtection,
};

/// Puts security headers on every response.
///
/// Begin with a preset, or with [`none`](SecurityHeadersLayer::none), and change what differs. A later call for the
/// same header replaces an earlier one.
///
/// # Example
///
/// ```
/// use palisade_headers::SecurityHeadersLayer;
/// use tower::{Layer, ServiceExt};
///
/// # tokio_test::block_on(async {
/// let service = SecurityHeadersLayer::api().layer(tower::service_fn(|_: http::Request<()>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(String::from("hello")))
/// }));
/// let response = service.oneshot(http::Request::new(())).await.unwrap();
/// assert_eq!(response.headers()["x-content-type-options"], "nosniff");
/// assert_eq!(response.headers()["x-xss-protection"], "0");
/// # });
/// ```
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct SecurityHeadersLayer<M = PassErrors> {
    pub(super) policy: Option<Handle<Policy>>,
    pub(super) on_error: M,
}

/// The presets. `docs/guides/which-preset.md` says which is for whom, and what each header does.
impl SecurityHeadersLayer {
    /// For services that answer programs: nothing of the response may be run, framed or embedded.
    ///
    /// `X-Frame-Options: DENY`, `X-Content-Type-Options: nosniff`, `Strict-Transport-Security` of a year with
    /// subdomains, `Content-Security-Policy: default-src 'none'; frame-ancestors 'none'`, `Referrer-Policy:
    /// no-referrer`, `Cross-Origin-Resource-Policy: same-origin` and `X-XSS-Protection: 0`.
    pub fn api() -> Self {
        Self::of(preset::api())
    }

    /// For services that answer people: scripts and styles run if they carry the response's
    /// [`CspNonce`](crate::CspNonce), and scripts may load others.
    ///
    /// As [`api`](Self::api), with a policy for pages, `Referrer-Policy: same-origin`, `Cross-Origin-Opener-Policy:
    /// same-origin`, `Origin-Agent-Cluster: ?1`, and a `Permissions-Policy` that switches off sensors, capture, payment
    /// and devices.
    pub fn page() -> Self {
        Self::of(preset::page())
    }

    /// The list of the OWASP Secure Headers Project, as published on 2026-09-13 (`ci/headers_add.json` and
    /// `ci/headers_remove.json`), with the headers that it strips.
    ///
    /// `Clear-Site-Data` is left out: the project itself proposes it for the answer to a sign-out, and on every response
    /// it would end every session. Send it there through
    /// [`HeaderOverrides::clear_site_data`](crate::HeaderOverrides::clear_site_data). Its `Cache-Control: no-store,
    /// max-age=0` gives up caching.
    pub fn owasp() -> Self {
        Self::of(preset::owasp())
    }

    /// The set that checklists of the last decade name: `DENY`, `nosniff`, `1; mode=block`, HSTS, `default-src 'self'`
    /// and `strict-origin-when-cross-origin`.
    ///
    /// # Security
    ///
    /// `X-XSS-Protection: 1; mode=block` does harm in the few browsers that still know it; see [`XssProtection`].
    pub fn classic() -> Self {
        Self::of(preset::classic())
    }

    /// The set that configurations of nginx commonly carry, to take over what a reverse proxy did.
    ///
    /// # Security
    ///
    /// **The weakest preset.** Its policy allows inline scripts, `eval` and every host, so it stops no injection, and it
    /// sends no HSTS. Move on to [`page`](Self::page).
    pub fn reverse_proxy() -> Self {
        Self::of(preset::reverse_proxy())
    }

    /// No header yet.
    pub fn none() -> Self {
        Self::of(Settings::default())
    }

    /// Switched off: every response stays as it is. Setters change nothing about that.
    pub const fn off() -> Self {
        Self {
            policy: None,
            on_error: PassErrors,
        }
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.policy.is_none()
    }

    fn of(settings: Settings) -> Self {
        Self {
            policy: Some(Handle::new(Policy::new(settings))),
            on_error: PassErrors,
        }
    }
}

impl<M> SecurityHeadersLayer<M> {
    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        if let Some(policy) = &self.policy {
            let mut settings = policy.settings.clone();
            change(&mut settings);
            self.policy = Some(Handle::new(Policy::new(settings)));
        }
        self
    }

    /// Sends a header with this value. The way for all that has no setter of its own.
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.change(|settings| settings.set(name, value))
    }

    /// Does not send this header.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "setters take names as `header` does"
    )]
    pub fn without(self, name: HeaderName) -> Self {
        self.change(|settings| settings.remove(&name))
    }

    /// Sets how this header merges with that of the handler; default [`Merge::IfAbsent`].
    pub fn merge(self, name: HeaderName, merge: Merge) -> Self {
        self.change(|settings| settings.merges.push((name, merge)))
    }

    /// Removes these headers from what handlers answer; [`FINGERPRINTS`](super::FINGERPRINTS) is a list to begin with.
    pub fn strip(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.change(|settings| settings.strip.extend(names))
    }

    /// Sets `X-Frame-Options`.
    pub fn frame_options(self, who: FrameOptions) -> Self {
        self.header(header::X_FRAME_OPTIONS, who.into())
    }

    /// Sets `X-XSS-Protection`; default `0`, for the reason that [`XssProtection`] gives.
    pub fn xss_protection(self, mode: XssProtection) -> Self {
        match mode.as_str() {
            Some(value) => self.header(header::X_XSS_PROTECTION, HeaderValue::from_static(value)),
            None => self.without(header::X_XSS_PROTECTION),
        }
    }

    /// Sets `Referrer-Policy`.
    pub fn referrer_policy(self, policy: ReferrerPolicy) -> Self {
        self.header(header::REFERRER_POLICY, policy.into())
    }

    /// Sets `Referrer-Policy` to a list, of which a browser takes the last that it knows (W3C Referrer Policy,
    /// section 8.1): the fallback first. An empty list sends none.
    pub fn referrer_policies(self, policies: impl IntoIterator<Item = ReferrerPolicy>) -> Self {
        let words: Vec<_> = policies.into_iter().map(ReferrerPolicy::as_str).collect();
        match HeaderValue::from_str(&words.join(", ")) {
            Ok(value) if !words.is_empty() => self.header(header::REFERRER_POLICY, value),
            _ => self.without(header::REFERRER_POLICY),
        }
    }

    /// Sets `Strict-Transport-Security`.
    #[allow(clippy::needless_pass_by_value, reason = "as every setter")]
    pub fn hsts(self, hsts: Hsts) -> Self {
        self.header(header::STRICT_TRANSPORT_SECURITY, hsts.value())
    }

    /// Sets on which responses `Strict-Transport-Security` is sent; default all.
    pub fn hsts_when(self, when: HstsWhen) -> Self {
        self.change(|settings| settings.hsts_when = when)
    }

    /// Sets `Content-Security-Policy`.
    pub fn csp(self, policy: &Csp) -> Self {
        self.change(|settings| settings.set_policy(Prepared::enforced(policy)))
    }

    /// Sets `Content-Security-Policy-Report-Only`: what it forbids is reported and still happens. It stands beside the
    /// enforced policy, so that a stricter one can be tried.
    pub fn csp_report_only(self, policy: &Csp) -> Self {
        self.change(|settings| settings.set_policy(Prepared::reported(policy)))
    }

    /// Sets `Reporting-Endpoints`, whose names [`Csp::report_to`] uses.
    pub fn reporting_endpoints(self, endpoints: &ReportingEndpoints) -> Self {
        self.header(
            HeaderName::from_static("reporting-endpoints"),
            endpoints.value(),
        )
    }

    /// Sets `Permissions-Policy`.
    pub fn permissions_policy(self, policy: &PermissionsPolicy) -> Self {
        self.header(PERMISSIONS_POLICY, policy.value())
    }

    /// Sets `Cross-Origin-Opener-Policy`.
    pub fn opener_policy(self, policy: OpenerPolicy) -> Self {
        self.header(OPENER_POLICY, policy.into())
    }

    /// Sets `Cross-Origin-Embedder-Policy`.
    pub fn embedder_policy(self, policy: EmbedderPolicy) -> Self {
        self.header(EMBEDDER_POLICY, policy.into())
    }

    /// Sets `Cross-Origin-Resource-Policy`.
    pub fn resource_policy(self, policy: ResourcePolicy) -> Self {
        self.header(RESOURCE_POLICY, policy.into())
    }

    /// Sends `Origin-Agent-Cluster: ?1`: the browser may give the origin a process of its own (HTML, section 7.1.2).
    pub fn origin_agent_cluster(self) -> Self {
        self.header(ORIGIN_AGENT_CLUSTER, HeaderValue::from_static("?1"))
    }

    /// Sets which responses stay out of every cache; default none.
    pub fn no_store(self, which: NoStore) -> Self {
        self.change(|settings| settings.no_store = which)
    }

    /// Answers an error of the inner service with a response, which then gets the headers as well.
    ///
    /// Without it errors pass through unchanged. The closure answers the same kind of response as the service.
    pub fn with_error_response<F>(self, answer: F) -> SecurityHeadersLayer<AnswerErrors<F>> {
        SecurityHeadersLayer {
            policy: self.policy,
            on_error: AnswerErrors(answer),
        }
    }

    /// Keeps the headers for the rest of the process, so that a response copies them without counting; see
    /// [`Handle::leak`].
    pub fn leak(mut self) -> Self {
        self.policy = self
            .policy
            .map(|policy| Handle::new((*policy).clone().leak()).leak());
        self
    }
}
