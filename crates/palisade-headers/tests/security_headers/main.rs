//! Headers that `SecurityHeadersLayer` puts on responses, and those that it leaves alone.

mod csp;
mod merging;
mod policies;
mod presets;

use std::convert::Infallible;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use palisade_headers::SecurityHeadersLayer;
use tower::{Layer, ServiceExt, service_fn};

/// The headers of the response to a request that a handler answers with `answer`.
pub(crate) async fn headers_of(
    layer: SecurityHeadersLayer,
    request: Request<()>,
    answer: impl Fn(&Request<()>) -> Response<http_body_util::Empty<bytes::Bytes>>,
) -> HeaderMap {
    let handler = service_fn(|request: Request<()>| {
        let response = answer(&request);
        async { Ok::<_, Infallible>(response) }
    });
    let response = layer.layer(handler).oneshot(request).await.unwrap();
    response.into_parts().0.headers
}

pub(crate) async fn plain(layer: SecurityHeadersLayer) -> HeaderMap {
    headers_of(layer, Request::new(()), |_| {
        Response::new(http_body_util::Empty::<bytes::Bytes>::new())
    })
    .await
}

/// All headers as lines, sorted, so that a preset can be compared with the list in its documentation.
pub(crate) fn lines(headers: &HeaderMap) -> Vec<String> {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let mut lines: Vec<_> = headers.iter().map(line).collect();
    lines.sort();
    lines
}

pub(crate) fn with(
    headers: &[(&'static str, &'static str)],
) -> Response<http_body_util::Empty<bytes::Bytes>> {
    let mut response = Response::new(http_body_util::Empty::<bytes::Bytes>::new());
    for (name, value) in headers {
        response
            .headers_mut()
            .append(*name, HeaderValue::from_static(value));
    }
    response
}
