use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use tokio::time::timeout;
use tower_service::Service;

use crate::HttpClientError;
use crate::connector::Connector;
use crate::origin::origin;

/// One attempt: a request, and its response read to the end, in bounded time and memory.
#[derive(Clone)]
pub(crate) struct Attempt {
    pub(crate) client: Client<Connector, Full<Bytes>>,
    pub(crate) limit: Duration,
    /// The largest body in bytes.
    pub(crate) largest: usize,
}

impl Service<Request<Bytes>> for Attempt {
    type Response = Response<Bytes>;
    type Error = HttpClientError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpClientError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpClientError>> {
        // The pool makes connections as they are needed.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (limit, largest) = (self.limit, self.largest);
        let origin = origin(request.uri());
        let sent = self.client.request(request.map(Full::new));
        Box::pin(async move {
            let exchange = async {
                let response = sent.await.map_err(|error| {
                    let (origin, is_connect) = (origin.clone(), error.is_connect());
                    let source = Arc::new(error);
                    if is_connect {
                        HttpClientError::Connect { origin, source }
                    } else {
                        HttpClientError::Exchange { origin, source }
                    }
                })?;
                let (head, body) = response.into_parts();
                let body = read(body, largest, &origin).await?;
                Ok(Response::from_parts(head, body))
            };
            match timeout(limit, exchange).await {
                Ok(result) => result,
                Err(_) => Err(HttpClientError::TimedOut { origin, limit }),
            }
        })
    }
}

/// Reads a body to its end, and no further than the limit: a larger one is dropped, which closes its connection.
async fn read(mut body: Incoming, limit: usize, origin: &str) -> Result<Bytes, HttpClientError> {
    let too_large = || HttpClientError::TooLarge {
        origin: origin.into(),
        limit,
    };
    // The Content-Length, where there is one.
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| HttpClientError::Exchange {
            origin: origin.into(),
            source: Arc::new(error),
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len() + rest.len() + data.len() > limit {
            return Err(too_large());
        }
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}
