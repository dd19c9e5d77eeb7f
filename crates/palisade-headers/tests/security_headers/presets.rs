//! Each preset byte for byte, against the written list.

use palisade_headers::SecurityHeadersLayer;

use crate::{lines, plain};

#[tokio::test]
async fn the_api_preset_is_the_written_list() {
    assert_eq!(
        lines(&plain(SecurityHeadersLayer::api()).await),
        [
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            "cross-origin-resource-policy: same-origin",
            "referrer-policy: no-referrer",
            "strict-transport-security: max-age=31536000; includeSubDomains",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "x-xss-protection: 0",
        ]
    );
}

#[tokio::test]
async fn the_page_preset_is_the_written_list() {
    assert_eq!(
        lines(&plain(SecurityHeadersLayer::page()).await),
        [
            "content-security-policy: default-src 'none'; script-src 'none'; style-src 'self'; img-src 'self' data:; \
             font-src 'self'; connect-src 'self'; media-src 'self'; manifest-src 'self'; object-src 'none'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'; upgrade-insecure-requests",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "origin-agent-cluster: ?1",
            "permissions-policy: accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), \
             fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), magnetometer=(), microphone=(), \
             midi=(), payment=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()",
            "referrer-policy: same-origin",
            "strict-transport-security: max-age=31536000; includeSubDomains",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "x-xss-protection: 0",
        ]
    );
}

#[tokio::test]
async fn the_owasp_preset_is_the_published_list() {
    // ci/headers_add.json of the OWASP Secure Headers Project, 2026-09-13, without Clear-Site-Data.
    assert_eq!(
        lines(&plain(SecurityHeadersLayer::owasp()).await),
        [
            "cache-control: no-store, max-age=0",
            "content-security-policy: default-src 'self'; form-action 'self'; base-uri 'self'; object-src 'none'; \
             frame-ancestors 'none'; upgrade-insecure-requests",
            "cross-origin-embedder-policy: require-corp",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "permissions-policy: accelerometer=(), autoplay=(), camera=(), cross-origin-isolated=(), \
             display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), keyboard-map=(), \
             magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), \
             publickey-credentials-get=(), screen-wake-lock=(), sync-xhr=(self), usb=(), web-share=(), \
             xr-spatial-tracking=(), clipboard-read=(), clipboard-write=(), gamepad=(), hid=(), idle-detection=(), \
             interest-cohort=(), serial=(), unload=()",
            "referrer-policy: no-referrer",
            "strict-transport-security: max-age=63072000; includeSubDomains",
            "x-content-type-options: nosniff",
            "x-dns-prefetch-control: off",
            "x-frame-options: deny",
            "x-permitted-cross-domain-policies: none",
        ]
    );
}

#[tokio::test]
async fn the_classic_preset_is_the_written_list() {
    assert_eq!(
        lines(&plain(SecurityHeadersLayer::classic()).await),
        [
            "content-security-policy: default-src 'self'",
            "referrer-policy: strict-origin-when-cross-origin",
            "strict-transport-security: max-age=31536000; includeSubDomains",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "x-xss-protection: 1; mode=block",
        ]
    );
}

#[tokio::test]
async fn the_reverse_proxy_preset_is_the_written_list() {
    assert_eq!(
        lines(&plain(SecurityHeadersLayer::reverse_proxy()).await),
        [
            "content-security-policy: default-src 'self' http: https: data: blob: 'unsafe-inline' 'unsafe-eval'",
            "referrer-policy: no-referrer-when-downgrade",
            "x-content-type-options: nosniff",
            "x-frame-options: SAMEORIGIN",
            "x-xss-protection: 1; mode=block",
        ]
    );
}

#[tokio::test]
async fn no_preset_sends_what_browsers_have_dropped() {
    for layer in [
        SecurityHeadersLayer::api(),
        SecurityHeadersLayer::page(),
        SecurityHeadersLayer::owasp(),
        SecurityHeadersLayer::classic(),
        SecurityHeadersLayer::reverse_proxy(),
    ] {
        let headers = plain(layer).await;
        for dropped in [
            "expect-ct",
            "public-key-pins",
            "feature-policy",
            "x-download-options",
        ] {
            assert!(!headers.contains_key(dropped), "{dropped}");
        }
    }
}

// ci/headers_remove.json of the OWASP Secure Headers Project, 2026-09-13.
#[test]
fn the_stripped_names_are_the_published_list() {
    let names = palisade_headers::security::FINGERPRINTS;
    assert_eq!(names.len(), 88);
    for added in [
        "teamcity-node-id",
        "x-backside-transport",
        "x-datadog-trace-id",
        "x-gitlab-meta",
        "x-kong-upstream-status",
        "x-tyk-trace-id",
        "x-woodpecker-version",
    ] {
        assert!(names.iter().any(|name| name == added), "{added}");
    }
}
