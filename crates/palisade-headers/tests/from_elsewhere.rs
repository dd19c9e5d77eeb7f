//! The lines of `docs/guides/from-tower-http-and-tower-helmet.md`: each layer beside the one that it replaces.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::Empty;
use palisade_core::RequestId;
use palisade_headers::security::{
    EmbedderPolicy, FrameOptions, OpenerPolicy, ResourcePolicy, XssProtection,
};
use palisade_headers::{CorsBuilder, CorsLayer, Merge, RequestIdLayer, SecurityHeadersLayer};
use tower::{Layer, ServiceExt, service_fn};
use tower_helmet::HelmetLayer;
use tower_helmet::header as helmet;
use tower_http::cors::{self, AllowHeaders, AllowOrigin, Any};
use tower_http::request_id::{
    MakeRequestId, MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer,
};
use tower_http::set_header::SetResponseHeaderLayer;

const APP: &str = "https://app.example";
const X_OWN: HeaderName = HeaderName::from_static("x-own");

/// Answers with what the request carried in `x-own` and `x-request-id`.
async fn handle(request: Request<()>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut response = Response::new(Empty::new());
    if let Some(own) = request.headers().get(X_OWN) {
        response.headers_mut().insert(X_OWN, own.clone());
    }
    if let Some(id) = request.headers().get("x-request-id") {
        response.headers_mut().insert("x-seen-id", id.clone());
    }
    Ok(response)
}

/// Status and headers of the answer of [`handle`] behind a layer.
macro_rules! answer {
    ($layer:expr, $request:expr) => {{
        let service = $layer.layer(service_fn(handle));
        service.oneshot($request).await.unwrap().into_parts().0
    }};
}

fn request(method: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn preflight(origin: &str) -> Request<()> {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "content-type"),
    ];
    request("OPTIONS", &headers)
}

/// The items of a list in lower case, whatever their order.
fn items(head: &http::response::Parts, name: &str) -> BTreeSet<String> {
    let values = head.headers.get_all(name).iter();
    let text: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
    let text = text.join(",").to_ascii_lowercase();
    let items = text.split(',').map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Compares these lists in the answers to a preflight and to the request itself.
macro_rules! assert_alike {
    ($theirs:expr, $ours:expr, $origin:expr, $names:expr) => {
        let pairs = [
            (
                answer!($theirs, preflight($origin)),
                answer!($ours, preflight($origin)),
            ),
            (
                answer!($theirs, request("PUT", &[("origin", $origin)])),
                answer!($ours, request("PUT", &[("origin", $origin)])),
            ),
        ];
        let mut found = false;
        for (theirs, ours) in &pairs {
            for name in $names {
                let name = format!("access-control-{name}");
                assert_eq!(items(theirs, &name), items(ours, &name), "{name}");
                found |= ours.headers.contains_key(&name);
            }
        }
        assert!(found, "none of {:?} is there", $names);
    };
}

fn theirs() -> cors::CorsLayer {
    cors::CorsLayer::new().allow_origin([HeaderValue::from_static(APP)])
}

fn ours() -> CorsBuilder {
    CorsLayer::builder().origins([APP])
}

fn built(builder: CorsBuilder) -> CorsLayer {
    builder.try_build().unwrap()
}

#[tokio::test]
async fn origins_are_allowed_as_by_tower_http() {
    assert_alike!(theirs(), built(ours()), APP, ["allow-origin"]);
    let any = cors::CorsLayer::new().allow_origin(Any);
    let everybody = built(CorsLayer::builder().origins(["*"]));
    assert_alike!(any, everybody, APP, ["allow-origin"]);

    let is_below =
        |origin: &[u8]| origin.starts_with(b"https://") && origin.ends_with(b".example.com");
    let predicate = AllowOrigin::predicate(move |origin, _| is_below(origin.as_bytes()));
    let theirs = cors::CorsLayer::new().allow_origin(predicate);
    let wildcard = built(CorsLayer::builder().origins(["https://*.example.com"]));
    let closure = built(CorsLayer::builder().origins_by(move |origin| is_below(origin.as_bytes())));
    for ours in [wildcard, closure] {
        assert_alike!(
            theirs.clone(),
            ours,
            "https://a.example.com",
            ["allow-origin"]
        );
    }
}

#[tokio::test]
async fn methods_headers_and_the_rest_are_said_as_by_tower_http() {
    assert_alike!(
        theirs().allow_methods([Method::PUT, Method::DELETE]),
        built(ours().methods([Method::PUT, Method::DELETE])),
        APP,
        ["allow-methods"]
    );
    assert_alike!(
        theirs().allow_headers([CONTENT_TYPE, X_OWN]),
        built(ours().headers(["content-type", "x-own"])),
        APP,
        ["allow-headers"]
    );
    assert_alike!(
        theirs().allow_headers(AllowHeaders::mirror_request()),
        built(ours().mirror_headers()),
        APP,
        ["allow-headers"]
    );
    assert_alike!(
        theirs().allow_credentials(true),
        built(ours().credentials(true)),
        APP,
        ["allow-credentials"]
    );
    assert_alike!(
        theirs().max_age(Duration::from_secs(60)),
        built(ours().max_age(Duration::from_secs(60))),
        APP,
        ["max-age"]
    );
    let exposing = theirs().expose_headers([ETAG]);
    let theirs = answer!(exposing, request("GET", &[("origin", APP)]));
    let only = answer!(
        built(ours().expose_only(["etag"])),
        request("GET", &[("origin", APP)])
    );
    let beside = answer!(
        built(ours().expose(["etag"])),
        request("GET", &[("origin", APP)])
    );
    let exposed = "access-control-expose-headers";
    assert_eq!(items(&theirs, exposed), items(&only, exposed));
    assert!(items(&beside, exposed).is_superset(&items(&theirs, exposed)));
    assert!(items(&beside, exposed).contains("x-request-id"));
}

#[tokio::test]
async fn permissive_policies_name_what_they_allow() {
    let theirs = answer!(cors::CorsLayer::permissive(), preflight(APP));
    let api = answer!(CorsLayer::api(), preflight(APP));
    for head in [&theirs, &api] {
        assert_eq!(head.headers["access-control-allow-origin"], "*");
    }
    assert_eq!(theirs.headers["access-control-allow-methods"], "*");
    assert_eq!(api.headers["access-control-allow-methods"], "GET, POST");

    let page = "http://localhost:3000";
    let theirs = answer!(cors::CorsLayer::very_permissive(), preflight(page));
    assert_eq!(theirs.headers["access-control-allow-origin"], page);
    if let Ok(development) = CorsBuilder::development().try_build() {
        let ours = answer!(development, preflight(page));
        assert_eq!(ours.headers["access-control-allow-origin"], page);
        assert_eq!(ours.headers["access-control-allow-credentials"], "true");
        assert_eq!(
            answer!(development, preflight("https://evil.example")).status,
            403
        );
    }
    let theirs = answer!(
        cors::CorsLayer::very_permissive(),
        preflight("https://evil.example")
    );
    assert_eq!(
        theirs.headers["access-control-allow-origin"],
        "https://evil.example"
    );
}

#[tokio::test]
async fn preflights_differ_as_the_guide_says() {
    let evil = preflight("https://evil.example");
    assert_eq!(answer!(theirs(), evil).status, 200);
    let denied = answer!(built(ours()), preflight("https://evil.example"));
    assert_eq!(denied.status, 403);
    assert!(
        denied
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("access-control"))
    );

    let plain = || request("OPTIONS", &[("x-own", "handled")]);
    assert!(!answer!(theirs(), plain()).headers.contains_key(X_OWN));
    assert_eq!(answer!(built(ours()), plain()).headers[X_OWN], "handled");

    assert_eq!(answer!(built(ours()), preflight(APP)).status, 204);
    assert_eq!(
        answer!(built(ours().preflight_ok()), preflight(APP)).status,
        200
    );
    assert!(
        CorsLayer::builder()
            .origins(["*"])
            .credentials(true)
            .try_build()
            .is_err()
    );
}

#[derive(Clone)]
struct Fixed;

impl MakeRequestId for Fixed {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<tower_http::request_id::RequestId> {
        let id = HeaderValue::from_static("own-1");
        Some(tower_http::request_id::RequestId::new(id))
    }
}

#[tokio::test]
async fn request_ids_are_set_and_propagated_as_by_tower_http() {
    let theirs = tower::ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        .into_inner();
    let sent = || request("GET", &[("x-request-id", "sent-1")]);
    let ours = RequestIdLayer::new().trust_callers();
    assert_eq!(answer!(theirs, sent()).headers["x-request-id"], "sent-1");
    assert_eq!(answer!(ours, sent()).headers["x-request-id"], "sent-1");
    let fresh = RequestIdLayer::new();
    assert_ne!(answer!(fresh, sent()).headers["x-request-id"], "sent-1");
    for head in [
        answer!(theirs, request("GET", &[])),
        answer!(fresh, request("GET", &[])),
    ] {
        assert_eq!(head.headers["x-request-id"].len(), 36);
    }
    let odd = || request("GET", &[("x-request-id", "no id at all")]);
    assert_eq!(
        answer!(theirs, odd()).headers["x-request-id"],
        "no id at all"
    );
    assert_eq!(answer!(ours, odd()).headers["x-request-id"].len(), 36);

    let theirs = tower::ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(X_OWN, Fixed))
        .layer(PropagateRequestIdLayer::new(X_OWN))
        .into_inner();
    let ours = RequestIdLayer::new()
        .header(X_OWN)
        .generator(|| RequestId::new("own-1").ok())
        .write_to_request();
    assert_eq!(answer!(theirs, request("GET", &[])).headers[X_OWN], "own-1");
    assert_eq!(answer!(ours, request("GET", &[])).headers[X_OWN], "own-1");

    let written = answer!(fresh.write_to_request(), request("GET", &[]));
    assert_eq!(
        written.headers["x-seen-id"],
        written.headers["x-request-id"]
    );
}

#[tokio::test]
async fn headers_are_merged_as_by_tower_http() {
    let value = HeaderValue::from_static("layer");
    let ours = SecurityHeadersLayer::none().header(X_OWN, value.clone());
    for (theirs, ours) in [
        (
            SetResponseHeaderLayer::if_not_present(X_OWN, value.clone()),
            ours.clone(),
        ),
        (
            SetResponseHeaderLayer::overriding(X_OWN, value.clone()),
            ours.clone().merge(X_OWN, Merge::Override),
        ),
        (
            SetResponseHeaderLayer::appending(X_OWN, value),
            ours.merge(X_OWN, Merge::Append),
        ),
    ] {
        for sent in [&[][..], &[("x-own", "handler")]] {
            let theirs = answer!(theirs, request("GET", sent));
            let ours = answer!(ours, request("GET", sent));
            assert_eq!(items(&theirs, "x-own"), items(&ours, "x-own"));
        }
    }
}

#[tokio::test]
async fn each_header_of_tower_helmet_has_its_setter() {
    let mut blank = HelmetLayer::blank();
    let theirs = blank
        .enable(helmet::XFrameOptions::SameOrigin)
        .enable(helmet::CrossOriginOpenerPolicy::SameOrigin)
        .enable(helmet::CrossOriginEmbedderPolicy)
        .enable(helmet::CrossOriginResourcePolicy::SameOrigin)
        .enable(helmet::OriginAgentCluster)
        .enable(helmet::XXSSProtection);
    let ours = SecurityHeadersLayer::none()
        .frame_options(FrameOptions::SameOrigin)
        .opener_policy(OpenerPolicy::SameOrigin)
        .embedder_policy(EmbedderPolicy::RequireCorp)
        .resource_policy(ResourcePolicy::SameOrigin)
        .origin_agent_cluster()
        .xss_protection(XssProtection::Disabled);
    let theirs_head = answer!(theirs, request("GET", &[]));
    let ours_head = answer!(ours, request("GET", &[]));
    assert_eq!(theirs_head.headers.len(), 6);
    assert_eq!(theirs_head.headers, ours_head.headers);

    let theirs = theirs.remove("x-frame-options");
    let ours = ours.without(http::header::X_FRAME_OPTIONS);
    let theirs_head = answer!(theirs, request("GET", &[]));
    let ours_head = answer!(ours, request("GET", &[]));
    assert_eq!(theirs_head.headers.len(), 5);
    assert_eq!(theirs_head.headers, ours_head.headers);
}

#[tokio::test]
async fn the_defaults_of_tower_helmet_differ_as_the_guide_says() {
    let theirs = answer!(HelmetLayer::with_defaults(), request("GET", &[]));
    let page = answer!(SecurityHeadersLayer::page(), request("GET", &[]));
    assert!(theirs.headers.contains_key("expect-ct"));
    assert!(!page.headers.contains_key("expect-ct"));
    for name in [
        "content-security-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "origin-agent-cluster",
        "referrer-policy",
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
        "x-xss-protection",
    ] {
        assert!(theirs.headers.contains_key(name), "{name}");
        assert!(page.headers.contains_key(name), "{name}");
    }
}
