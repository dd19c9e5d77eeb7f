use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use palisade_breaker::{BreakerError, KeyedHandle};
use tokio::time::timeout;
use tower_service::Service;

use crate::guard::Guarded;
use crate::origin::{PlainHttp, admit, origin};
use crate::{HttpClientBuilder, HttpClientError};

/// Fields that carry credentials, and are marked as such in every request.
const CREDENTIALS: [HeaderName; 5] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-vault-token"),
];

/// An HTTPS client with bounds on time and memory, behind a breaker for each server and retries.
///
/// Clones share the pool of connections, the breakers and the budget of retries.
///
/// Needs a Tokio runtime with time and I/O.
///
/// # Example
///
/// ```no_run
/// use palisade_client::HttpClient;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = HttpClient::builder().max_body(64 * 1024).build()?;
/// let keys = client.get("https://issuer.example/.well-known/jwks.json").await?;
/// assert_eq!(keys.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpClient(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) guarded: Guarded,
    pub(crate) breakers: KeyedHandle,
    pub(crate) plain: PlainHttp,
    pub(crate) user_agent: HeaderValue,
    pub(crate) total: Duration,
    pub(crate) has_roots: bool,
}

impl HttpClient {
    /// Starts with the defaults.
    #[must_use]
    pub fn builder() -> HttpClientBuilder {
        HttpClientBuilder::default()
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Sends a `GET` and reads the response to its end; see [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), and for a `url` that is none.
    pub async fn get(&self, url: &str) -> Result<Response<Bytes>, HttpClientError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.parse::<Uri>().map_err(|_| HttpClientError::Refused {
            reason: "the URL cannot be parsed",
        })?;
        self.send(request).await
    }

    /// Sends a request and reads the response to its end, whatever its status.
    ///
    /// A redirect is a response like any other, and is not followed. Responses of 5xx, broken exchanges and timeouts are
    /// tried again if the method is idempotent (RFC 9110, section 9.2.2) or the request has an `Idempotency-Key`;
    /// connections that were not made, whatever the method. The last response is returned when no attempt is left.
    ///
    /// The fields `Authorization`, `Proxy-Authorization`, `Cookie`, `X-API-Key` and `X-Vault-Token` are marked as
    /// sensitive, so that no `Debug` shows them.
    ///
    /// # Errors
    ///
    /// [`Refused`](HttpClientError::Refused) if the URL is not `https`, nor `http` on loopback, carries user
    /// information, or if there is no root certificate; [`Connect`](HttpClientError::Connect),
    /// [`Exchange`](HttpClientError::Exchange), [`TimedOut`](HttpClientError::TimedOut) and
    /// [`TooLarge`](HttpClientError::TooLarge) as those say; [`Open`](HttpClientError::Open) while the breaker of the
    /// server is open.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection of an exchange that has begun; the server may have processed the
    /// request. Nothing else is lost.
    pub async fn send(
        &self,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, HttpClientError> {
        let inner = &*self.0;
        admit(request.uri(), inner.plain)?;
        if !inner.has_roots && request.uri().scheme_str() == Some("https") {
            return Err(HttpClientError::Refused {
                reason: "no root certificate is known by which a server could be trusted",
            });
        }
        let headers = request.headers_mut();
        mark_credentials(headers);
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, inner.user_agent.clone());
        }
        let origin = origin(request.uri());
        let mut guarded = inner.guarded.clone();
        let call = async move {
            poll_fn(|cx| guarded.poll_ready(cx)).await?;
            guarded.call(request).await
        };
        match timeout(inner.total, Box::pin(call)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(BreakerError::Inner(error))) => Err(error),
            Ok(Err(BreakerError::Open(rejected))) => Err(HttpClientError::Open {
                origin,
                retry_after: rejected.retry_after,
            }),
            Ok(Err(_)) => Err(HttpClientError::Open {
                origin,
                retry_after: None,
            }),
            Err(_) => Err(HttpClientError::TimedOut {
                origin,
                limit: inner.total,
            }),
        }
    }

    /// Returns a handle to the breakers, one for each host and port.
    #[must_use]
    pub fn breakers(&self) -> &KeyedHandle {
        &self.0.breakers
    }
}

fn mark_credentials(headers: &mut HeaderMap) {
    for name in &CREDENTIALS {
        if let http::header::Entry::Occupied(mut entry) = headers.entry(name) {
            for value in entry.iter_mut() {
                value.set_sensitive(true);
            }
        }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("total_timeout", &self.0.total)
            .field("plain_http", &self.0.plain)
            .finish_non_exhaustive()
    }
}
