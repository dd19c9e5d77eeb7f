//! Retries: deadlines, observers, statuses that a server or a caller chooses, and what gRPC is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response};
use palisade_breaker::{HttpRetry, Judge, RetryAdvice, RetryEvent, RetryLayer, retry_if};
use palisade_core::time::now;
use tower::{Layer, ServiceExt, service_fn};

use crate::common::secs;

type Headers = &'static [(&'static str, &'static str)];

/// The headers of each attempt that the upstream saw, which answers all of them like this after so long.
async fn attempts(
    layer: RetryLayer,
    request: Request<String>,
    (status, headers): (u16, Headers),
    takes: Duration,
) -> Vec<HeaderMap> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let service = layer.layer(service_fn(move |request: Request<String>| {
        kept.lock().unwrap().push(request.headers().clone());
        async move {
            tokio::time::sleep(takes).await;
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            Ok::<_, std::io::Error>(response.body(String::new()).unwrap())
        }
    }));
    let answer = service.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), status);
    std::mem::take(&mut *seen.lock().unwrap())
}

fn request(method: Method) -> Request<String> {
    Request::builder()
        .method(method)
        .body(String::new())
        .unwrap()
}

const AT_ONCE: Duration = Duration::ZERO;

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_after_the_deadline() {
    // Without jitter the waits are 1, 2, 4, 8 s, and each attempt takes 1 s: they begin at 0, 2, 5, 10, 19 s. Tokio's timer
    // rounds up to milliseconds.
    for (deadline, made) in [
        (1_500, 1),
        (2_500, 2),
        (4_500, 2),
        (5_500, 3),
        (10_500, 4),
        (18_500, 4),
        (19_500, 5),
    ] {
        let deadline = Duration::from_millis(deadline);
        let layer = RetryLayer::default()
            .attempts(5)
            .jitter(0.0)
            .budget(1.0, 10);
        let start = now();
        let seen = attempts(
            layer.deadline(deadline),
            request(Method::GET),
            (503, &[]),
            secs(1),
        )
        .await;
        assert_eq!(seen.len(), made, "{deadline:?}");
        assert!(now() - start <= deadline + secs(1));
    }
    // What the server asks for is a wait as well.
    let layer = RetryLayer::default().deadline(secs(10));
    let seen = attempts(
        layer,
        request(Method::GET),
        (503, &[("retry-after", "11")]),
        AT_ONCE,
    )
    .await;
    assert_eq!(seen.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_that_of_each_call() {
    let layer = RetryLayer::default()
        .jitter(0.0)
        .deadline(secs(4))
        .budget(10.0, 0);
    let service = layer.layer(service_fn(|_: Request<String>| async {
        Err::<Response<String>, _>(std::io::Error::other("reset"))
    }));
    for _ in 0..3 {
        let start = now();
        assert!(service.clone().oneshot(request(Method::GET)).await.is_err());
        let took = now() - start;
        assert!((secs(3)..secs(4)).contains(&took), "{took:?}");
    }
}

type Told = Arc<Mutex<Vec<(u32, u64)>>>;

fn observer(told: &Told) -> impl Fn(&RetryEvent) + Send + Sync + 'static {
    let told = Arc::clone(told);
    move |retry| {
        let mut told = told.lock().unwrap();
        told.push((retry.attempt, retry.wait.as_secs()));
    }
}

#[tokio::test(start_paused = true)]
async fn every_observer_is_told_of_each_retry() {
    let told = Told::default();
    let layer = RetryLayer::default().jitter(0.0).on_retry(observer(&told));
    let layer = layer
        .on_retry(|_| panic!("on purpose"))
        .on_retry(observer(&told));
    attempts(layer.clone(), request(Method::GET), (503, &[]), AT_ONCE).await;
    assert_eq!(*told.lock().unwrap(), [(2, 1), (2, 1), (3, 2), (3, 2)]);
    told.lock().unwrap().clear();
    attempts(layer, request(Method::GET), (404, &[]), AT_ONCE).await;
    assert!(told.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_when_is_asked_again() {
    let in_two: Headers = &[("retry-after", "2")];
    for (status, method, headers, made) in [
        (408, Method::GET, in_two, 3),
        (425, Method::GET, in_two, 3),
        (429, Method::GET, in_two, 3),
        (429, Method::GET, &[("retry-after", "61")], 1),
        (429, Method::GET, &[("retry-after", "soon")], 1),
        (429, Method::GET, &[], 1),
        (408, Method::GET, &[], 1),
        // Where the method does not allow it, nobody may.
        (429, Method::POST, in_two, 1),
        (404, Method::GET, in_two, 1),
        (413, Method::GET, in_two, 1),
    ] {
        let start = now();
        let request = request(method.clone());
        let seen = attempts(RetryLayer::default(), request, (status, headers), AT_ONCE).await;
        assert_eq!(seen.len(), made, "{status} {method} {headers:?}");
        assert!(made == 1 || now() - start >= secs(4));
    }
}

#[tokio::test(start_paused = true)]
async fn grpc_statuses_can_be_chosen() {
    let layer = || {
        let layer = RetryLayer::default().insecure_any_method();
        layer.retry_on_grpc([8, 0, 17]).retry_on_grpc([10])
    };
    for (headers, made) in [
        (&[("grpc-status", "14")] as Headers, 3),
        (&[("grpc-status", "8")], 3),
        (&[("grpc-status", "10")], 3),
        (&[("grpc-status", "0")], 1),
        (&[("grpc-status", "4")], 1),
        (&[("grpc-status", "17")], 1),
        (&[("grpc-status", "nonsense")], 1),
        (&[("grpc-status", "8"), ("grpc-retry-pushback-ms", "-1")], 1),
    ] {
        let seen = attempts(layer(), request(Method::POST), (200, headers), AT_ONCE).await;
        assert_eq!(seen.len(), made, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_grpc_server_is_told_how_often_it_was_tried_before() {
    let layer = || RetryLayer::default().insecure_any_method();
    let told = |seen: &[HeaderMap]| -> Vec<Option<String>> {
        let attempts = seen.iter();
        let attempts = attempts.map(|headers| headers.get("grpc-previous-rpc-attempts"));
        attempts
            .map(|value| Some(value?.to_str().unwrap().to_owned()))
            .collect()
    };
    let unavailable: (u16, Headers) = (200, &[("grpc-status", "14")]);
    for kind in ["application/grpc", "application/grpc+proto"] {
        let mut grpc = request(Method::POST);
        let headers = grpc.headers_mut();
        headers.insert("content-type", kind.parse().unwrap());
        let seen = attempts(layer(), grpc, unavailable, AT_ONCE).await;
        assert_eq!(told(&seen), [None, Some("1".into()), Some("2".into())]);
    }
    let seen = attempts(layer(), request(Method::POST), unavailable, AT_ONCE).await;
    assert_eq!(told(&seen), [None, None, None], "it is no gRPC");
}

#[test]
fn a_judge_of_boxed_errors_has_the_same_statuses() {
    let judge = HttpRetry::default().retry_on([409]).boxed();
    for (status, advice) in [
        (409, RetryAdvice::Again),
        (503, RetryAdvice::Again),
        (404, RetryAdvice::No),
    ] {
        let response = Response::builder().status(status).body(()).unwrap();
        let result = Ok::<_, &tower::BoxError>(&response);
        assert_eq!(judge.judge(result), advice, "{status}");
    }
}

#[test]
fn judges_show_what_they_retry() {
    let judge = HttpRetry::default().retry_on([409, 429]);
    let shown = format!("{:?}", judge.retry_on_grpc([8, 10]));
    let expected = "HttpRetry { retry_on: [409, 429], retry_on_grpc: 0b10100000000 }";
    assert_eq!(shown, expected);
    let closure = retry_if(|_: Result<&(), &std::io::Error>| RetryAdvice::No);
    assert_eq!(format!("{closure:?}"), "RetryIf");
}
