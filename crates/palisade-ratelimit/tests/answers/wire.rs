//! The wire: header fields that parse, gRPC refusals, and servers that the layer fits.

use std::time::Duration;

use crate::support::*;
use http::Request;
use palisade_core::time::{UnixTime, WallClock};
use palisade_ratelimit::{HOUR, Limit, Policy, Rate, RateLimitLayer, burst};
use proptest::prelude::*;
use tower::{Layer, ServiceExt};

fn some_limit() -> impl Strategy<Value = Limit> {
    let window = (1_u64..100_000_000).prop_map(Duration::from_millis);
    (0..4, 1_u32..100_000, 1_u32..1_000, window).prop_map(
        |(kind, quota, size, window)| match kind {
            0 => Limit::token_bucket(Rate::new(quota, window), burst(size)),
            1 => Limit::fixed(quota, window),
            2 => Limit::sliding(quota, window),
            _ => Limit::exact(quota.clamp(1, 64), window),
        },
    )
}

/// The string, and the two parameters, of the one item in a list.
fn item(text: &str, first: &str, second: &str) -> (String, i64, i64) {
    let list: sfv::List = sfv::Parser::new(text).parse().unwrap();
    let [sfv::ListEntry::Item(item)] = &list[..] else {
        panic!("{text}")
    };
    let name = item.bare_item.as_string().unwrap().as_str().to_owned();
    let number = |key: &str| {
        let value = item
            .params
            .get(sfv::KeyRef::from_str(key).unwrap())
            .unwrap();
        i64::from(value.as_integer().unwrap())
    };
    assert_eq!(item.params.len(), 2, "{text}");
    (name, number(first), number(second))
}

proptest! {
    #[test]
    fn all_header_fields_parse_and_agree(limits in proptest::collection::vec(some_limit(), 1..8), now in 0_u64..1 << 33, requests in 1..20) {
        let policy = limits.into_iter().fold(Policy::new("a.b:c-d_9"), Policy::limit);
        let clock = WallClock::from_fn(move || UnixTime::from_secs(now));
        // Some buckets take longer than a year to refill, and are refused.
        let Ok(layer) = RateLimitLayer::builder().policy(policy).wall_clock(clock).build() else { return Ok(()) };
        let service = serve(&layer);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            for _ in 0..requests {
                let response = send(&service, from("203.0.113.7")).await;
                let number = |name| header(&response, name).unwrap().parse::<i64>().unwrap();
                let (name, quota, window) = item(header(&response, "ratelimit-policy").unwrap(), "q", "w");
                let (same_name, remaining, reset) = item(header(&response, "ratelimit").unwrap(), "r", "t");
                assert_eq!((name.as_str(), same_name.as_str()), ("a.b:c-d_9", "a.b:c-d_9"));
                assert!(window >= 1 && quota >= 0 && reset >= 0);
                assert_eq!(number("x-ratelimit-remaining"), remaining);
                assert!(number("x-ratelimit-limit") >= 1);
                let until_reset = number("x-ratelimit-reset") - i64::try_from(now).unwrap();
                assert!((until_reset - reset).abs() <= 1, "{until_reset} {reset}");
                if response.status() == 429 {
                    assert!(number("retry-after") >= 1);
                    assert!(remaining == 0);
                }
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn grpc_callers_get_resource_exhausted_that_tonic_reads() {
    let layer = RateLimitLayer::builder()
        .policy(Policy::new("api").limit(Limit::fixed(1, HOUR)))
        .build()
        .unwrap();
    let service = serve(&layer);
    let call = || {
        to(
            with(from("203.0.113.7"), "content-type", "application/grpc"),
            "POST",
            "/pkg.Service/Call",
        )
    };
    assert_eq!(status(&service, call()).await, 200);
    let refused = send(&service, call()).await;
    assert_eq!(refused.status(), 200, "trailers alone, in the head");
    let status = tonic::Status::from_header_map(refused.headers()).unwrap();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    assert_eq!(
        status.message(),
        "Rate limit exceeded. Try again in 3600 seconds"
    );
    assert_eq!(header(&refused, "grpc-retry-pushback-ms"), Some("3600000"));
    assert_eq!(header(&refused, "x-ratelimit-remaining"), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn one_layer_fits_axum_routers_and_routes_and_sees_their_peer() {
    use axum::extract::ConnectInfo;
    use axum::routing::get;
    let layer = RateLimitLayer::builder()
        .policy(Policy::new("api").limit(Limit::fixed(2, HOUR)))
        .build()
        .unwrap();
    let app: axum::Router = axum::Router::new()
        .route("/a", get(|| async { "a" }).layer(layer.clone()))
        .route("/b", get(|| async { "b" }))
        .route_layer(layer.clone())
        .layer(RateLimitLayer::off());
    let call = |path: &str, host: u8| {
        let mut request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        request
            .extensions_mut()
            .insert(ConnectInfo(std::net::SocketAddr::from((
                [203, 0, 113, host],
                4433,
            ))));
        let app = app.clone();
        async move { app.oneshot(request).await.unwrap().status().as_u16() }
    };
    // On `/a` the layer stands twice, and so counts twice: state is in the layer and not in each use of it.
    assert_eq!(call("/a", 1).await, 200);
    assert_eq!(call("/b", 1).await, 429);
    assert_eq!(call("/b", 2).await, 200);
    assert_eq!(call("/b", 2).await, 200);
    assert_eq!(call("/b", 2).await, 429);
}

#[test]
fn one_layer_fits_tonic_services() {
    fn fits<S>(_: S)
    where
        S: tower::Service<
                Request<tonic::body::Body>,
                Response = http::Response<palisade_core::ResponseBody<tonic::body::Body>>,
            > + Clone
            + Send,
        S::Future: Send,
    {
    }
    let inner = tower::service_fn(|_: Request<tonic::body::Body>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(tonic::body::Body::empty()))
    });
    fits(RateLimitLayer::builder().build().unwrap().layer(inner));
}
