//! Merging with headers of the handler, and changes to the policy by a route or an operator.

use std::convert::Infallible;

use http::{HeaderValue, Request, Response, header};
use palisade_headers::security::{
    Allowlist, ClearSiteData, Csp, NoStore, PermissionsPolicy, Source, XssProtection,
};
use palisade_headers::{HeaderOverrides, Merge, SecurityHeadersLayer};
use tower::{Layer, ServiceExt, service_fn};

use crate::{headers_of, lines, plain, with};

#[tokio::test]
async fn a_header_that_the_handler_set_wins() {
    let headers = headers_of(SecurityHeadersLayer::api(), Request::new(()), |_| {
        with(&[
            ("x-frame-options", "SAMEORIGIN"),
            ("content-type", "text/plain"),
            ("content-length", "5"),
            ("x-own", "kept"),
        ])
    })
    .await;
    assert_eq!(headers["x-frame-options"], "SAMEORIGIN");
    assert_eq!(headers.get_all("x-frame-options").iter().count(), 1);
    assert_eq!(headers["content-type"], "text/plain");
    assert_eq!(headers["content-length"], "5");
    assert_eq!(headers["x-own"], "kept");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers.len(), 10);
}

#[tokio::test]
async fn several_cookies_survive() {
    let cookies = [
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("set-cookie", "c=3"),
    ];
    let headers = headers_of(SecurityHeadersLayer::api(), Request::new(()), |_| {
        with(&cookies)
    })
    .await;
    let kept: Vec<_> = headers.get_all("set-cookie").iter().collect();
    assert_eq!(kept, ["a=1", "b=2", "c=3"]);
}

#[tokio::test]
async fn a_merge_mode_holds_for_its_header() {
    let layer = SecurityHeadersLayer::api()
        .merge(header::X_FRAME_OPTIONS, Merge::Override)
        .merge(header::CONTENT_SECURITY_POLICY, Merge::Append);
    let headers = headers_of(layer, Request::new(()), |_| {
        with(&[
            ("x-frame-options", "SAMEORIGIN"),
            ("x-frame-options", "ALLOWALL"),
            ("content-security-policy", "sandbox"),
            ("content-security-policy", "script-src 'self'"),
            ("referrer-policy", "origin"),
        ])
    })
    .await;
    let all = |name: &str| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
    assert_eq!(all("x-frame-options"), ["DENY"]);
    assert_eq!(
        all("content-security-policy"),
        [
            "default-src 'none'; frame-ancestors 'none'",
            "sandbox",
            "script-src 'self'"
        ]
    );
    assert_eq!(all("referrer-policy"), ["origin"]);
}

#[tokio::test]
async fn a_route_overrides_the_policy_and_no_other_route_is_changed() {
    let layer = SecurityHeadersLayer::api();
    let partner = Csp::new().frame_ancestors([Source::host("https://partner.example").unwrap()]);
    let changed = headers_of(layer.clone(), Request::new(()), |_| {
        let mut response = with(&[]);
        response.extensions_mut().insert(
            HeaderOverrides::new()
                .csp(&partner)
                .omit(header::X_FRAME_OPTIONS)
                .set(header::REFERRER_POLICY, HeaderValue::from_static("origin"))
                .clear_site_data(ClearSiteData::all()),
        );
        response
    })
    .await;
    assert_eq!(
        lines(&changed),
        [
            "clear-site-data: \"cache\",\"cookies\",\"storage\"",
            "content-security-policy: frame-ancestors https://partner.example",
            "cross-origin-resource-policy: same-origin",
            "referrer-policy: origin",
            "strict-transport-security: max-age=31536000; includeSubDomains",
            "x-content-type-options: nosniff",
            "x-xss-protection: 0",
        ]
    );
    assert_eq!(plain(layer).await["x-frame-options"], "DENY");
}

#[tokio::test]
async fn an_override_reaches_the_layers_further_out() {
    let inner = service_fn(|_: Request<()>| async {
        let mut response = Response::new(http_body_util::Empty::<bytes::Bytes>::new());
        let overrides = HeaderOverrides::new().omit(header::X_FRAME_OPTIONS);
        response.extensions_mut().insert(overrides);
        Ok::<_, Infallible>(response)
    });
    let page = SecurityHeadersLayer::page().layer(inner);
    let response = SecurityHeadersLayer::api()
        .layer(page)
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert!(!response.headers().contains_key("x-frame-options"));
    assert_eq!(
        response.headers()["referrer-policy"],
        "same-origin",
        "the inner policy is nearer"
    );
}

#[tokio::test]
async fn x_xss_protection_has_three_modes() {
    for (mode, expected) in [
        (XssProtection::Disabled, Some("0")),
        (XssProtection::LegacyBlock, Some("1; mode=block")),
        (XssProtection::Omit, None),
    ] {
        let headers = plain(SecurityHeadersLayer::api().xss_protection(mode)).await;
        let sent = headers
            .get("x-xss-protection")
            .map(|value| value.to_str().unwrap());
        assert_eq!(sent, expected);
    }
}

#[tokio::test]
async fn fingerprints_are_stripped_and_the_rest_stays() {
    let layer = SecurityHeadersLayer::owasp();
    let headers = headers_of(layer, Request::new(()), |_| {
        with(&[
            ("server", "Apache/2.4.6 (CentOS)"),
            ("x-powered-by", "PHP/5.3.3"),
            ("x-powered-by", "Express"),
            ("$wsep", ""),
            ("content-type", "text/plain"),
        ])
    })
    .await;
    for gone in ["server", "x-powered-by", "$wsep"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    assert_eq!(headers["content-type"], "text/plain");
}

#[tokio::test]
async fn even_a_usual_header_can_be_stripped() {
    let layer = SecurityHeadersLayer::none().strip([header::CONTENT_TYPE]);
    let headers = headers_of(layer, Request::new(()), |_| {
        with(&[("content-type", "text/plain"), ("content-length", "0")])
    })
    .await;
    assert_eq!(lines(&headers), ["content-length: 0"]);
}

#[tokio::test]
async fn an_error_gets_the_headers_where_a_closure_answers_it() {
    let failing = service_fn(|_: Request<()>| async {
        Err::<Response<http_body_util::Empty<bytes::Bytes>>, _>("down")
    });
    let layer = SecurityHeadersLayer::api();
    let passed = layer.clone().layer(failing).oneshot(Request::new(())).await;
    assert_eq!(passed.unwrap_err(), "down");

    let answering = layer.with_error_response(|_: &str| {
        let response = Response::builder().status(502);
        response
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap()
    });
    let response = answering
        .layer(failing)
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["x-frame-options"], "DENY");
}

#[tokio::test]
async fn off_changes_nothing_and_stays_off() {
    let layer = SecurityHeadersLayer::off()
        .header(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))
        .leak();
    let headers = headers_of(layer, Request::new(()), |_| with(&[("server", "kept")])).await;
    assert_eq!(lines(&headers), ["server: kept"]);
}

#[tokio::test]
async fn leaking_changes_nothing_but_where_the_headers_lie() {
    for layer in [
        SecurityHeadersLayer::api(),
        SecurityHeadersLayer::page(),
        SecurityHeadersLayer::owasp(),
    ] {
        assert_eq!(
            lines(&plain(layer.clone()).await),
            lines(&plain(layer.leak()).await)
        );
    }
}

#[tokio::test]
async fn a_header_can_be_changed_and_left_out() {
    let permissions = PermissionsPolicy::new()
        .feature("camera", Allowlist::SelfOrigin)
        .unwrap();
    let layer = SecurityHeadersLayer::api()
        .without(header::STRICT_TRANSPORT_SECURITY)
        .permissions_policy(&permissions)
        .origin_agent_cluster();
    let headers = plain(layer).await;
    assert!(!headers.contains_key("strict-transport-security"));
    assert_eq!(headers["permissions-policy"], "camera=(self)");
    assert_eq!(headers["origin-agent-cluster"], "?1");
}

#[tokio::test]
async fn a_merge_mode_holds_for_what_is_sent_only_sometimes() {
    let layer = SecurityHeadersLayer::none()
        .no_store(NoStore::Authenticated)
        .merge(header::CACHE_CONTROL, Merge::IfAbsent)
        .merge(header::CACHE_CONTROL, Merge::Override)
        .merge(header::CONTENT_TYPE, Merge::Append);
    let request = || {
        Request::get("/")
            .header("cookie", "session=1")
            .body(())
            .unwrap()
    };
    let answer =
        |_: &Request<()>| with(&[("cache-control", "public"), ("content-type", "text/plain")]);
    let headers = headers_of(layer.clone(), request(), answer).await;
    assert_eq!(
        lines(&headers),
        ["cache-control: no-store", "content-type: text/plain"]
    );
    let headers = headers_of(layer, Request::new(()), answer).await;
    assert_eq!(
        lines(&headers),
        ["cache-control: public", "content-type: text/plain"]
    );
}
