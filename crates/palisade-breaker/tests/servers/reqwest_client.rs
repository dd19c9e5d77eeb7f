//! reqwest's client behind the layers, as it is: its own requests, its own responses. A real server, in real time.

use std::time::Duration;

use futures_util::StreamExt;
use palisade_breaker::{BreakerHandle, BreakerLayer, ByAuthority, ByHeader, ExtractKey, State};
use reqwest::{Client, Method, Request, Response};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

use crate::upstream::{Mood, Upstream, nobody, wait_for_trial};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A client that waits a second for each part of an answer, and makes a connection for each request.
fn client() -> Client {
    let client = Client::builder().read_timeout(millis(1_000));
    client.pool_max_idle_per_host(0).build().unwrap()
}

fn get(url: &str) -> Request {
    Request::new(Method::GET, url.parse().unwrap())
}

type Guarded =
    BoxCloneSyncService<Request, Response, palisade_breaker::BreakerError<reqwest::Error>>;

fn guarded(failures: u32) -> (Guarded, BreakerHandle) {
    let layer = BreakerLayer::http("upstream")
        .failure_threshold(failures)
        .open_for(millis(500));
    let breaker = layer.handle();
    let service = ServiceBuilder::new().layer(layer).service(client());
    (BoxCloneSyncService::new(service), breaker)
}

/// The whole body by `chunk`, or why there is none.
async fn chunks(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        whole.extend(chunk);
    }
    Ok(whole)
}

#[tokio::test]
async fn a_response_of_reqwest_stays_what_it_was() {
    let server = Upstream::start().await;
    let (client, breaker) = guarded(1);
    let url = format!("{}path?query=1", server.url());
    let bare = self::client().execute(get(&url)).await.unwrap();
    let response = client.oneshot(get(&url)).await.unwrap();
    assert_eq!(response.url().as_str(), url);
    assert_eq!(response.remote_addr(), Some(server.addr));
    assert_eq!(response.version(), bare.version());
    assert_eq!(response.content_length(), Some(4));
    assert_eq!(response.headers().len(), bare.headers().len());
    assert_eq!(response.text().await.unwrap(), "well");
    assert_eq!(breaker.metrics().failures, 0);
}

#[tokio::test]
async fn reqwest_sees_a_server_that_fails_stalls_breaks_off_resets_and_recovers() {
    let server = Upstream::start().await;
    let (client, breaker) = guarded(3);
    for trouble in [
        Mood::Fails,
        Mood::Stalls,
        Mood::StallsInTheBody,
        Mood::BreaksOff,
        Mood::Resets,
    ] {
        server.set(trouble);
        for attempt in 0..3 {
            assert_eq!(breaker.state(), State::Closed, "{trouble:?}");
            let answer = client.clone().oneshot(get(&server.url())).await;
            match (trouble, answer) {
                (Mood::Fails, Ok(response)) => assert_eq!(response.status(), 500),
                (Mood::Stalls, Err(error)) => {
                    assert!(
                        error.into_inner().unwrap().is_timeout(),
                        "a timeout stays one"
                    );
                }
                (_, Ok(response)) if trouble != Mood::Stalls => {
                    assert_eq!(response.status(), 200);
                    assert_eq!(response.url().as_str(), server.url());
                    let error = if attempt == 0 {
                        let mut stream = response.bytes_stream();
                        assert_eq!(stream.next().await.unwrap().unwrap(), "half");
                        stream.next().await.unwrap().unwrap_err()
                    } else {
                        chunks(response).await.unwrap_err()
                    };
                    assert_eq!(error.is_timeout(), trouble == Mood::StallsInTheBody);
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
        assert_eq!(chunks(response).await.unwrap(), b"well");
        assert_eq!(breaker.state(), State::Closed);
    }
}

#[tokio::test]
async fn a_trial_whose_body_breaks_off_counts_against_what_it_closed() {
    let server = Upstream::start().await;
    let (client, breaker) = guarded(2);
    server.set(Mood::Fails);
    for _ in 0..2 {
        client.clone().oneshot(get(&server.url())).await.unwrap();
    }
    server.set(Mood::BreaksOff);
    wait_for_trial(&breaker).await;
    let response = client.oneshot(get(&server.url())).await.unwrap();
    assert_eq!(
        (breaker.state(), breaker.metrics().failures),
        (State::Closed, 0)
    );
    assert!(chunks(response).await.is_err());
    assert_eq!(breaker.metrics().failures, 1);
}

#[tokio::test]
async fn where_nobody_listens_reqwest_fails_to_connect_and_opens_it() {
    let url = format!("http://{}/", nobody().await);
    let (client, breaker) = guarded(2);
    for _ in 0..2 {
        let error = client.clone().oneshot(get(&url)).await.unwrap_err();
        assert!(error.into_inner().unwrap().is_connect());
    }
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test]
async fn each_authority_that_reqwest_calls_has_a_breaker() {
    let (well, failing) = (Upstream::start().await, Upstream::start().await);
    failing.set(Mood::Fails);
    let layer = BreakerLayer::http("outbound").failure_threshold(1);
    let layer = layer.keyed(ByAuthority::new());
    let handle = layer.handle();
    let client = ServiceBuilder::new().layer(layer).service(client());
    for _ in 0..2 {
        let _ = client.clone().oneshot(get(&failing.url())).await;
        assert_eq!(
            client
                .clone()
                .oneshot(get(&well.url()))
                .await
                .unwrap()
                .status(),
            200
        );
    }
    assert_eq!(
        handle.not_closed(),
        [(failing.addr.to_string(), State::Open)]
    );
    assert_eq!((failing.requests(), well.requests()), (1, 2));
}

#[test]
fn the_authority_of_a_request_of_reqwest_is_the_host_and_its_port() {
    for (url, key) in [
        ("http://API.example:8080/x", "api.example:8080"),
        ("https://user:pass@api.example/x", "api.example"),
        ("https://api.example:443/x", "api.example"),
        ("http://[::1]:81/", "[::1]:81"),
    ] {
        let request = get(url);
        assert_eq!(ByAuthority::new().extract(&request).as_deref(), Some(key));
    }
    let mut request = get("http://api.example/");
    request
        .headers_mut()
        .insert("x-tenant", "T1".parse().unwrap());
    let by_tenant = ByHeader("x-tenant".parse().unwrap());
    assert_eq!(by_tenant.extract(&request).as_deref(), Some("T1"));
}

#[cfg(feature = "retry")]
mod retried {
    use super::*;
    use palisade_breaker::RetryLayer;
    use tower::timeout::TimeoutLayer;

    #[tokio::test]
    async fn a_request_of_reqwest_is_repeated_with_its_body() {
        let server = Upstream::start().await;
        let (guarded, breaker) = guarded(5);
        let client = ServiceBuilder::new()
            .layer(RetryLayer::default().backoff(millis(5), 1.0))
            .service(guarded);
        server.set_for(2, Mood::Fails);
        let mut request = get(&server.url());
        *request.method_mut() = Method::PUT;
        *request.body_mut() = Some("body".into());
        let response = client.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.url().as_str(), server.url());
        assert_eq!(server.requests(), 3);
        assert_eq!(server.bodies(), ["body"; 3]);
        assert_eq!(breaker.metrics().failures, 2);
    }

    #[tokio::test]
    async fn what_must_not_or_cannot_be_repeated_is_sent_once() {
        let server = Upstream::start().await;
        server.set(Mood::Fails);
        let layer = || RetryLayer::default().backoff(millis(5), 1.0);
        let client = ServiceBuilder::new().layer(layer()).service(client());
        let mut post = get(&server.url());
        *post.method_mut() = Method::POST;
        assert_eq!(client.clone().oneshot(post).await.unwrap().status(), 500);
        assert_eq!(server.requests(), 1);

        let mut streamed = get(&server.url());
        *streamed.method_mut() = Method::PUT;
        let parts = futures_util::stream::iter([Ok::<_, std::io::Error>("body")]);
        *streamed.body_mut() = Some(reqwest::Body::wrap_stream(parts));
        assert_eq!(client.oneshot(streamed).await.unwrap().status(), 500);
        assert_eq!(server.requests(), 2);
    }

    #[tokio::test]
    async fn an_open_breaker_ends_the_retries_of_reqwest_behind_a_timeout_too() {
        let server = Upstream::start().await;
        server.set(Mood::Stalls);
        let layer = BreakerLayer::http("upstream").failure_threshold(2);
        let client = ServiceBuilder::new()
            .layer(RetryLayer::boxed().backoff(millis(5), 1.0))
            .layer(layer)
            .layer(TimeoutLayer::new(millis(50)))
            .service(client());
        let refused = client.oneshot(get(&server.url())).await.unwrap_err();
        assert!(refused.rejected().is_some());
        assert_eq!(server.requests(), 2);
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_built_is_neither_counted_nor_retried() {
    let (client, breaker) = guarded(3);
    for _ in 0..9 {
        let failed = client.clone().oneshot(get("ftp://upstream.example/")).await;
        let error = failed.unwrap_err().into_inner().unwrap();
        assert!(error.is_builder(), "{error:?}");
    }
    assert_eq!(breaker.state(), State::Closed);
}

#[cfg(feature = "retry")]
#[tokio::test]
async fn a_request_that_cannot_be_built_is_tried_once() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let client = client();
    let client = ServiceBuilder::new()
        .layer(palisade_breaker::RetryLayer::default())
        .service(tower::service_fn(move |request: Request| {
            counted.fetch_add(1, Ordering::Relaxed);
            client.execute(request)
        }));
    assert!(
        client
            .oneshot(get("ftp://upstream.example/"))
            .await
            .is_err()
    );
    assert_eq!(tries.load(Ordering::Relaxed), 1);
}
