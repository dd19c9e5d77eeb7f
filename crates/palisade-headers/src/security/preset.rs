//! The sets of headers that a name stands for. Each is written out in `docs/guides/which-preset.md`.

use http::{HeaderName, HeaderValue, header};

use super::policy::Settings;
use super::prepared::Prepared;
use super::{
    Csp, FINGERPRINTS, FrameOptions, Hsts, OpenerPolicy, PermissionsPolicy, ReferrerPolicy,
    ResourcePolicy, Scheme, Source,
};

pub(super) const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
pub(super) const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
pub(super) const EMBEDDER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-embedder-policy");
pub(super) const RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
pub(super) const ORIGIN_AGENT_CLUSTER: HeaderName = HeaderName::from_static("origin-agent-cluster");

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const XSS_OFF: HeaderValue = HeaderValue::from_static("0");
const XSS_BLOCK: HeaderValue = HeaderValue::from_static("1; mode=block");

pub(super) fn api() -> Settings {
    let mut settings = Settings::default();
    settings.set(header::X_FRAME_OPTIONS, FrameOptions::Deny.into());
    settings.set(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    settings.set(header::STRICT_TRANSPORT_SECURITY, Hsts::default().value());
    settings.set_policy(Prepared::enforced(
        &Csp::new()
            .default_src([Source::None])
            .frame_ancestors([Source::None]),
    ));
    settings.set(header::REFERRER_POLICY, ReferrerPolicy::NoReferrer.into());
    settings.set(RESOURCE_POLICY, ResourcePolicy::SameOrigin.into());
    settings.set(header::X_XSS_PROTECTION, XSS_OFF);
    settings
}

pub(super) fn page() -> Settings {
    let mut settings = api();
    settings.set_policy(Prepared::enforced(&page_policy()));
    // A page's own requests to its server may say where they come from; other sites learn nothing.
    settings.set(header::REFERRER_POLICY, ReferrerPolicy::SameOrigin.into());
    settings.set(OPENER_POLICY, OpenerPolicy::SameOrigin.into());
    settings.set(ORIGIN_AGENT_CLUSTER, HeaderValue::from_static("?1"));
    settings.set(
        PERMISSIONS_POLICY,
        PermissionsPolicy::deny_sensitive().value(),
    );
    settings
}

fn page_policy() -> Csp {
    let own = || [Source::SelfOrigin];
    Csp::new()
        .default_src([Source::None])
        .script_src([Source::Nonce, Source::StrictDynamic])
        .style_src([Source::SelfOrigin, Source::Nonce])
        .img_src([Source::SelfOrigin, Source::Scheme(Scheme::Data)])
        .font_src(own())
        .connect_src(own())
        .media_src(own())
        .manifest_src(own())
        .object_src([Source::None])
        .base_uri([Source::None])
        .form_action(own())
        .frame_ancestors([Source::None])
        .upgrade_insecure_requests()
}

pub(super) fn owasp() -> Settings {
    let fixed = |name: &'static str, value: &'static str| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let mut settings = Settings {
        strip: FINGERPRINTS.to_vec(),
        ..Settings::default()
    };
    for (name, value) in [
        fixed("cache-control", "no-store, max-age=0"),
        fixed(
            "content-security-policy",
            "default-src 'self'; form-action 'self'; base-uri 'self'; object-src 'none'; \
             frame-ancestors 'none'; upgrade-insecure-requests",
        ),
        fixed("cross-origin-embedder-policy", "require-corp"),
        fixed("cross-origin-opener-policy", "same-origin"),
        fixed("cross-origin-resource-policy", "same-origin"),
        fixed(
            "permissions-policy",
            "accelerometer=(), autoplay=(), camera=(), cross-origin-isolated=(), display-capture=(), \
             encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), keyboard-map=(), magnetometer=(), \
             microphone=(), midi=(), payment=(), picture-in-picture=(), publickey-credentials-get=(), \
             screen-wake-lock=(), sync-xhr=(self), usb=(), web-share=(), xr-spatial-tracking=(), \
             clipboard-read=(), clipboard-write=(), gamepad=(), hid=(), idle-detection=(), interest-cohort=(), \
             serial=(), unload=()",
        ),
        fixed("referrer-policy", "no-referrer"),
        fixed(
            "strict-transport-security",
            "max-age=63072000; includeSubDomains",
        ),
        fixed("x-content-type-options", "nosniff"),
        fixed("x-dns-prefetch-control", "off"),
        fixed("x-frame-options", "deny"),
        fixed("x-permitted-cross-domain-policies", "none"),
    ] {
        settings.set(name, value);
    }
    settings
}

pub(super) fn classic() -> Settings {
    let mut settings = Settings::default();
    settings.set(header::X_FRAME_OPTIONS, FrameOptions::Deny.into());
    settings.set(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    settings.set(header::X_XSS_PROTECTION, XSS_BLOCK);
    settings.set(header::STRICT_TRANSPORT_SECURITY, Hsts::default().value());
    settings.set_policy(Prepared::enforced(
        &Csp::new().default_src([Source::SelfOrigin]),
    ));
    settings.set(
        header::REFERRER_POLICY,
        ReferrerPolicy::StrictOriginWhenCrossOrigin.into(),
    );
    settings
}

pub(super) fn reverse_proxy() -> Settings {
    let mut settings = Settings::default();
    settings.set(header::X_FRAME_OPTIONS, FrameOptions::SameOrigin.into());
    settings.set(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    settings.set(header::X_XSS_PROTECTION, XSS_BLOCK);
    settings.set(
        header::REFERRER_POLICY,
        ReferrerPolicy::NoReferrerWhenDowngrade.into(),
    );
    settings.set_policy(Prepared::enforced(&Csp::new().default_src([
        Source::SelfOrigin,
        Source::Scheme(Scheme::Http),
        Source::Scheme(Scheme::Https),
        Source::Scheme(Scheme::Data),
        Source::Scheme(Scheme::Blob),
        Source::UnsafeInline,
        Source::UnsafeEval,
    ])));
    settings
}
