use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::Problems;

/// An error of the client.
///
/// Of a URL it names scheme, host and port alone: user information and query carry credentials, and so does the path of
/// many webhooks.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HttpClientError {
    /// Settings that are not valid, all of them at once.
    #[error("http client configuration: {0}")]
    Config(Problems),
    /// A request that the client does not send.
    #[error("request not sent: {reason}")]
    Refused {
        /// The reason.
        reason: &'static str,
    },
    /// No connection: the name is unknown, the port is closed, the certificate is not trusted, the proxy refused, or it
    /// took longer than [`connect_timeout`](crate::HttpClientBuilder::connect_timeout). No server has seen the request.
    #[error("no connection to {origin}")]
    Connect {
        /// Scheme, host and port.
        origin: Box<str>,
        /// The cause.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The exchange broke off, or its response is no HTTP.
    #[error("the exchange with {origin} broke off")]
    Exchange {
        /// Scheme, host and port.
        origin: Box<str>,
        /// The cause.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The response did not end in time.
    #[error("{origin} did not finish its response within {} ms", limit.as_millis())]
    TimedOut {
        /// Scheme, host and port.
        origin: Box<str>,
        /// The limit: of one attempt, or of all.
        limit: Duration,
    },
    /// The body of the response is larger than allowed. No more of it was read.
    #[error("the response of {origin} is larger than {limit} bytes")]
    TooLarge {
        /// Scheme, host and port.
        origin: Box<str>,
        /// The limit in bytes.
        limit: usize,
    },
    /// The breaker of this server is open after repeated failures; nothing was sent.
    #[error("{origin} failed repeatedly and is not called for now")]
    Open {
        /// Scheme, host and port.
        origin: Box<str>,
        /// The time until another attempt makes sense, where that is known.
        retry_after: Option<Duration>,
    },
}

palisade_core::debug_as_display!(HttpClientError);

/// A connection that was not made in time.
#[derive(thiserror::Error)]
#[error("no connection within {} ms", .0.as_millis())]
pub(crate) struct ConnectTimeout(pub(crate) Duration);

palisade_core::debug_as_display!(ConnectTimeout);
