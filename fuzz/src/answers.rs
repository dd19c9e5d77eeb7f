use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service, ServiceExt, service_fn};

type Answer = Ready<Result<Response<Empty<Bytes>>, Infallible>>;
type Handler = fn(Request<()>) -> Answer;

fn handler(_: Request<()>) -> Answer {
    ready(Ok(Response::new(Empty::new())))
}

/// Sends a request through a layer around a handler that answers at once.
pub(crate) fn through<L, B>(layer: &L, request: Request<()>) -> Response<B>
where
    L: Layer<tower::util::ServiceFn<Handler>>,
    L::Service: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let call = layer.layer(service_fn(handler as Handler)).oneshot(request);
    let mut call = pin!(call);
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response,
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("the layer waits for something"),
    }
}

/// The lines of `data` as values of one header, those that can be.
pub(crate) fn lines(name: &'static str, data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(8) {
        if let Ok(line) = HeaderValue::from_bytes(line) {
            headers.append(name, line);
        }
    }
    headers
}
