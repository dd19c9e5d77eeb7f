//! Origins that an async closure allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use palisade_headers::{CorsLayer, CrossOriginGuardLayer, OriginLookupLayer};
use tower::{ServiceBuilder, ServiceExt};

use crate::{preflight, request};

/// Allows one customer over HTTPS and HTTP, after a wait, and counts how often it is asked.
fn customers(asked: &Arc<AtomicUsize>) -> OriginLookupLayer {
    let asked = Arc::clone(asked);
    OriginLookupLayer::new(move |origin| {
        asked.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::task::yield_now().await;
            origin == "https://shop.example" || origin == "http://shop.example"
        }
    })
}

/// Status and allowed origin; the handler answers 201 behind lookup, CORS and guard.
async fn ask(
    lookup: &OriginLookupLayer,
    credentials: bool,
    request: Request<()>,
) -> (u16, Option<String>) {
    let cors = CorsLayer::builder()
        .origins(["https://app.example"])
        .origins_by_lookup()
        .credentials(credentials)
        .try_build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(lookup.clone())
        .layer(cors.clone())
        .layer(CrossOriginGuardLayer::new().trust_cors(&cors))
        .service_fn(async |_: Request<()>| {
            let response = Response::builder().status(201).body(Empty::<Bytes>::new());
            Ok::<_, std::convert::Infallible>(response.unwrap())
        });
    let head = service.oneshot(request).await.unwrap().into_parts().0;
    let allowed = head.headers.get("access-control-allow-origin");
    let allowed = allowed.map(|origin| origin.to_str().unwrap().to_owned());
    (head.status.as_u16(), allowed)
}

fn forged(origin: &str) -> Request<()> {
    let headers = [
        ("origin", origin),
        ("sec-fetch-site", "cross-site"),
        ("cookie", "session=1"),
    ];
    request("POST", &headers)
}

#[tokio::test]
async fn an_async_closure_allows_origins_beside_the_listed_ones() {
    let asked = Arc::default();
    let lookup = customers(&asked);
    for (origin, credentials, passes) in [
        ("https://shop.example", true, true),
        ("https://app.example", true, true),
        ("https://evil.example", true, false),
        // Over plain HTTP, with credentials on.
        ("http://shop.example", true, false),
        ("http://shop.example", false, true),
        ("null", false, false),
    ] {
        let allowed = passes.then(|| origin.to_owned());
        let (code, found) = ask(&lookup, credentials, preflight(origin)).await;
        let expected = if passes { 204 } else { 403 };
        assert_eq!(
            (code, &found),
            (expected, &allowed),
            "{origin} {credentials}"
        );
        let (code, found) = ask(&lookup, credentials, forged(origin)).await;
        let expected = if passes { 201 } else { 403 };
        assert_eq!(
            (code, &found),
            (expected, &allowed),
            "{origin} {credentials}"
        );
    }
}

#[tokio::test]
async fn a_lookup_is_made_for_written_origins_of_other_pages_alone() {
    let asked = Arc::default();
    let lookup = customers(&asked);
    let own = [
        ("origin", "https://shop.example"),
        ("sec-fetch-site", "same-origin"),
    ];
    let two = [
        ("origin", "https://shop.example"),
        ("origin", "https://shop.example"),
    ];
    for unasked in [
        request("GET", &[]),
        preflight("null"),
        preflight("https://Shop.example"),
        preflight("https://shop.example/"),
        request("POST", &own),
        request("POST", &two),
    ] {
        let (_, found) = ask(&lookup, false, unasked).await;
        assert_eq!(found, None);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    ask(&lookup, false, preflight("https://shop.example")).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn without_the_lookup_only_listed_origins_are_allowed() {
    let off = OriginLookupLayer::off();
    assert!(off.is_off());
    assert_eq!(
        ask(&off, true, preflight("https://shop.example")).await.0,
        403
    );
    assert_eq!(
        ask(&off, true, preflight("https://app.example")).await.0,
        204
    );
}

/// The status of a preflight of the shop behind a lookup that allows it, and two further layers.
macro_rules! behind_customers {
    ($first:expr, $second:expr) => {{
        let service = ServiceBuilder::new()
            .layer(customers(&Arc::default()))
            .layer($first)
            .layer($second)
            .service_fn(async |_: Request<()>| {
                Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new()))
            });
        let answer = service.oneshot(preflight("https://shop.example")).await;
        answer.unwrap().status().as_u16()
    }};
}

#[tokio::test]
async fn an_answer_is_about_its_own_origin_and_the_nearest_lookup() {
    let cors = || {
        CorsLayer::builder()
            .origins_by_lookup()
            .try_build()
            .unwrap()
    };
    let nothing = || tower::util::MapRequestLayer::new(|request: Request<()>| request);
    let rewrite = tower::util::MapRequestLayer::new(|mut request: Request<()>| {
        let evil = "https://evil.example".parse().unwrap();
        request.headers_mut().insert("origin", evil);
        request
    });
    let nobody = OriginLookupLayer::new(async |_: String| false);
    assert_eq!(behind_customers!(nothing(), cors()), 204);
    assert_eq!(behind_customers!(rewrite, cors()), 403);
    assert_eq!(behind_customers!(nobody, cors()), 403);
}
