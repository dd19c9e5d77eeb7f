//! Answers of `CorsLayer`, and requests that it lets through.

mod answers;
mod configuration;
mod extensions;
mod lookup;
mod matrix;
mod policies;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Empty;
use palisade_headers::{CorsBuilder, CorsLayer};
use tower::{Layer, ServiceExt, service_fn};

/// Status and headers of the answer; the handler answers 201 with `answer`.
pub(crate) async fn ask(
    layer: &CorsLayer,
    request: Request<()>,
    answer: &[(&'static str, &'static str)],
) -> (u16, HeaderMap) {
    let answer = answer.to_vec();
    let handler = service_fn(|_: Request<()>| {
        let mut response = Response::builder().status(201);
        for (name, value) in &answer {
            response = response.header(*name, *value);
        }
        let response = response.body(Empty::<Bytes>::new()).unwrap();
        async { Ok::<_, std::convert::Infallible>(response) }
    });
    let response = layer.layer(handler).oneshot(request).await.unwrap();
    let (head, _) = response.into_parts();
    (head.status.as_u16(), head.headers)
}

pub(crate) fn request(method: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

pub(crate) fn preflight(origin: &str) -> Request<()> {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    request("OPTIONS", &headers)
}

pub(crate) fn listed() -> CorsBuilder {
    CorsLayer::builder()
        .origins(["https://app.example", "https://*.tenant.example"])
        .methods([Method::GET, Method::POST])
        .headers(["authorization", "content-type"])
}

pub(crate) fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    headers.get_all(name).iter().map(text).collect()
}
