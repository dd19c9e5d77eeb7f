//! Nonces, and headers that depend on the request.

use http::{Request, Response};
use palisade_core::{Principal, RequestScope};
use palisade_headers::security::{
    Csp, Hsts, HstsWhen, NoStore, OverTls, ReferrerPolicy, ReportingEndpoints, Source,
};
use palisade_headers::{CspNonce, HeaderOverrides, SecurityHeadersLayer};

use crate::{headers_of, lines, plain, with};

#[tokio::test]
async fn a_nonce_that_the_handler_read_is_in_the_policy_and_never_twice_the_same() {
    let mut seen = Vec::new();
    for _ in 0..100 {
        let headers = headers_of(SecurityHeadersLayer::page(), Request::new(()), |request| {
            let nonce = CspNonce::of(request.extensions()).unwrap();
            Response::builder()
                .header("x-nonce", nonce.as_str())
                .body(http_body_util::Empty::<bytes::Bytes>::new())
                .unwrap()
        })
        .await;
        let nonce = headers["x-nonce"].to_str().unwrap().to_owned();
        assert_eq!(nonce.len(), 22, "128 bits in base64url");
        assert_eq!(
            headers["content-security-policy"],
            format!(
                "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self' 'nonce-{nonce}'; \
                 img-src 'self' data:; font-src 'self'; connect-src 'self'; media-src 'self'; manifest-src 'self'; \
                 object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
                 upgrade-insecure-requests"
            )
        );
        assert!(!seen.contains(&nonce));
        seen.push(nonce);
    }
}

#[tokio::test]
async fn a_nonce_in_two_policies_is_one() {
    let policy = Csp::new().script_src([Source::Nonce]).report_to("csp");
    let endpoints = ReportingEndpoints::new()
        .endpoint("csp", "https://reports.example/csp")
        .unwrap();
    let layer = SecurityHeadersLayer::page()
        .csp_report_only(&policy)
        .reporting_endpoints(&endpoints);
    let headers = headers_of(layer, Request::new(()), |request| {
        let nonce = CspNonce::of(request.extensions()).unwrap();
        Response::builder()
            .header("x-nonce", nonce.as_str())
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap()
    })
    .await;
    let nonce = headers["x-nonce"].to_str().unwrap();
    assert_eq!(
        headers["content-security-policy-report-only"],
        format!("script-src 'nonce-{nonce}'; report-to csp")
    );
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains(nonce)
    );
    assert_eq!(
        headers["reporting-endpoints"],
        "csp=\"https://reports.example/csp\""
    );
}

#[tokio::test]
async fn an_unread_nonce_leaves_no_source_that_it_held_back() {
    let policy = Csp::new()
        .script_src([
            Source::Nonce,
            Source::StrictDynamic,
            Source::UnsafeInline,
            Source::host("https://cdn.example").unwrap(),
        ])
        .style_src([Source::SelfOrigin, Source::Nonce, Source::UnsafeInline]);
    let headers = plain(SecurityHeadersLayer::none().csp(&policy)).await;
    assert_eq!(
        headers["content-security-policy"],
        "script-src 'none'; style-src 'self'"
    );
}

#[tokio::test]
async fn hsts_waits_for_tls_where_it_is_told_to() {
    let layer = SecurityHeadersLayer::none()
        .hsts(Hsts::default())
        .hsts_when(HstsWhen::OverTls(palisade_core::ClientIp::peer()));
    assert!(plain(layer.clone()).await.is_empty());
    let mut request = Request::new(());
    request.extensions_mut().insert(OverTls);
    let headers = headers_of(layer, request, |_| {
        Response::new(http_body_util::Empty::<bytes::Bytes>::new())
    })
    .await;
    assert_eq!(
        lines(&headers),
        ["strict-transport-security: max-age=31536000; includeSubDomains"]
    );
}

#[tokio::test]
async fn answers_to_the_authenticated_stay_out_of_caches() {
    let layer = SecurityHeadersLayer::none().no_store(NoStore::Authenticated);
    let request = |name: &str| Request::get("/").header(name, "x").body(()).unwrap();
    for (name, stored) in [
        ("authorization", false),
        ("cookie", false),
        ("accept", true),
    ] {
        let headers = headers_of(layer.clone(), request(name), |_| {
            Response::new(http_body_util::Empty::<bytes::Bytes>::new())
        })
        .await;
        assert_eq!(headers.get("cache-control").is_none(), stored, "{name}");
    }
    let cached = headers_of(layer.clone(), request("cookie"), |_| {
        with(&[("cache-control", "private")])
    })
    .await;
    assert_eq!(
        cached["cache-control"], "private",
        "the handler knows better"
    );

    let by_key = headers_of(layer, Request::new(()), |request| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        scope.push_principal(Principal::user("iss", "alice").into());
        Response::new(http_body_util::Empty::<bytes::Bytes>::new())
    })
    .await;
    assert_eq!(
        by_key["cache-control"], "no-store",
        "found by a layer further in"
    );
}

#[tokio::test]
async fn an_answer_to_a_validation_leaves_the_stored_policy_alone() {
    for status in [200, 304] {
        let headers = headers_of(SecurityHeadersLayer::page(), Request::new(()), |_| {
            let response = Response::builder().status(status);
            response
                .body(http_body_util::Empty::<bytes::Bytes>::new())
                .unwrap()
        })
        .await;
        let has_policy = headers.contains_key("content-security-policy");
        assert_eq!(has_policy, status == 200, "the policy of {status}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
    // A policy without a nonce says the same whenever it is sent.
    let headers = headers_of(SecurityHeadersLayer::api(), Request::new(()), |_| {
        let response = Response::builder().status(304);
        response
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap()
    })
    .await;
    assert!(headers.contains_key("content-security-policy"));
}

#[tokio::test]
async fn a_routes_own_policy_with_a_nonce_is_no_part_of_a_validation_either() {
    let nonce = || Csp::new().script_src([Source::Nonce]);
    let plain = || Csp::new().script_src([Source::SelfOrigin]);
    for layer in [
        SecurityHeadersLayer::page().csp_report_only(&nonce()),
        SecurityHeadersLayer::api(),
    ] {
        for (policy, sent) in [(nonce(), false), (plain(), true)] {
            let headers = headers_of(layer.clone(), Request::new(()), |request| {
                let _ = CspNonce::of(request.extensions()).map(|nonce| nonce.as_str().to_owned());
                let mut response = Response::new(http_body_util::Empty::<bytes::Bytes>::new());
                *response.status_mut() = http::StatusCode::NOT_MODIFIED;
                let overrides = HeaderOverrides::new().csp(&policy);
                response.extensions_mut().insert(overrides);
                response
            })
            .await;
            assert_eq!(headers.contains_key("content-security-policy"), sent);
            assert!(!headers.contains_key("content-security-policy-report-only"));
        }
    }
}

// W3C Referrer Policy, section 8.1: "unknown policy values will be ignored", and the last known one is taken.
#[tokio::test]
async fn a_referrer_policy_may_have_fallbacks() {
    let list = [
        ReferrerPolicy::NoReferrer,
        ReferrerPolicy::StrictOriginWhenCrossOrigin,
    ];
    let headers = plain(SecurityHeadersLayer::none().referrer_policies(list)).await;
    assert_eq!(
        headers["referrer-policy"],
        "no-referrer, strict-origin-when-cross-origin"
    );
    let headers = plain(SecurityHeadersLayer::api().referrer_policies([])).await;
    assert!(!headers.contains_key("referrer-policy"));
}
