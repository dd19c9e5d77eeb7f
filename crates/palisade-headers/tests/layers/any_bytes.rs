//! Whatever bytes a client sends, and whatever text an operator writes: no panic, and no surprise.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::Empty;
use palisade_headers::security::{
    Allowlist, Csp, HostSource, Hsts, PermissionsPolicy, ReportingEndpoints, Source,
};
use palisade_headers::{
    CorsLayer, CrossOriginGuardLayer, Merge, PropagateRequestIdLayer, RequestIdLayer,
    SecurityHeadersLayer,
};
use proptest::collection::vec;
use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};

/// Bytes that a header may hold; most of what is tried is near something that means something.
fn value() -> impl Strategy<Value = HeaderValue> {
    let near = prop_oneof![
        Just("https://app.test".to_owned()),
        Just("https://a.tenant.test".to_owned()),
        Just("null".to_owned()),
        Just("same-origin".to_owned()),
        "https?://[a-z.*:/@#\\\\]{0,40}(tenant|app)\\.test[:0-9a-z.]{0,8}",
        "[A-Za-z0-9._-]{0,140}",
        "00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]",
    ];
    // RFC 9110, section 5.5: the tab, what is visible, and what is not ASCII.
    let byte = prop_oneof![Just(b'\t'), b' '..=b'~', 0x80..=0xff_u8];
    prop_oneof![near.prop_map(String::into_bytes), vec(byte, 0..200)]
        .prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap())
}

fn name() -> impl Strategy<Value = HeaderName> {
    let names = [
        "origin",
        "host",
        "sec-fetch-site",
        "access-control-request-method",
        "access-control-request-headers",
        "x-request-id",
        "x-correlation-id",
        "traceparent",
        "x-forwarded-proto",
        "vary",
        "content-type",
    ];
    prop::sample::select(names.map(HeaderName::from_static).to_vec())
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    vec((name(), value()), 0..8).prop_map(|list| {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(name, value);
        }
        headers
    })
}

fn method() -> impl Strategy<Value = Method> {
    let usual = ["GET", "POST", "OPTIONS", "DELETE", "FOO"];
    prop::sample::select(usual.map(|name| name.parse().unwrap()).to_vec())
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        "/[ -~&&[^ \"<>`{}#]]{0,40}",
        Just("/hooks/a".to_owned()),
        Just("/hooks/../x".to_owned())
    ]
}

fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// The answer of all server layers to a request whose handler answers with `theirs`.
fn through_all(request: Request<()>, theirs: HeaderMap) -> Response<()> {
    let handler = service_fn(move |_: Request<()>| {
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.headers_mut() = theirs.clone();
        async { Ok::<_, std::convert::Infallible>(response) }
    });
    let cors = CorsLayer::builder()
        .origins(["https://app.test", "https://*.tenant.test"])
        .credentials(true)
        .try_build()
        .unwrap();
    let guard = CrossOriginGuardLayer::new()
        .trust_cors(&cors)
        .add_insecure_bypass("/hooks/{id}")
        .unwrap();
    let headers = SecurityHeadersLayer::page().merge(http::header::VARY, Merge::Append);
    let service = RequestIdLayer::new()
        .trust_callers()
        .layer(headers.layer(cors.layer(guard.layer(handler))));
    block(service.oneshot(request)).unwrap().map(drop)
}

/// The meaning of `https://*.tenant.test` and `https://app.test` mean, written down naively.
fn is_allowed(origin: &[u8]) -> bool {
    let Ok(origin) = std::str::from_utf8(origin) else {
        return false;
    };
    let label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))
    };
    let below = origin
        .strip_prefix("https://")
        .and_then(|host| host.strip_suffix(".tenant.test"))
        .is_some_and(|labels| labels.split('.').all(label));
    origin == "https://app.test" || (below && origin.len() <= 300)
}

/// Few cases in an ordinary run, many where `PALISADE_FULL` asks for the long proofs.
fn cases() -> ProptestConfig {
    let full = std::env::var_os("PALISADE_FULL").is_some();
    ProptestConfig {
        cases: if full { 20_000 } else { 400 },
        max_global_rejects: u32::MAX,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_request_breaks_a_layer(method in method(), path in path(), sent in headers(), theirs in headers()) {
        let Ok(uri) = path.parse::<http::Uri>() else { return Ok(()) };
        let mut request = Request::new(());
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, sent.clone());
        let response = through_all(request, theirs.clone());

        prop_assert_eq!(response.headers().get_all("x-request-id").iter().count(), 1);
        let id = response.headers()["x-request-id"].as_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        prop_assert!((1..=128).contains(&id.len()) && id.iter().all(plain));
        prop_assert!(response.headers().contains_key("strict-transport-security"));
        if let Some(allowed) = response.headers().get("access-control-allow-origin") {
            prop_assert!(is_allowed(allowed.as_bytes()), "{allowed:?}");
            prop_assert_eq!(Some(allowed), sent.get("origin"));
        }
    }

    #[test]
    fn an_origin_is_allowed_exactly_when_a_plain_reading_says_so(origin in value()) {
        let cors = CorsLayer::builder().origins(["https://app.test", "https://*.tenant.test"]).try_build().unwrap();
        let handler = service_fn(|_: Request<()>| async {
            Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        let request = Request::get("/").header("origin", &origin).body(()).unwrap();
        let response = block(cors.layer(handler).oneshot(request)).unwrap();
        let allowed = response.headers().contains_key("access-control-allow-origin");
        prop_assert_eq!(allowed, is_allowed(origin.as_bytes()));
    }

    #[test]
    fn no_text_of_an_operator_breaks_a_builder(one in ".{0,60}", two in "[ -~]{0,60}", credentials: bool) {
        for text in [&one, &two] {
            let built = CorsLayer::builder()
                .origins([text])
                .methods([text.as_str()])
                .headers([text])
                .expose([text])
                .credentials(credentials)
                .try_build();
            drop(built);
            drop(CrossOriginGuardLayer::new().add_trusted_origin(text));
            drop(CrossOriginGuardLayer::new().add_insecure_bypass(text));
            drop(ReportingEndpoints::new().endpoint(text, text));
            drop(PermissionsPolicy::new().feature(text, Allowlist::SelfAnd(vec![text.clone()])));
            drop(Hsts::new(std::time::Duration::MAX).try_preload());
            if let Ok(host) = HostSource::new(text) {
                let policy = Csp::new().script_src([Source::Host(host)]).report_to(text).to_string();
                prop_assert_eq!(policy.matches(';').count(), policy.matches("; report-to ").count(), "{}", policy);
                prop_assert!(!policy.contains([',', '\'', '"']), "{policy}");
            }
        }
    }

    #[test]
    fn merging_agrees_with_a_plain_reading(theirs in headers(), by_layer in vec((name(), value()), 0..6)) {
        let mut layer = SecurityHeadersLayer::none();
        let mut expected = theirs.clone();
        for (name, value) in &by_layer {
            layer = layer.header(name.clone(), value.clone());
            if !theirs.contains_key(name) {
                expected.insert(name.clone(), value.clone());
            }
        }
        let handler = service_fn(move |_: Request<()>| {
            let mut response = Response::new(http_body_util::Empty::<bytes::Bytes>::new());
            *response.headers_mut() = theirs.clone();
            async { Ok::<_, std::convert::Infallible>(response) }
        });
        let response = block(layer.layer(handler).oneshot(Request::new(()))).unwrap();
        prop_assert_eq!(response.headers(), &expected);
    }

    #[test]
    fn a_client_that_calls_others_never_breaks(sent in headers()) {
        let upstream = service_fn(|request: Request<()>| async move {
            Ok::<_, std::convert::Infallible>(Response::new(request.headers().clone()))
        });
        let mut request = Request::new(());
        *request.headers_mut() = sent.clone();
        let response = block(PropagateRequestIdLayer::new().layer(upstream).oneshot(request)).unwrap();
        prop_assert_eq!(response.into_body(), sent);
    }
}
