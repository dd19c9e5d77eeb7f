//! Quotes from the upstream: through a retry, a breaker and a timeout, with the last good one as the fallback.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use palisade::breaker::{
    BreakerError, BreakerHandle, BreakerLayer, GuardedBody, RedisSharing, RetryLayer, SharingTask,
};
use palisade::secrets::BearerLayer;
use palisade::{Code, Rejection, ResponseBody};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

use crate::settings::Settings;

type Call = BoxCloneSyncService<
    Request<Empty<Bytes>>,
    Response<GuardedBody<ResponseBody<hyper::body::Incoming>>>,
    BreakerError<BoxError>,
>;

/// Asks the upstream.
#[derive(Clone)]
pub(crate) struct Quotes {
    call: Call,
    uri: Uri,
    breaker: BreakerHandle,
    last_good: Arc<Mutex<Option<Bytes>>>,
    /// Tells other gateways when the breaker opens, and hears of theirs, until it is dropped.
    sharing: Option<Arc<SharingTask>>,
}

/// A quote as JSON, and whether it is an old one.
pub(crate) enum Quote {
    Fresh(Bytes),
    Stale(Bytes),
}

impl Quotes {
    /// One attempt may take this long.
    const TIMEOUT: Duration = Duration::from_secs(1);
    /// A quote is small; an upstream that sends more than this is broken.
    const LIMIT: usize = 16 << 10;
    /// The wait that a caller is told where the breaker gives none.
    const PAUSE: Duration = Duration::from_secs(5);

    /// Signs its calls with `bearer`; breaker and retries are as the configuration says, and off where it has none.
    pub(crate) fn new(
        upstream: SocketAddr,
        bearer: BearerLayer,
        settings: &Settings,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let breaker = BreakerLayer::http("upstream");
        let breaker = match settings.config.breakers.get("upstream") {
            Some(config) => breaker.configured(config)?,
            None => breaker.off(),
        };
        let breaker = breaker.leak();
        let handle = breaker.handle();
        let retry = RetryLayer::boxed();
        let retry = match settings.config.retries.get("upstream") {
            Some(config) => retry.configured(config)?,
            None => retry.attempts(1),
        };
        let retry = retry.leak();
        let call = ServiceBuilder::new()
            .layer(retry)
            .layer(breaker)
            .layer(bearer.leak())
            .timeout(Self::TIMEOUT)
            .service(Client::builder(TokioExecutor::new()).build_http());
        let uri = Uri::builder()
            .scheme("http")
            .authority(upstream.to_string())
            .path_and_query("/quote")
            .build()?;
        Ok(Self {
            call: BoxCloneSyncService::new(call),
            uri,
            breaker: handle,
            last_good: Arc::default(),
            sharing: None,
        })
    }

    /// Shares the news of the breaker with the other gateways on this Redis. `instance` is this one's name, the same
    /// after a restart.
    pub(crate) fn shared(mut self, client: redis::Client, instance: &str) -> Self {
        let sharing = RedisSharing::new(client, instance).add_breaker(self.breaker.clone());
        self.sharing = Some(Arc::new(sharing.spawn()));
        self
    }

    /// The breaker before the upstream.
    pub(crate) const fn breaker(&self) -> &BreakerHandle {
        &self.breaker
    }

    /// A fresh quote, or else the last good one.
    ///
    /// # Errors
    ///
    /// 503 with `Retry-After` when there is neither.
    pub(crate) async fn get(&self) -> Result<Quote, Rejection> {
        if let Some(fresh) = self.ask().await {
            *self
                .last_good
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
            return Ok(Quote::Fresh(fresh));
        }
        let last_good = self
            .last_good
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        last_good.map(Quote::Stale).ok_or_else(|| {
            let wait = self.breaker.retry_after().unwrap_or(Self::PAUSE);
            Rejection::new(Code::Unavailable)
                .message("There is no quote right now")
                .retry_after(wait)
        })
    }

    async fn ask(&self) -> Option<Bytes> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri.clone();
        let mut call = self.call.clone();
        let response = match call.ready().await {
            Ok(ready) => ready.call(request).await,
            Err(error) => Err(error),
        };
        match response {
            Ok(response) if response.status().is_success() => {
                let body = Limited::new(response.into_body(), Self::LIMIT).collect();
                Some(
                    tokio::time::timeout(Self::TIMEOUT, body)
                        .await
                        .ok()?
                        .ok()?
                        .to_bytes(),
                )
            }
            Ok(response) => {
                tracing::warn!(status = response.status().as_u16(), "the upstream failed");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the upstream was not reached");
                None
            }
        }
    }
}

impl axum::response::IntoResponse for Quote {
    fn into_response(self) -> axum::response::Response {
        let (body, stale) = match self {
            Self::Fresh(body) => (body, false),
            Self::Stale(body) => (body, true),
        };
        let mut response = body.into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if stale {
            // RFC 7234, section 5.5.1; RFC 9111 dropped the header, operators still look for it.
            headers.insert(
                header::WARNING,
                HeaderValue::from_static("110 - \"Response is Stale\""),
            );
        }
        response
    }
}

#[cfg(test)]
mod tests;
