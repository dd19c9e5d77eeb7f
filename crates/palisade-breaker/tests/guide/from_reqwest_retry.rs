use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use palisade_breaker::{BreakerLayer, RetryAdvice, RetryLayer, retry_if};
use palisade_core::time::now;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::common::secs;
use crate::upstream::{Mood, Upstream};

/// Counts what it answers, which is this status, with this `Retry-After`.
fn upstream(
    status: u16,
    retry_after: Option<&'static str>,
    calls: &Arc<Mutex<u32>>,
) -> impl tower::Service<
    Request<String>,
    Response = Response<String>,
    Error = std::io::Error,
    Future = std::future::Ready<Result<Response<String>, std::io::Error>>,
> + Clone {
    let calls = Arc::clone(calls);
    service_fn(move |_: Request<String>| {
        *calls.lock().unwrap() += 1;
        let mut response = Response::builder().status(status);
        if let Some(wait) = retry_after {
            response = response.header("retry-after", wait);
        }
        std::future::ready(Ok(response.body(String::new()).unwrap()))
    })
}

/// The attempts that a call got, and how long it took.
async fn attempts(
    layer: RetryLayer,
    method: &str,
    (status, retry_after): (u16, Option<&'static str>),
) -> (u32, Duration) {
    let (calls, start) = (Arc::default(), now());
    let request = Request::builder().method(method).body(String::new());
    let service = layer.layer(upstream(status, retry_after, &calls));
    service.oneshot(request.unwrap()).await.unwrap();
    let calls = *calls.lock().unwrap();
    // Tokio's timer rounds up to milliseconds.
    (calls, Duration::from_secs((now() - start).as_secs()))
}

const DOWN: (u16, Option<&str>) = (503, None);

crate::table! { "## From reqwest-retry":

"`ClientBuilder::new(client).with(middleware)`" => layers_around_a_client {
    // A real server, in real time.
    tokio::time::resume();
    let server = Upstream::start().await;
    server.set_for(1, Mood::Fails);
    let client = ServiceBuilder::new()
        .layer(RetryLayer::default().backoff(Duration::from_millis(1), 1.0))
        .layer(BreakerLayer::http("upstream"))
        .service(reqwest::Client::new());
    let get = reqwest::Request::new(reqwest::Method::GET, server.url().parse().unwrap());
    assert_eq!(client.oneshot(get).await.unwrap().text().await.unwrap(), "well");
    assert_eq!(server.requests(), 2);
}

"`ExponentialBackoff::builder().build_with_max_retries(2)`" => two_retries {
    assert_eq!(attempts(RetryLayer::default(), "GET", DOWN).await.0, 3);
}

"`.retry_bounds(min, max)`, `.base(2)`" => waits_between_two_bounds {
    let layer = RetryLayer::default().attempts(5).jitter(0.0).budget(1.0, 10);
    let layer = layer.backoff(secs(3), 2.0).longest_wait(secs(10));
    // 3, 6, 10 and 10 s.
    assert_eq!(attempts(layer, "GET", DOWN).await, (5, secs(29)));
}

"`.jitter(Jitter::Full)`" => full_jitter {
    let mut took = Vec::new();
    for _ in 0..20 {
        took.push(attempts(RetryLayer::default().budget(10.0, 10), "GET", DOWN).await.1);
    }
    // Anything up to 1 and 2 s, and not always the same.
    assert!(took.iter().all(|took| *took <= secs(3)), "{took:?}");
    assert!(took.iter().any(|other| *other != took[0]), "{took:?}");
    let none = RetryLayer::default().jitter(0.0);
    assert_eq!(attempts(none, "GET", DOWN).await, (3, secs(3)));
}

"`.build_with_total_retry_duration(..)`" => a_deadline {
    let layer = RetryLayer::default().attempts(10).jitter(0.0).budget(1.0, 10);
    // At 0, 1 and 3 s, and not at 7.
    assert_eq!(attempts(layer.deadline(secs(5)), "GET", DOWN).await, (3, secs(3)));
}

"`RetryableStrategy`" => a_judge {
    let layer = RetryLayer::default().judge(retry_if(
        |result: Result<&Response<String>, &std::io::Error>| match result {
            Ok(response) if response.status() == 404 => RetryAdvice::Again,
            _ => RetryAdvice::No,
        },
    ));
    for (status, made) in [(404, 3), (503, 1)] {
        let calls = Arc::default();
        let service = layer.layer(upstream(status, None, &calls));
        service.oneshot(Request::new(String::new())).await.unwrap();
        assert_eq!(*calls.lock().unwrap(), made);
    }
}

"retries every method" => methods {
    let (default, any) = (RetryLayer::default(), RetryLayer::default().insecure_any_method());
    assert_eq!(attempts(default.clone(), "PUT", DOWN).await.0, 3);
    assert_eq!(attempts(default.clone(), "POST", DOWN).await.0, 1);
    assert_eq!(attempts(any, "POST", DOWN).await.0, 3);
    let calls = Arc::default();
    let request = Request::post("/").header("idempotency-key", "1").body(String::new());
    let service = default.layer(upstream(503, None, &calls));
    service.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(*calls.lock().unwrap(), 3);
    // What no server has processed.
    let calls: Arc<Mutex<u32>> = Arc::default();
    let counted = Arc::clone(&calls);
    let refused = default.layer(service_fn(move |_: Request<String>| {
        *counted.lock().unwrap() += 1;
        std::future::ready(Err::<Response<String>, _>(std::io::Error::from(
            std::io::ErrorKind::ConnectionRefused,
        )))
    }));
    let post = Request::post("/").body(String::new()).unwrap();
    assert!(refused.oneshot(post).await.is_err());
    assert_eq!(*calls.lock().unwrap(), 3);
}

"408 and 429 are retried after its own wait, whatever the server says" => servers_that_say_when {
    for status in [408, 425, 429] {
        let layer = RetryLayer::default();
        assert_eq!(attempts(layer.clone(), "GET", (status, None)).await.0, 1);
        let (made, took) = attempts(layer, "GET", (status, Some("10"))).await;
        assert_eq!((made, took), (3, secs(20)));
    }
}

}
