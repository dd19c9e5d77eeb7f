use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use ::axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use tower_service::Service as _;

use super::body::{ReceivedBody, SentBody};
use super::settings::Settings;
use super::traffic::{Counted, Traffic};
use crate::axum::{Connection, ResponseFuture};

/// The service of one connection, which counts its requests.
pub(super) struct Exchanges {
    pub(super) connection: Connection,
    pub(super) traffic: Arc<Traffic>,
    pub(super) settings: Arc<Settings>,
}

impl hyper::service::Service<Request<Incoming>> for Exchanges {
    type Response = Response<SentBody>;
    type Error = Infallible;
    type Future = Exchange;

    fn call(&self, request: Request<Incoming>) -> Exchange {
        let counted = Counted::begin(&self.traffic, request.version());
        let mut connection = self.connection.clone();
        // A router is always ready, and the layers around it are when it is.
        let _ = connection.poll_ready(&mut Context::from_waker(Waker::noop()));
        let request =
            request.map(|body| Body::new(ReceivedBody::new(body, Arc::clone(&self.settings))));
        Exchange {
            inner: connection.call(request),
            counted: Some(counted),
        }
    }
}

pin_project_lite::pin_project! {
    pub(super) struct Exchange {
        #[pin]
        inner: ResponseFuture,
        // Taken when the response is there.
        counted: Option<Counted>,
    }
}

impl Future for Exchange {
    type Output = Result<Response<SentBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        match this.counted.take() {
            Some(counted) => Poll::Ready(Ok(response.map(|body| SentBody::new(body, counted)))),
            None => Poll::Pending,
        }
    }
}
