//! A real server that fails, stalls, breaks off, resets and recovers, behind hyper's client. Real time.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use palisade_breaker::{BreakerError, BreakerLayer, State};
use tower::timeout::TimeoutLayer;
use tower::{ServiceBuilder, ServiceExt};

use crate::upstream::{Mood, Upstream, nobody, wait_for_trial};

fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

/// A client that makes a connection for each request.
fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build_http()
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test]
async fn a_server_that_fails_stalls_breaks_off_resets_and_recovers() {
    let server = Upstream::start().await;
    let layer = BreakerLayer::http("upstream")
        .failure_threshold(3)
        .open_for(millis(500));
    let breaker = layer.handle();
    let client = ServiceBuilder::new()
        .layer(layer)
        .layer(TimeoutLayer::new(millis(500)))
        .service(client());
    for trouble in [Mood::Fails, Mood::Stalls, Mood::BreaksOff, Mood::Resets] {
        server.set(trouble);
        for _ in 0..3 {
            assert_eq!(breaker.state(), State::Closed, "{trouble:?}");
            let answer = client.clone().oneshot(get(&server.url())).await;
            match (trouble, answer) {
                (Mood::Fails, Ok(response)) => assert_eq!(response.status(), 500),
                (Mood::Stalls, Err(BreakerError::Inner(error))) => {
                    assert!(error.is::<tower::timeout::error::Elapsed>(), "{error:?}");
                }
                (Mood::BreaksOff | Mood::Resets, Ok(response)) => {
                    assert_eq!(response.status(), 200);
                    assert!(response.into_body().collect().await.is_err());
                }
                (_, answer) => panic!("{trouble:?}: {answer:?}"),
            }
        }
        assert_eq!(breaker.state(), State::Open, "{trouble:?}");
        let before = server.requests();
        let refused = client.clone().oneshot(get(&server.url())).await;
        assert!(refused.unwrap_err().rejected().is_some());
        assert_eq!(server.requests(), before, "the server was left alone");

        server.set(Mood::Well);
        wait_for_trial(&breaker).await;
        let response = client.clone().oneshot(get(&server.url())).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "well");
        assert_eq!(breaker.state(), State::Closed);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_opens_it() {
    let url = format!("http://{}/", nobody().await);
    let layer = BreakerLayer::http("nobody");
    let breaker = layer.handle();
    let client = ServiceBuilder::new().layer(layer).service(client());
    for _ in 0..5 {
        assert!(client.clone().oneshot(get(&url)).await.is_err());
    }
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test]
async fn axum_handlers_are_guarded_by_route_and_by_router() {
    async fn failing() -> http::StatusCode {
        http::StatusCode::INTERNAL_SERVER_ERROR
    }
    let layer = BreakerLayer::http("handlers").respond_when_open();
    let breaker = layer.handle();
    let router: axum::Router = axum::Router::new()
        .route("/a", axum::routing::get(failing))
        .route("/b", axum::routing::get(failing).layer(layer.clone()))
        .layer(layer);
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let request = Request::get("/a").body(axum::body::Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [500, 500, 500, 500, 500, 503]);
    assert_eq!(breaker.state(), State::Open);
}

/// Retry, breaker, timeout and client, from the outside in, as the guide says.
#[cfg(feature = "retry")]
mod in_the_order_of_the_guide {
    use super::*;
    use palisade_breaker::{BreakerHandle, RetryLayer};

    type Answer = Result<u16, BreakerError<tower::BoxError>>;

    struct Caller {
        breaker: BreakerHandle,
        server: Upstream,
        client: tower::util::BoxCloneSyncService<String, u16, BreakerError<tower::BoxError>>,
    }

    impl Caller {
        async fn new() -> Self {
            let layer = BreakerLayer::http("upstream")
                .failure_threshold(4)
                .open_for(millis(500));
            let breaker = layer.handle();
            let client = ServiceBuilder::new()
                .map_request(|url: String| get(&url))
                .map_response(|response: http::Response<_>| response.status().as_u16())
                .layer(RetryLayer::boxed().backoff(millis(5), 1.0).budget(1.0, 100))
                .layer(layer)
                .layer(TimeoutLayer::new(millis(500)))
                .service(client());
            Self {
                breaker,
                server: Upstream::start().await,
                client: tower::util::BoxCloneSyncService::new(client),
            }
        }

        async fn call(&self) -> Answer {
            self.client.clone().oneshot(self.server.url()).await
        }
    }

    #[tokio::test]
    async fn a_short_trouble_is_not_seen_by_the_caller() {
        let caller = Caller::new().await;
        for trouble in [Mood::Fails, Mood::Stalls] {
            let before = caller.server.requests();
            caller.server.set_for(2, trouble);
            assert_eq!(caller.call().await.unwrap(), 200, "{trouble:?}");
            assert_eq!(caller.server.requests() - before, 3);
            assert_eq!(caller.breaker.metrics().failures, 2, "each attempt counts");
            caller.breaker.reset();
        }
    }

    #[tokio::test]
    async fn a_long_one_opens_the_breaker_which_ends_the_retries_until_it_recovers() {
        let caller = Caller::new().await;
        caller.server.set(Mood::Stalls);
        let timed_out = caller.call().await.unwrap_err().into_inner().unwrap();
        assert!(timed_out.is::<tower::timeout::error::Elapsed>());
        // The fourth attempt in all opens it, and the fifth is not made.
        assert!(caller.call().await.unwrap_err().rejected().is_some());
        assert_eq!(caller.server.requests(), 4);
        assert_eq!(caller.breaker.state(), State::Open);

        caller.server.set(Mood::Well);
        wait_for_trial(&caller.breaker).await;
        assert_eq!(caller.call().await.unwrap(), 200);
        assert_eq!(caller.breaker.state(), State::Closed);
        assert_eq!(caller.server.requests(), 5);
    }
}
