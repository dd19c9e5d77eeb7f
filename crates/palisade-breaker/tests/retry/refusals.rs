//! A breaker that refuses ends the retries around it, whether it fails the call or answers it.

use futures_util::FutureExt;
use http::{Request, Response};
use palisade_breaker::{BreakerLayer, ByAuthority, Rejected, RetryLayer, State};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::common::secs;

fn healthy()
-> impl Service<Request<String>, Response = Response<String>, Error = std::io::Error, Future: Send>
+ Clone {
    service_fn(|_: Request<String>| async { Ok(Response::new(String::new())) })
}

fn get() -> Request<String> {
    Request::get("http://a.example/")
        .body(String::new())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_answers_503_ends_the_retries() {
    let layer = BreakerLayer::http("x")
        .open_for(secs(40))
        .failure_threshold(1);
    layer.handle().try_acquire().unwrap().failure();
    let client = ServiceBuilder::new()
        .layer(RetryLayer::default())
        .layer(layer.clone().respond_when_open())
        .service(healthy());
    let answer = client.oneshot(get()).now_or_never();
    let answer = answer.expect("does not wait for the breaker's own Retry-After");
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "40");
    let rejected = answer.extensions().get::<Rejected>().unwrap();
    assert_eq!((rejected.name.as_str(), rejected.state), ("x", State::Open));
    assert_eq!(layer.handle().metrics().rejected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_answers_unavailable_ends_the_retries() {
    let layer = BreakerLayer::grpc("x").failure_threshold(1);
    layer.handle().try_acquire().unwrap().failure();
    let client = ServiceBuilder::new()
        .layer(RetryLayer::default().insecure_any_method())
        .layer(layer.clone())
        .service(healthy());
    let mut request = get();
    *request.method_mut() = http::Method::POST;
    let grpc = "application/grpc".parse().unwrap();
    request.headers_mut().insert("content-type", grpc);
    let answer = client.oneshot(request).now_or_never();
    let answer = answer.expect("does not wait for the breaker's own pushback");
    assert_eq!(answer.unwrap().headers()["grpc-status"], "14");
    assert_eq!(layer.handle().metrics().rejected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_of_a_key_and_one_without_a_good_response_end_the_retries() {
    let layer = BreakerLayer::http("x").failure_threshold(1);
    let layer = layer.last_good(10, 100, |_: &Request<String>| Some(String::new()));
    let layer = layer.keyed(ByAuthority::new());
    let client = ServiceBuilder::new()
        .layer(RetryLayer::boxed())
        .layer(layer.clone())
        .map_err(tower::BoxError::from)
        .service(service_fn(|_: Request<String>| async {
            let broken = Response::builder().status(500).body(String::new());
            Ok::<_, std::io::Error>(broken.unwrap())
        }));
    // Its first attempt opens the breaker, which refuses the second.
    let answer = client.clone().oneshot(get()).await.unwrap();
    assert_eq!(answer.status(), 503);
    let answer = client.oneshot(get()).now_or_never().expect("does not wait");
    assert!(answer.unwrap().extensions().get::<Rejected>().is_some());
}

#[cfg(feature = "reqwest")]
#[tokio::test(start_paused = true)]
async fn a_response_of_reqwest_that_bears_the_refusal_is_final() {
    use palisade_breaker::{HttpRetry, Judge, RetryAdvice};
    let layer = BreakerLayer::new("x");
    layer.handle().force_open();
    let rejected = layer.handle().try_acquire().unwrap_err();
    let judge = |rejected: Option<Rejected>| {
        let mut response = Response::builder().status(503).body("").unwrap();
        rejected.map(|rejected| response.extensions_mut().insert(rejected));
        let response = reqwest::Response::from(response);
        HttpRetry::default().judge(Ok::<_, &std::io::Error>(&response))
    };
    assert_eq!(judge(None), RetryAdvice::Again);
    assert_eq!(judge(Some(rejected)), RetryAdvice::No);
}
