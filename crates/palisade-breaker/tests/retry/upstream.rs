//! An upstream that answers from a list, and calls of it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use palisade_breaker::RetryLayer;
use palisade_core::time::{Instant, now};
use tower::{Layer, Service, ServiceExt, service_fn};

pub(crate) type Answer = Result<Response<String>, std::io::Error>;

/// The attempts that reached the upstream: their times, and their whole bodies.
pub(crate) type Attempts = Arc<Mutex<Vec<(Instant, Bytes)>>>;

pub(crate) fn status(code: u16) -> Answer {
    let response = Response::builder().status(code).body(String::new());
    Ok(response.unwrap())
}

pub(crate) fn reset() -> Answer {
    Err(std::io::ErrorKind::ConnectionReset.into())
}

pub(crate) fn with_header(code: u16, name: &'static str, value: &str) -> Answer {
    let response = Response::builder().status(code).header(name, value);
    Ok(response.body(String::new()).unwrap())
}

/// Answers one after the other, and the last for ever.
pub(crate) fn upstream<B>(
    attempts: &Attempts,
    answers: impl IntoIterator<Item = fn() -> Answer>,
) -> impl Service<Request<B>, Response = Response<String>, Error = std::io::Error, Future: Send> + Clone
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
{
    let attempts = Arc::clone(attempts);
    let answers: Arc<[fn() -> Answer]> = answers.into_iter().collect();
    service_fn(move |request: Request<B>| {
        let (attempts, answers) = (Arc::clone(&attempts), Arc::clone(&answers));
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let mut attempts = attempts.lock().unwrap();
            attempts.push((now(), body));
            let answer = answers.get(attempts.len() - 1).or(answers.last());
            answer.unwrap()()
        }
    })
}

pub(crate) fn request(method: Method) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .body(Full::from("body"))
        .unwrap()
}

/// The number of calls of the upstream for these answers, and the result.
pub(crate) async fn run(
    layer: RetryLayer,
    request: Request<Full<Bytes>>,
    answers: &[fn() -> Answer],
) -> (usize, Answer) {
    let attempts = Attempts::default();
    let service = layer.layer(upstream(&attempts, answers.iter().copied()));
    let answer = service.oneshot(request).await;
    let attempts = attempts.lock().unwrap();
    assert!(
        attempts.iter().all(|(_, body)| body == "body"),
        "{attempts:?}"
    );
    (attempts.len(), answer)
}

pub(crate) async fn tries(answers: &[fn() -> Answer]) -> usize {
    run(RetryLayer::default(), request(Method::GET), answers)
        .await
        .0
}
